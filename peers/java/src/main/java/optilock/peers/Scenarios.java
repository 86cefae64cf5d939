package optilock.peers;

import com.google.gson.Gson;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** What the scenarios of both clients share. */
final class Scenarios {
  static final String NAMESPACE = "default";
  /** The label that workers count up, and the name of the Deployment that has it. */
  static final String COUNTER = "biz-version";

  static final String COUNTED = "counted";

  private Scenarios() {}

  /** Plays the scenarios of these names, and prints what comes out. */
  static void play(String[] names, Map<String, Callable<Object>> all) throws Exception {
    Gson gson = new Gson();
    for (String name : names) {
      Map<String, Object> line = new LinkedHashMap<>();
      line.put("scenario", name);
      line.put("outcome", all.get(name).call());
      System.out.println(gson.toJson(line));
    }
    // Both clients have threads that would keep the process.
    System.exit(0);
  }

  /** Reads events until there is an object `end`. */
  static void untilTheEnd(Callable<String> next) throws Exception {
    String event;
    do {
      event = next.call();
      if (event == null) {
        throw new IllegalStateException("the end is not seen");
      }
    } while (!event.startsWith("add end "));
  }

  static String show(Map<String, String> data) {
    return new TreeMap<>(data)
        .entrySet().stream()
            .map(entry -> entry.getKey() + "=" + entry.getValue())
            .collect(Collectors.joining(" "));
  }

  /** A read that is followed by a write of what was read. */
  interface Update {
    /**
     * Whether it got in; false is a conflict.
     *
     * @param afterReading what has to be done between reading and writing
     */
    boolean run(Callable<Integer> afterReading) throws Exception;
  }

  /**
   * Workers add one at the same time, in so many attempts each; nobody writes before all have read
   * for the first time. Neither client has a helper for conflicts, so the loop is here.
   */
  static Map<String, Object> count(int workers, int attempts, Update update, Callable<Integer> last)
      throws Exception {
    CyclicBarrier everybodyHasRead = new CyclicBarrier(workers);
    Callable<Boolean> worker =
        () -> {
          for (int attempt = 1; attempt <= attempts; attempt++) {
            boolean first = attempt == 1;
            if (update.run(() -> first ? everybodyHasRead.await() : 0)) {
              return true;
            }
            // What client-go's DefaultRetry does: 10 ms and a tenth of it at random.
            Thread.sleep(10 + (long) (Math.random() * 2));
          }
          return false;
        };
    var pool = Executors.newFixedThreadPool(workers);
    int succeeded = 0;
    try {
      List<Callable<Boolean>> all = IntStream.range(0, workers).mapToObj(i -> worker).toList();
      for (Future<Boolean> result : pool.invokeAll(all)) {
        succeeded += result.get() ? 1 : 0;
      }
    } finally {
      pool.shutdown();
    }
    Map<String, Object> outcome = new LinkedHashMap<>();
    outcome.put("final", last.call());
    outcome.put("succeeded", succeeded);
    if (attempts == 1) {
      outcome.put("conflicts", workers - succeeded);
    }
    return outcome;
  }
}
