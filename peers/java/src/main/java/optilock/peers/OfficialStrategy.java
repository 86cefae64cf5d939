package optilock.peers;

import io.kubernetes.client.openapi.ApiClient;
import io.kubernetes.client.openapi.ApiException;
import io.kubernetes.client.openapi.apis.AppsV1Api;
import io.kubernetes.client.openapi.apis.VersionApi;
import io.kubernetes.client.openapi.models.V1Deployment;
import io.kubernetes.client.util.Config;
import io.kubernetes.client.util.RetryUtils;
import optilock.peers.Strategy.Update;
import optilock.peers.Strategy.Version;

/** Updates by the official Java client's RetryUtils.retryUponConflict, which has no pause between attempts. */
public final class OfficialStrategy {
  private final AppsV1Api apps;
  private final Strategy task;

  private OfficialStrategy(ApiClient client, Strategy task) {
    this.apps = new AppsV1Api(client);
    this.task = task;
  }

  public static void main(String[] arguments) throws Exception {
    Strategy task = new Strategy(arguments);
    ApiClient client = Config.fromConfig(task.option("kubeconfig"));
    OfficialStrategy it = new OfficialStrategy(client, task);
    int attempts = task.number("steps");
    task.play(
        client.getBasePath(),
        () -> new VersionApi(client).getCode().execute(),
        update -> RetryUtils.retryUponConflict(() -> it.attempt(update), attempts),
        error -> error instanceof ApiException api ? Strategy.outcome(api.getCode()) : "unknown");
  }

  private V1Deployment attempt(Update update) throws ApiException {
    String name = task.option("name");
    String namespace = task.option("namespace");
    V1Deployment object =
        noted("get", update, null, () -> apps.readNamespacedDeployment(name, namespace).execute());
    Version base = version(object);
    String next = String.valueOf(base.value() + 1);
    object.getMetadata().getLabels().put(Strategy.COUNTER, next);
    return noted(
        "update",
        update,
        base,
        () -> apps.replaceNamespacedDeployment(name, namespace, object).execute());
  }

  /** A request of this client. */
  private interface Call {
    V1Deployment send() throws ApiException;
  }

  private static V1Deployment noted(String verb, Update update, Version base, Call call)
      throws ApiException {
    long sent = update.now();
    try {
      V1Deployment answer = call.send();
      update.note(verb, sent, base, version(answer), null);
      return answer;
    } catch (ApiException error) {
      update.note(verb, sent, base, null, error);
      throw error;
    }
  }

  private static Version version(V1Deployment object) {
    var metadata = object.getMetadata();
    return Version.of(metadata.getUid(), metadata.getResourceVersion(), metadata.getLabels());
  }
}
