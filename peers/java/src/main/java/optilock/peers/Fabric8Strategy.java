package optilock.peers;

import io.fabric8.kubernetes.api.model.apps.Deployment;
import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import io.fabric8.kubernetes.client.KubernetesClientException;
import java.io.File;
import optilock.peers.Strategy.Update;
import optilock.peers.Strategy.Version;

/** Updates by fabric8's edit: a GET, and a JSON patch with the version that was read. It has no retry. */
public final class Fabric8Strategy {
  private final KubernetesClient client;
  private final Strategy task;

  private Fabric8Strategy(KubernetesClient client, Strategy task) {
    this.client = client;
    this.task = task;
  }

  public static void main(String[] arguments) throws Exception {
    Strategy task = new Strategy(arguments);
    Config config = Config.fromKubeconfig(new File(task.option("kubeconfig")));
    KubernetesClient client = new KubernetesClientBuilder().withConfig(config).build();
    Fabric8Strategy it = new Fabric8Strategy(client, task);
    task.play(
        client.getMasterUrl().toString(),
        client::getKubernetesVersion,
        it::update,
        error ->
            error instanceof KubernetesClientException api
                ? Strategy.outcome(api.getCode())
                : "unknown");
  }

  private void update(Update update) {
    var resource =
        client
            .apps()
            .deployments()
            .inNamespace(task.option("namespace"))
            .withName(task.option("name"));
    long asked = update.now();
    // What the read has told, and when the patch was sent.
    Version[] base = new Version[1];
    long[] sent = {asked};
    try {
      Deployment answer =
          resource.edit(
              object -> {
                base[0] = version(object);
                update.note("get", asked, null, base[0], null);
                String next = String.valueOf(base[0].value() + 1);
                object.getMetadata().getLabels().put(Strategy.COUNTER, next);
                sent[0] = update.now();
                return object;
              });
      update.note("patch", sent[0], base[0], version(answer), null);
    } catch (RuntimeException error) {
      update.note(base[0] == null ? "get" : "patch", sent[0], base[0], null, error);
      throw error;
    }
  }

  private static Version version(Deployment object) {
    var metadata = object.getMetadata();
    return Version.of(metadata.getUid(), metadata.getResourceVersion(), metadata.getLabels());
  }
}
