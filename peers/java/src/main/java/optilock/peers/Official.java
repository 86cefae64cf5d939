package optilock.peers;

import static optilock.peers.Scenarios.COUNTED;
import static optilock.peers.Scenarios.COUNTER;
import static optilock.peers.Scenarios.NAMESPACE;
import static optilock.peers.Scenarios.show;

import com.google.gson.JsonParser;
import com.google.gson.reflect.TypeToken;
import io.kubernetes.client.custom.V1Patch;
import io.kubernetes.client.informer.ResourceEventHandler;
import io.kubernetes.client.informer.SharedIndexInformer;
import io.kubernetes.client.informer.SharedInformerFactory;
import io.kubernetes.client.informer.cache.Lister;
import io.kubernetes.client.openapi.ApiClient;
import io.kubernetes.client.openapi.ApiException;
import io.kubernetes.client.openapi.apis.AppsV1Api;
import io.kubernetes.client.openapi.apis.CoreV1Api;
import io.kubernetes.client.openapi.models.V1ConfigMap;
import io.kubernetes.client.openapi.models.V1ConfigMapList;
import io.kubernetes.client.openapi.models.V1Container;
import io.kubernetes.client.openapi.models.V1Deployment;
import io.kubernetes.client.openapi.models.V1DeploymentSpec;
import io.kubernetes.client.openapi.models.V1LabelSelector;
import io.kubernetes.client.openapi.models.V1ObjectMeta;
import io.kubernetes.client.openapi.models.V1PodSpec;
import io.kubernetes.client.openapi.models.V1PodTemplateSpec;
import io.kubernetes.client.util.CallGeneratorParams;
import io.kubernetes.client.util.Config;
import io.kubernetes.client.util.PatchUtils;
import io.kubernetes.client.util.Watch;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** The scenarios on the official Java client. */
public final class Official {
  private static final int CONFLICT = 409;

  private final ApiClient client;
  private final CoreV1Api core;
  private final AppsV1Api apps;

  private Official(ApiClient client) {
    this.client = client;
    this.core = new CoreV1Api(client);
    this.apps = new AppsV1Api(client);
  }

  public static void main(String[] names) throws Exception {
    // A watch has no end.
    Official it = new Official(Config.defaultClient().setReadTimeout(0));
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

  private Object count(int workers, int attempts) throws Exception {
    apps.createNamespacedDeployment(NAMESPACE, deployment()).execute();
    try {
      return Scenarios.count(workers, attempts, this::addOne, () -> value(read()));
    } finally {
      apps.deleteNamespacedDeployment(COUNTED, NAMESPACE).execute();
    }
  }

  private boolean addOne(Callable<Integer> afterReading) throws Exception {
    V1Deployment deployment = read();
    afterReading.call();
    String next = String.valueOf(value(deployment) + 1);
    deployment.getMetadata().putLabelsItem(COUNTER, next);
    try {
      apps.replaceNamespacedDeployment(COUNTED, NAMESPACE, deployment).execute();
      return true;
    } catch (ApiException error) {
      if (error.getCode() != CONFLICT) {
        throw error;
      }
      return false;
    }
  }

  private V1Deployment read() throws ApiException {
    return apps.readNamespacedDeployment(COUNTED, NAMESPACE).execute();
  }

  private static int value(V1Deployment deployment) {
    return Integer.parseInt(deployment.getMetadata().getLabels().get(COUNTER));
  }

  private static V1Deployment deployment() {
    Map<String, String> pod = Map.of("app", COUNTED);
    return new V1Deployment()
        .metadata(new V1ObjectMeta().name(COUNTED).putLabelsItem(COUNTER, "100"))
        .spec(
            new V1DeploymentSpec()
                .selector(new V1LabelSelector().matchLabels(pod))
                .template(
                    new V1PodTemplateSpec()
                        .metadata(new V1ObjectMeta().labels(pod))
                        .spec(
                            new V1PodSpec()
                                .addContainersItem(
                                    new V1Container().name("nginx").image("nginx")))));
  }

  private static V1ConfigMap configMap(String scenario, String name, String value) {
    return new V1ConfigMap()
        .metadata(new V1ObjectMeta().name(name).putLabelsItem("scenario", scenario))
        .putDataItem("a", value);
  }

  /** The code and the reason of the Status that a call is refused with. */
  private static String refused(Callable<?> call) throws Exception {
    try {
      call.call();
    } catch (ApiException error) {
      var status = JsonParser.parseString(error.getResponseBody()).getAsJsonObject();
      return error.getCode() + " " + status.get("reason").getAsString();
    }
    throw new IllegalStateException("this should have been refused");
  }

  /** Creates, reads, updates, patches, lists and deletes. */
  private Object crud() throws Exception {
    List<String> steps = new ArrayList<>();
    V1ConfigMap object = configMap("crud", "crud", "1");
    V1ConfigMap made = core.createNamespacedConfigMap(NAMESPACE, object).execute();
    steps.add("created " + show(made.getData()));
    steps.add(refused(() -> core.createNamespacedConfigMap(NAMESPACE, object).execute()));
    V1ConfigMap read = core.readNamespacedConfigMap("crud", NAMESPACE).execute();
    steps.add("read " + show(read.getData()));
    V1ConfigMap changed = core.readNamespacedConfigMap("crud", NAMESPACE).execute();
    changed.putDataItem("a", "2");
    V1ConfigMap updated = core.replaceNamespacedConfigMap("crud", NAMESPACE, changed).execute();
    steps.add("updated " + show(updated.getData()));
    steps.add(refused(() -> core.replaceNamespacedConfigMap("crud", NAMESPACE, read).execute()));
    Map<String, String[]> patches = new LinkedHashMap<>();
    patches.put(
        "merge", new String[] {V1Patch.PATCH_FORMAT_JSON_MERGE_PATCH, "{\"data\":{\"b\":\"3\"}}"});
    patches.put(
        "json",
        new String[] {
          V1Patch.PATCH_FORMAT_JSON_PATCH, "[{\"op\":\"remove\",\"path\":\"/data/a\"}]"
        });
    patches.put(
        "strategic",
        new String[] {
          V1Patch.PATCH_FORMAT_STRATEGIC_MERGE_PATCH, "{\"data\":{\"b\":null,\"c\":\"4\"}}"
        });
    for (var patch : patches.entrySet()) {
      V1Patch body = new V1Patch(patch.getValue()[1]);
      V1ConfigMap patched =
          PatchUtils.patch(
              V1ConfigMap.class,
              () -> core.patchNamespacedConfigMap("crud", NAMESPACE, body).buildCall(null),
              patch.getValue()[0],
              client);
      steps.add(patch.getKey() + " " + show(patched.getData()));
    }
    var list = core.listNamespacedConfigMap(NAMESPACE).labelSelector("scenario=crud").execute();
    for (V1ConfigMap item : list.getItems()) {
      steps.add("listed " + item.getMetadata().getName());
    }
    core.deleteNamespacedConfigMap("crud", NAMESPACE).execute();
    steps.add("deleted");
    steps.add(refused(() -> core.readNamespacedConfigMap("crud", NAMESPACE).execute()));
    return steps;
  }

  /** Watches, stops, and goes on from the last version that it has seen. */
  private Object watchAgain() throws Exception {
    List<String> steps = new ArrayList<>();
    var list = core.listNamespacedConfigMap(NAMESPACE).labelSelector("scenario=watch").execute();
    String version = list.getMetadata().getResourceVersion();
    core.createNamespacedConfigMap(NAMESPACE, configMap("watch", "first", "1")).execute();
    replace(configMap("watch", "first", "2"));
    version = follow(version, 2, steps);

    replace(configMap("watch", "first", "3"));
    core.createNamespacedConfigMap(NAMESPACE, configMap("watch", "second", "1")).execute();
    core.deleteNamespacedConfigMap("first", NAMESPACE).execute();
    version = follow(version, 3, steps);

    core.deleteNamespacedConfigMap("second", NAMESPACE).execute();
    follow(version, 1, steps);
    return steps;
  }

  private void replace(V1ConfigMap object) throws ApiException {
    core.replaceNamespacedConfigMap(object.getMetadata().getName(), NAMESPACE, object).execute();
  }

  /** Notes so many events from a version on, and returns the version of the last one. */
  private String follow(String version, int count, List<String> steps) throws Exception {
    var call =
        core.listNamespacedConfigMap(NAMESPACE)
            .labelSelector("scenario=watch")
            .resourceVersion(version)
            .watch(true)
            .buildCall(null);
    var type = new TypeToken<Watch.Response<V1ConfigMap>>() {}.getType();
    try (Watch<V1ConfigMap> events = Watch.createWatch(client, call, type)) {
      for (int i = 0; i < count; i++) {
        var event = events.next();
        var object = event.object;
        var name = object.getMetadata().getName();
        steps.add(event.type + " " + name + " " + object.getData().get("a"));
        version = object.getMetadata().getResourceVersion();
      }
    }
    return version;
  }

  /** Two managers that want the same field. */
  private Object apply() throws Exception {
    List<String> steps = new ArrayList<>();
    String one = "{\"a\":\"1\",\"one\":\"mine\"}";
    String two = "{\"a\":\"2\",\"two\":\"mine\"}";
    steps.add("applied " + show(want("one", one, false).getData()));
    steps.add(refused(() -> want("two", two, false)));
    V1ConfigMap forced = want("two", two, true);
    steps.add("forced " + show(forced.getData()));
    V1ConfigMap again = want("two", two, false);
    String version = again.getMetadata().getResourceVersion();
    steps.add("unchanged " + version.equals(forced.getMetadata().getResourceVersion()));
    steps.add("managed by " + String.join(" ", managers()));
    steps.add("given up " + show(want("two", "{\"two\":\"mine\"}", false).getData()));
    core.deleteNamespacedConfigMap("applied", NAMESPACE).execute();
    steps.add("deleted");
    return steps;
  }

  /** Who manages the object; the client leaves this out of what it reads. */
  private List<String> managers() throws Exception {
    var call = core.readNamespacedConfigMap("applied", NAMESPACE).buildCall(null);
    List<String> managers = new ArrayList<>();
    try (var response = call.execute()) {
      var object = JsonParser.parseString(response.body().string()).getAsJsonObject();
      for (var entry : object.getAsJsonObject("metadata").getAsJsonArray("managedFields")) {
        var fields = entry.getAsJsonObject();
        String manager = fields.get("manager").getAsString();
        managers.add(manager + ":" + fields.get("operation").getAsString());
      }
    }
    return managers;
  }

  private V1ConfigMap want(String manager, String data, boolean force) throws ApiException {
    String head = "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"applied\"}";
    V1Patch body = new V1Patch(head + ",\"data\":" + data + "}");
    return PatchUtils.patch(
        V1ConfigMap.class,
        () ->
            core.patchNamespacedConfigMap("applied", NAMESPACE, body)
                .fieldManager(manager)
                .force(force)
                .buildCall(null),
        V1Patch.PATCH_FORMAT_APPLY_YAML,
        client);
  }

  /** Has a cache follow what happens. */
  private Object informer() throws Exception {
    core.createNamespacedConfigMap(NAMESPACE, configMap("informer", "early", "1")).execute();
    BlockingQueue<String> events = new LinkedBlockingQueue<>();
    SharedInformerFactory factory = new SharedInformerFactory(client);
    var informer = follow(factory, "informer", events);
    factory.startAllRegisteredInformers();
    List<String> steps = new ArrayList<>();
    steps.add(next(events));
    core.createNamespacedConfigMap(NAMESPACE, configMap("informer", "late", "1")).execute();
    steps.add(next(events));
    replace(configMap("informer", "early", "2"));
    steps.add(next(events));
    core.deleteNamespacedConfigMap("late", NAMESPACE).execute();
    steps.add(next(events));
    var cached = new Lister<>(informer.getIndexer(), NAMESPACE).get("early");
    steps.add("cached early " + cached.getData().get("a"));
    core.deleteNamespacedConfigMap("early", NAMESPACE).execute();
    steps.add(next(events));
    factory.stopAllRegisteredInformers();
    return steps;
  }

  /**
   * Has a cache follow what happens until there is an object `end`, and shows what is in it then.
   */
  private Object expired() throws Exception {
    BlockingQueue<String> events = new LinkedBlockingQueue<>();
    SharedInformerFactory factory = new SharedInformerFactory(client);
    var informer = follow(factory, "expired", events);
    factory.startAllRegisteredInformers();
    Scenarios.untilTheEnd(() -> next(events));
    Map<String, String> cached = new TreeMap<>();
    for (V1ConfigMap object : informer.getIndexer().list()) {
      cached.put(object.getMetadata().getName(), object.getData().get("a"));
    }
    factory.stopAllRegisteredInformers();
    return cached;
  }

  /** An informer of the objects of a scenario, whose events go into a queue. */
  private SharedIndexInformer<V1ConfigMap> follow(
      SharedInformerFactory factory, String scenario, BlockingQueue<String> events) {
    var informer =
        factory.sharedIndexInformerFor(
            (CallGeneratorParams params) ->
                core.listNamespacedConfigMap(NAMESPACE)
                    .labelSelector("scenario=" + scenario)
                    .resourceVersion(params.resourceVersion)
                    .timeoutSeconds(params.timeoutSeconds)
                    .watch(params.watch)
                    .buildCall(null),
            V1ConfigMap.class,
            V1ConfigMapList.class);
    informer.addEventHandler(
        new ResourceEventHandler<>() {
          @Override
          public void onAdd(V1ConfigMap object) {
            note("add", object);
          }

          @Override
          public void onUpdate(V1ConfigMap before, V1ConfigMap object) {
            note("update", object);
          }

          @Override
          public void onDelete(V1ConfigMap object, boolean stateUnknown) {
            note("delete", object);
          }

          private void note(String what, V1ConfigMap object) {
            events.add(what + " " + object.getMetadata().getName() + " " + object.getData().get("a"));
          }
        });
    return informer;
  }

  private static String next(BlockingQueue<String> events) throws InterruptedException {
    return events.poll(1, TimeUnit.MINUTES);
  }
}
