import dev.tenon.*;
import java.io.FileInputStream;
import java.nio.file.Path;
import java.util.*;

/** Lives in Java, as run.py describes them. */
public final class Soak {
  static final List<Object> LEAKED = new ArrayList<>();

  static void life(Path model, boolean leak) throws Exception {
    int[] layers = new int[1];
    try (BuilderConfig config = new BuilderConfig().setThreadCount(1).setOption("timer", "fake")
        .withProfile("x", new long[] {1, 4}, new long[] {2, 4}, new long[] {8, 4});
        Engine engine = Tenon.build(model, config); ExecutionContext context = engine.createContext()) {
      try {
        engine.tensor("none");
        System.exit(2);
      } catch (TenonException refused) {
        // what there is not
      }
      context.setProfiler(time -> ++layers[0]);
      float[] y = context.run(Map.of("x", Tensor.of(new float[] {1, 1, 1, 1}, 1, 4))).get("y").toFloatArray();
      if (!Arrays.equals(y, new float[] {12, 24, 38}) || layers[0] == 0) {
        System.exit(3);
      }
      if (leak) {
        LEAKED.add(new Engine(engine.serialize()));
        LEAKED.add(new FileInputStream("/dev/null"));
      }
    }
  }

  /** Objects that wait for a collection are none. */
  static long objects() throws Exception {
    long count = Tenon.liveCount("all");
    for (int unchanged = 0; unchanged < 5;) {
      System.gc();
      Thread.sleep(20);
      long now = Tenon.liveCount("all");
      unchanged = now < count ? 0 : unchanged + 1;
      count = now;
    }
    return count;
  }

  public static void main(String[] arguments) throws Exception {
    int cycles = Integer.parseInt(arguments[1]);
    int warmUp = Integer.parseInt(arguments[2]);
    for (int cycle = 1; cycle <= cycles; ++cycle) {
      life(Path.of(arguments[0]), arguments.length > 3);
      if (cycle == warmUp || cycle == cycles) {
        System.out.println(objects() + " objects");
        System.in.read();
      }
    }
  }
}
