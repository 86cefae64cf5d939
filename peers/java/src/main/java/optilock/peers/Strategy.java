package optilock.peers;

import com.google.gson.Gson;
import java.io.PrintStream;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CountDownLatch;

/**
 * A peer of {@code optilock compare --with-peer}: workers that add one to a label of a Deployment by a client's own means, and a
 * history (docs/history.md) of what they asked and were answered. docs/lab.md tells how such a program is started.
 */
final class Strategy {
  /** The label that updates count up. */
  static final String COUNTER = "biz-version";

  private static final Gson GSON = new Gson();

  private final Map<String, String> options = new HashMap<>();
  private final PrintStream output = System.out;
  private long started;

  /** Reads `--flag value` pairs. */
  Strategy(String[] arguments) {
    for (int i = 0; i + 1 < arguments.length; i += 2) {
      options.put(arguments[i].replaceFirst("^--?", ""), arguments[i + 1]);
    }
    if (!"-".equals(option("history"))) {
      throw new IllegalArgumentException("say --history -: it goes to standard output");
    }
  }

  String option(String name) {
    String value = options.get(name);
    if (value == null) {
      throw new IllegalArgumentException("say --" + name);
    }
    return value;
  }

  int number(String name) {
    return Integer.parseInt(option(name));
  }

  /** What a version of an object says. */
  record Version(String uid, String rv, Integer value) {
    static Version of(String uid, String rv, Map<String, String> labels) {
      return new Version(uid, rv, Integer.valueOf(labels.get(COUNTER)));
    }
  }

  /** One update. */
  interface Way {
    void update(Update update) throws Exception;
  }

  /** A request. */
  interface Request<T> {
    T send() throws Exception;
  }

  /** What is known of a request that ended like this. */
  interface Outcomes {
    String of(Exception error);
  }

  /** One update of one worker, which writes down what it asks. */
  final class Update {
    private final int worker;
    private final String id;
    private final Outcomes outcomes;

    private Update(int worker, int number, Outcomes outcomes) {
      this.worker = worker;
      this.id = "worker-" + worker + "-" + number;
      this.outcomes = outcomes;
    }

    long now() {
      return System.nanoTime() - started;
    }

    /** Writes a request down that was sent then, with the version that it started from, if it is a write. */
    void note(String verb, long sent, Version base, Version answer, Exception error) {
      Version told = error == null ? answer : base;
      Map<String, Object> line = new LinkedHashMap<>();
      line.put("op_id", id);
      line.put("worker", worker);
      if (told != null) {
        line.put("uid", told.uid());
      }
      line.put("verb", verb);
      line.put("kind", "Deployment");
      line.put("name", option("name"));
      if (base != null) {
        line.put("base", base.rv());
      }
      line.put("invoke_ns", sent);
      line.put("return_ns", now());
      line.put("outcome", error == null ? "applied" : outcomes.of(error));
      if (error == null) {
        line.put("rv", answer.rv());
        line.put("value", answer.value());
      }
      print(line);
    }
  }

  /** The outcome of a request that the server has answered with this code. */
  static String outcome(int code) {
    if (code == 409) {
      return "conflict";
    }
    return code >= 400 && code < 500 ? "refused" : "unknown";
  }

  private synchronized void print(Map<String, Object> line) {
    output.println(GSON.toJson(line));
  }

  /**
   * Lets the workers at the object.
   *
   * @param warmUp asks the server something else: a client's first request loads its classes
   */
  void play(String target, Request<?> warmUp, Way way, Outcomes outcomes) throws Exception {
    warmUp.send();
    started = System.nanoTime();
    Map<String, Object> header = new LinkedHashMap<>();
    header.put("version", 1);
    header.put("target", target);
    header.put("seed", 0);
    header.put("clock", "monotonic");
    print(header);
    int workers = number("workers");
    int updates = number("updates");
    var done = new CountDownLatch(workers);
    for (int i = 0; i < workers; i++) {
      int worker = i;
      new Thread(
              () -> {
                for (int number = 0; number < updates; number++) {
                  try {
                    way.update(new Update(worker, number, outcomes));
                  } catch (Exception givenUp) {
                    // It shows in the history.
                  }
                }
                done.countDown();
              })
          .start();
    }
    done.await();
    output.flush();
    // Both clients have threads that would keep the process.
    System.exit(0);
  }
}
