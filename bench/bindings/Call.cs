using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Linq;
using Tenon;

/// <summary>What a run with bound memory costs in C#: as Call.java.</summary>
public static class Call {
  public static void Main(string[] arguments) {
    long[] shape = arguments.Skip(2).Select(long.Parse).ToArray();
    float[] memory = new float[shape.Aggregate(1L, (a, b) => a * b)];
    using (BuilderConfig config = new BuilderConfig { ThreadCount = 1 }.WithProfile(arguments[1], shape, shape, shape))
    using (Engine engine = Engine.Build(arguments[0], config))
    using (ExecutionContext context = engine.CreateContext()) {
      context.Bind(new Dictionary<string, Tensor> { { arguments[1], new Tensor<float>(memory, shape) } });
      double[] batches = new double[300];
      for (int batch = -100; batch < batches.Length; ++batch) {
        Stopwatch watch = Stopwatch.StartNew();
        for (int i = 0; i < 1000; ++i) context.Run();
        batches[Math.Max(batch, 0)] = watch.ElapsedTicks * 1e9 / Stopwatch.Frequency / 1000;
      }
      Array.Sort(batches);
      Console.WriteLine("run with bound memory: " + batches[batches.Length / 2].ToString("F1") + " ns");
    }
  }
}
