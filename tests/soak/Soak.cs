using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using Tenon;

/// <summary>Lives in C#, as run.py describes them.</summary>
public static class Soak {
  private static readonly List<object> leaked = new List<object>();

  private static void Life(string model, bool leak) {
    int layers = 0;
    using (BuilderConfig config = new BuilderConfig { ThreadCount = 1 }.SetOption("timer", "fake")
               .WithProfile("x", new long[] { 1, 4 }, new long[] { 2, 4 }, new long[] { 8, 4 }))
    using (Engine engine = Engine.Build(model, config))
    using (ExecutionContext context = engine.CreateContext()) {
      try {
        engine.FindTensor("none");
        Environment.Exit(2);
      } catch (NotFoundException) {
      }
      context.SetProfiler(time => ++layers);
      Dictionary<string, Tensor> inputs = new Dictionary<string, Tensor> { { "x", new Tensor<float>(new float[] { 1, 1, 1, 1 }, 1, 4) } };
      float[] y = context.Run(inputs)["y"].As<float>().ToArray();
      if (!y.SequenceEqual(new float[] { 12, 24, 38 }) || layers == 0) Environment.Exit(3);
      if (!leak) return;
      using (Blob plan = engine.Serialize()) leaked.Add(new Engine(plan));
      leaked.Add(File.OpenRead("/dev/null"));
    }
  }

  public static void Main(string[] arguments) {
    int cycles = int.Parse(arguments[1]), warmUp = int.Parse(arguments[2]);
    for (int cycle = 1; cycle <= cycles; ++cycle) {
      Life(arguments[0], arguments.Length > 3);
      if (cycle != warmUp && cycle != cycles) continue;
      for (int i = 0; i < 3; ++i) {
        GC.Collect();
        GC.WaitForPendingFinalizers();
      }
      Console.WriteLine(Library.LiveCount("all") + " objects");
      Console.In.ReadLine();
    }
  }
}
