package optilock.peers;

import static optilock.peers.Scenarios.COUNTED;
import static optilock.peers.Scenarios.COUNTER;
import static optilock.peers.Scenarios.NAMESPACE;
import static optilock.peers.Scenarios.show;

import io.fabric8.kubernetes.api.model.ConfigMap;
import io.fabric8.kubernetes.api.model.ConfigMapBuilder;
import io.fabric8.kubernetes.api.model.ConfigMapList;
import io.fabric8.kubernetes.api.model.ListOptionsBuilder;
import io.fabric8.kubernetes.api.model.apps.Deployment;
import io.fabric8.kubernetes.api.model.apps.DeploymentBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.Watcher;
import io.fabric8.kubernetes.client.WatcherException;
import io.fabric8.kubernetes.client.dsl.MixedOperation;
import io.fabric8.kubernetes.client.dsl.Resource;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import io.fabric8.kubernetes.client.informers.ResourceEventHandler;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

/** The scenarios on the fabric8 client. */
public final class Fabric8 {
  private static final int CONFLICT = 409;

  private final KubernetesClient client;

  private Fabric8(KubernetesClient client) {
    this.client = client;
  }

  public static void main(String[] names) throws Exception {
    try (KubernetesClient client = new KubernetesClientBuilder().build()) {
      Fabric8 it = new Fabric8(client);
      Map<String, Callable<Object>> all = new LinkedHashMap<>();
      all.put("once", () -> it.count(5, 1));
      all.put("retry", () -> it.count(5, 10));
      all.put("crud", it::crud);
      all.put("watch", it::watchAgain);
      all.put("apply", it::apply);
      all.put("informer", it::informer);
      all.put("expired", it::expired);
      Scenarios.play(names, all);
    }
  }

  private Object count(int workers, int attempts) throws Exception {
    client.resource(deployment()).inNamespace(NAMESPACE).create();
    try {
      return Scenarios.count(workers, attempts, this::addOne, () -> value(read()));
    } finally {
      counted().delete();
    }
  }

  private Resource<Deployment> counted() {
    return client.apps().deployments().inNamespace(NAMESPACE).withName(COUNTED);
  }

  private Deployment read() {
    return counted().get();
  }

  private boolean addOne(Callable<Integer> afterReading) throws Exception {
    Deployment deployment = read();
    afterReading.call();
    String next = String.valueOf(value(deployment) + 1);
    deployment.getMetadata().getLabels().put(COUNTER, next);
    try {
      client.resource(deployment).update();
      return true;
    } catch (KubernetesClientException error) {
      if (error.getCode() != CONFLICT) {
        throw error;
      }
      return false;
    }
  }

  private static int value(Deployment deployment) {
    return Integer.parseInt(deployment.getMetadata().getLabels().get(COUNTER));
  }

  private static Deployment deployment() {
    return new DeploymentBuilder()
        .withNewMetadata()
        .withName(COUNTED)
        .addToLabels(COUNTER, "100")
        .endMetadata()
        .withNewSpec()
        .withNewSelector()
        .addToMatchLabels("app", COUNTED)
        .endSelector()
        .withNewTemplate()
        .withNewMetadata()
        .addToLabels("app", COUNTED)
        .endMetadata()
        .withNewSpec()
        .addNewContainer()
        .withName("nginx")
        .withImage("nginx")
        .endContainer()
        .endSpec()
        .endTemplate()
        .endSpec()
        .build();
  }

  private static ConfigMap configMap(String scenario, String name, String value) {
    return new ConfigMapBuilder()
        .withNewMetadata()
        .withName(name)
        .withNamespace(NAMESPACE)
        .addToLabels("scenario", scenario)
        .endMetadata()
        .addToData("a", value)
        .build();
  }

  private MixedOperation<ConfigMap, ConfigMapList, Resource<ConfigMap>> configMaps() {
    return client.configMaps();
  }

  private Resource<ConfigMap> named(String name) {
    return configMaps().inNamespace(NAMESPACE).withName(name);
  }

  /** The code and the reason of the Status that a call is refused with. */
  private static String refused(Callable<?> call) throws Exception {
    try {
      call.call();
    } catch (KubernetesClientException error) {
      return error.getCode() + " " + error.getStatus().getReason();
    }
    throw new IllegalStateException("this should have been refused");
  }

  /** Creates, reads, updates, patches, lists and deletes. */
  private Object crud() throws Exception {
    List<String> steps = new ArrayList<>();
    ConfigMap object = configMap("crud", "crud", "1");
    steps.add("created " + show(client.resource(object).create().getData()));
    steps.add(refused(() -> client.resource(object).create()));
    ConfigMap read = named("crud").get();
    steps.add("read " + show(read.getData()));
    ConfigMap changed = new ConfigMapBuilder(read).withData(Map.of("a", "2")).build();
    steps.add("updated " + show(client.resource(changed).update().getData()));
    steps.add(refused(() -> client.resource(read).update()));
    Map<String, PatchContext> kinds = new LinkedHashMap<>();
    kinds.put("merge {\"data\":{\"b\":\"3\"}}", PatchContext.of(PatchType.JSON_MERGE));
    kinds.put("json [{\"op\":\"remove\",\"path\":\"/data/a\"}]", PatchContext.of(PatchType.JSON));
    kinds.put(
        "strategic {\"data\":{\"b\":null,\"c\":\"4\"}}",
        PatchContext.of(PatchType.STRATEGIC_MERGE));
    for (var kind : kinds.entrySet()) {
      String[] patch = kind.getKey().split(" ", 2);
      steps.add(patch[0] + " " + show(named("crud").patch(kind.getValue(), patch[1]).getData()));
    }
    var list = configMaps().inNamespace(NAMESPACE).withLabel("scenario", "crud").list();
    for (ConfigMap item : list.getItems()) {
      steps.add("listed " + item.getMetadata().getName());
    }
    named("crud").delete();
    steps.add("deleted");
    // It has no error for what is not there, unless it is asked to need it.
    steps.add(refused(() -> client.resource(read).lockResourceVersion().update()));
    return steps;
  }

  /** Watches, stops, and goes on from the last version that it has seen. */
  private Object watchAgain() throws Exception {
    List<String> steps = new ArrayList<>();
    var list = configMaps().inNamespace(NAMESPACE).withLabel("scenario", "watch").list();
    String version = list.getMetadata().getResourceVersion();
    client.resource(configMap("watch", "first", "1")).create();
    client.resource(configMap("watch", "first", "2")).update();
    version = follow(version, 2, steps);

    client.resource(configMap("watch", "first", "3")).update();
    client.resource(configMap("watch", "second", "1")).create();
    named("first").delete();
    version = follow(version, 3, steps);

    named("second").delete();
    follow(version, 1, steps);
    return steps;
  }

  /** An event of a watch, or its end. */
  private record Event(String text, String version) {}

  /** Notes so many events from a version on, and returns the version of the last one. */
  private String follow(String version, int count, List<String> steps) throws Exception {
    BlockingQueue<Event> events = new LinkedBlockingQueue<>();
    Watcher<ConfigMap> watcher =
        new Watcher<>() {
          @Override
          public void eventReceived(Action action, ConfigMap object) {
            var metadata = object.getMetadata();
            String text = action + " " + metadata.getName() + " " + object.getData().get("a");
            events.add(new Event(text, metadata.getResourceVersion()));
          }

          @Override
          public void onClose(WatcherException cause) {
            events.add(new Event("closed: " + cause, null));
          }
        };
    var options = new ListOptionsBuilder().withResourceVersion(version).build();
    var selected = configMaps().inNamespace(NAMESPACE).withLabel("scenario", "watch");
    try (var watch = selected.watch(options, watcher)) {
      for (int i = 0; i < count; i++) {
        Event event = events.poll(1, TimeUnit.MINUTES);
        steps.add(event.text());
        version = event.version();
      }
    }
    return version;
  }

  /** Two managers that want the same field. */
  private Object apply() throws Exception {
    List<String> steps = new ArrayList<>();
    Map<String, String> one = Map.of("a", "1", "one", "mine");
    Map<String, String> two = Map.of("a", "2", "two", "mine");
    steps.add("applied " + show(wanted(one).fieldManager("one").serverSideApply().getData()));
    steps.add(refused(() -> wanted(two).fieldManager("two").serverSideApply()));
    ConfigMap forced = wanted(two).fieldManager("two").forceConflicts().serverSideApply();
    steps.add("forced " + show(forced.getData()));
    ConfigMap again = wanted(two).fieldManager("two").serverSideApply();
    String version = again.getMetadata().getResourceVersion();
    steps.add("unchanged " + version.equals(forced.getMetadata().getResourceVersion()));
    steps.add(
        "managed by "
            + again.getMetadata().getManagedFields().stream()
                .map(entry -> entry.getManager() + ":" + entry.getOperation())
                .collect(Collectors.joining(" ")));
    ConfigMap less = wanted(Map.of("two", "mine")).fieldManager("two").serverSideApply();
    steps.add("given up " + show(less.getData()));
    named("applied").delete();
    steps.add("deleted");
    return steps;
  }

  private Resource<ConfigMap> wanted(Map<String, String> data) {
    return client.resource(
        new ConfigMapBuilder()
            .withNewMetadata()
            .withName("applied")
            .withNamespace(NAMESPACE)
            .endMetadata()
            .withData(data)
            .build());
  }

  /** Has a cache follow what happens. */
  private Object informer() throws Exception {
    client.resource(configMap("informer", "early", "1")).create();
    BlockingQueue<String> events = new LinkedBlockingQueue<>();
    var handler = handler(events);
    List<String> steps = new ArrayList<>();
    var selected = configMaps().inNamespace(NAMESPACE).withLabel("scenario", "informer");
    try (var informer = selected.inform(handler)) {
      steps.add(next(events));
      client.resource(configMap("informer", "late", "1")).create();
      steps.add(next(events));
      client.resource(configMap("informer", "early", "2")).update();
      steps.add(next(events));
      named("late").delete();
      steps.add(next(events));
      var cached = informer.getStore().getByKey(NAMESPACE + "/early");
      steps.add("cached early " + cached.getData().get("a"));
      named("early").delete();
      steps.add(next(events));
    }
    return steps;
  }

  /**
   * Has a cache follow what happens until there is an object `end`, and shows what is in it then.
   */
  private Object expired() throws Exception {
    BlockingQueue<String> events = new LinkedBlockingQueue<>();
    var selected = configMaps().inNamespace(NAMESPACE).withLabel("scenario", "expired");
    try (var informer = selected.inform(handler(events))) {
      Scenarios.untilTheEnd(() -> next(events));
      Map<String, String> cached = new TreeMap<>();
      for (ConfigMap object : informer.getStore().list()) {
        cached.put(object.getMetadata().getName(), object.getData().get("a"));
      }
      return cached;
    }
  }

  /** Puts events into a queue. */
  private static ResourceEventHandler<ConfigMap> handler(BlockingQueue<String> events) {
    return new ResourceEventHandler<ConfigMap>() {
      @Override
      public void onAdd(ConfigMap object) {
        note("add", object);
      }

      @Override
      public void onUpdate(ConfigMap before, ConfigMap object) {
        note("update", object);
      }

      @Override
      public void onDelete(ConfigMap object, boolean stateUnknown) {
        note("delete", object);
      }

      private void note(String what, ConfigMap object) {
        events.add(what + " " + object.getMetadata().getName() + " " + object.getData().get("a"));
      }
    };
  }

  private static String next(BlockingQueue<String> events) throws InterruptedException {
    return events.poll(1, TimeUnit.MINUTES);
  }
}
