import dev.tenon.*;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;

/** What a run with bound memory costs in Java: Call MODEL INPUT DIM … prints the median of nanoseconds. The model has one input, f32. */
public final class Call {
  public static void main(String[] arguments) {
    long[] shape = Arrays.stream(arguments).skip(2).mapToLong(Long::parseLong).toArray();
    try (BuilderConfig config = new BuilderConfig().setThreadCount(1).withProfile(arguments[1], shape, shape, shape);
        Engine engine = Tenon.build(Path.of(arguments[0]), config); ExecutionContext context = engine.createContext()) {
      context.bind(Map.of(arguments[1], Tensor.allocate(DataType.FLOAT32, shape)), Map.of());
      long[] batches = new long[300];
      for (int batch = -100; batch < batches.length; ++batch) {
        long start = System.nanoTime();
        for (int i = 0; i < 1000; ++i) {
          context.run();
        }
        batches[Math.max(batch, 0)] = System.nanoTime() - start;
      }
      Arrays.sort(batches);
      System.out.printf("run with bound memory: %.1f ns%n", batches[batches.length / 2] / 1000.0);
    }
  }
}
