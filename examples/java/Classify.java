import dev.tenon.BuilderConfig;
import dev.tenon.Engine;
import dev.tenon.Tenon;
import dev.tenon.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * What kind of file is this? Classifies files with Google's magika network.
 *
 * <pre>java -cp tenon.jar Classify.java MODEL LABELS FILE …</pre>
 *
 * MODEL is model.onnx of the PyPI package magika, LABELS a file with one label a line.
 */
public final class Classify {
  private static final int PART = 1024;
  private static final int BLOCK = 4096;
  private static final int PADDING = 256;

  /** The first bytes without leading space, padded behind; then the last without trailing space, padded in front. */
  static int[] features(Path path) throws IOException {
    byte[] bytes = Files.readAllBytes(path);
    int[] row = new int[2 * PART];
    Arrays.fill(row, PADDING);
    int first = 0;
    while (first < Math.min(BLOCK, bytes.length) && isSpace(bytes[first])) {
      ++first;
    }
    for (int i = 0; i < PART && first + i < Math.min(BLOCK, bytes.length); ++i) {
      row[i] = bytes[first + i] & 255;
    }
    int end = bytes.length;
    int begin = Math.max(0, bytes.length - BLOCK);
    while (end > begin && isSpace(bytes[end - 1])) {
      --end;
    }
    for (int i = 1; i <= PART && end - i >= begin; ++i) {
      row[2 * PART - i] = bytes[end - i] & 255;
    }
    return row;
  }

  static boolean isSpace(byte value) {
    return value == ' ' || (value >= 9 && value <= 13);
  }

  public static void main(String[] arguments) throws IOException {
    if (arguments.length < 3) {
      System.err.println("Classify MODEL LABELS FILE …");
      System.exit(2);
    }
    List<String> labels = Files.readAllLines(Path.of(arguments[1]));
    long[] one = {1, 2 * PART};
    try (BuilderConfig config = new BuilderConfig().withProfile("bytes", one, one, one);
        Engine engine = Tenon.build(Path.of(arguments[0]), config)) {
      for (String file : Arrays.asList(arguments).subList(2, arguments.length)) {
        Tensor bytes = Tensor.of(features(Path.of(file)), one);
        float[] scores = engine.run(Map.of("bytes", bytes)).get("target_label").toFloatArray();
        int best = 0;
        for (int i = 1; i < scores.length; ++i) {
          best = scores[i] > scores[best] ? i : best;
        }
        System.out.printf("%s %s %.2f%n", file, labels.get(best), scores[best]);
      }
    }
  }
}
