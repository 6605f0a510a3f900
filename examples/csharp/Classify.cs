using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using Tenon;

/// <summary>What kind of file is this? Classifies files with Google's magika network: Classify.exe MODEL LABELS FILE …
/// MODEL is model.onnx of the PyPI package magika, LABELS a file with one label a line.</summary>
public static class Classify {
  private const int Part = 1024, Block = 4096, Padding = 256;

  /// <summary>The first bytes without leading space, padded behind; then the last without trailing space, padded in front.</summary>
  private static int[] Features(string path) {
    byte[] bytes = File.ReadAllBytes(path);
    int[] first = bytes.Take(Block).SkipWhile(IsSpace).Take(Part).Select(b => (int)b).ToArray();
    int[] last = bytes.Skip(bytes.Length - Block).Reverse().SkipWhile(IsSpace).Take(Part).Select(b => (int)b).Reverse().ToArray();
    int[] row = Enumerable.Repeat(Padding, 2 * Part).ToArray();
    first.CopyTo(row, 0);
    last.CopyTo(row, 2 * Part - last.Length);
    return row;
  }

  private static bool IsSpace(byte value) {
    return value == ' ' || (value >= 9 && value <= 13);
  }

  public static int Main(string[] arguments) {
    if (arguments.Length < 3) {
      Console.Error.WriteLine("Classify MODEL LABELS FILE …");
      return 2;
    }
    string[] labels = File.ReadAllLines(arguments[1]);
    long[] one = { 1, 2 * Part };
    using (BuilderConfig config = new BuilderConfig().WithProfile("bytes", one, one, one))
    using (Engine engine = Engine.Build(arguments[0], config))
      foreach (string file in arguments.Skip(2)) {
        Tensor bytes = new Tensor<int>(Features(file), one);
        float[] scores = engine.Run(new Dictionary<string, Tensor> { { "bytes", bytes } })["target_label"].As<float>().ToArray();
        int best = Array.IndexOf(scores, scores.Max());
        Console.WriteLine(file + " " + labels[best] + " " + scores[best].ToString("F2"));
      }
    return 0;
  }
}
