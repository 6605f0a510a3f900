using System;
using System.Buffers;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Linq;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Threading;
using System.Threading.Tasks;
using Tenon;
using ExecutionContext = Tenon.ExecutionContext;

/// <summary>The tests of the assembly Tenon: each public method without parameters is one. Started in a folder of models.</summary>
public sealed class Tests {
  private static readonly float[] Expected = { 12, 24, 38 };

  public static int Main(string[] arguments) {
    if (arguments.Length > 0) return End(arguments[0]);
    foreach (MethodInfo test in typeof(Tests).GetMethods().Where(m => m.DeclaringType == typeof(Tests) && !m.IsStatic).OrderBy(m => m.Name)) {
      try {
        test.Invoke(new Tests(), null);
        Console.WriteLine("passed " + test.Name);
      } catch (TargetInvocationException exception) {
        Console.WriteLine("FAILED " + test.Name + ": " + exception.InnerException);
      }
    }
    return 0;
  }

  // --- what the tests share -----------------------------------------------------------------------------------------------
  private static void Hold(bool good, object what) {
    if (!good) throw new Exception("not so: " + what);
  }

  private static void Equal<T>(T got, T wanted) {
    Hold(EqualityComparer<T>.Default.Equals(got, wanted), "got " + got + ", not " + wanted);
  }

  private static void Same<T>(IEnumerable<T> got, params T[] wanted) {
    Hold(got.SequenceEqual(wanted), "got " + string.Join(" ", got) + ", not " + string.Join(" ", wanted));
  }

  private static T Fails<T>(Action code) where T : Exception {
    try {
      code();
    } catch (T thrown) {
      return thrown;
    }
    throw new Exception("nothing was thrown");
  }

  private static TenonException Fails(ErrorCode code, Action action) {
    TenonException exception = Fails<TenonException>(action);
    Equal(exception.Code, code);
    Hold(exception.Text.Length > 0 && exception.Where != null, exception);
    return exception;
  }

  private static BuilderConfig Config() {
    return new BuilderConfig { ThreadCount = 1 }.SetOption("timer", "fake");
  }

  private static BuilderConfig LinearConfig() {
    return Config().WithProfile("x", new long[] { 1, 4 }, new long[] { 2, 4 }, new long[] { 8, 4 });
  }

  private static Engine Linear() {
    using (BuilderConfig config = LinearConfig()) return Engine.Build("linear.onnx", config);
  }

  private static Blob Plan(BuilderConfig config) {
    using (Builder builder = new Builder())
    using (Network network = Network.FromOnnxFile(builder, "linear.onnx")) return builder.Build(network, config);
  }

  private static Dictionary<string, Tensor> X(params float[] values) {
    return new Dictionary<string, Tensor> { { "x", new Tensor<float>(values, values.Length / 4, 4) } };
  }

  private static Dictionary<string, Tensor> Ones() {
    return X(1, 1, 1, 1);
  }

  private static float[] Y(Dictionary<string, Tensor> outputs) {
    return outputs["y"].As<float>().ToArray();
  }

  private static void Collect() {
    GC.Collect();
    GC.WaitForPendingFinalizers();
  }

  // --- from a model to results ----------------------------------------------------------------------------------------------
  public void Results() {
    using (Engine engine = Linear()) {
      Same(Y(engine.Run(Ones())), Environment.GetEnvironmentVariable("TENON_CANARY") == null ? Expected : new float[] { 1, 2, 3 });
      Same(Y(engine.RunAsync(Ones()).Result), Expected);
      Hold(engine.ToString().Contains("x: f32[?, 4]"), engine);
      engine.Save("linear.cs.plan");
    }
    using (Engine engine = Engine.Load("linear.cs.plan")) Same(Y(engine.Run(X(new float[8]))), 10, 20, 30, 10, 20, 30);
    using (Engine engine = Engine.Build("integers.onnx")) {
      Dictionary<string, Tensor> made = engine.Run(new Dictionary<string, Tensor> { { "x", new Tensor<int>(new[] { 4 }, 1) } });
      Same(made["y"].As<int>().ToArray(), 8);
      Same(made["even"].As<bool>().ToArray(), true);
    }
  }

  public void SeveralProfiles() {
    using (BuilderConfig config = LinearConfig().WithProfile("x", new long[] { 16, 4 }, new long[] { 16, 4 }, new long[] { 32, 4 }))
    using (Blob plan = Plan(config))
    using (Engine engine = new Engine(plan)) {
      Equal(config.ProfileCount, 2);
      Same(engine.Run(X(new float[80]))["y"].Shape, 20, 3);
      Same(engine.GetProfileShape(1, "x", ShapeSelector.Max), 32, 4);
      Fails(ErrorCode.OutOfRange, () => engine.Run(X(new float[4 * 64])));
      using (ExecutionContext context = engine.CreateContext()) {
        context.Profile = 1;
        Equal(context.Profile, 1);
        Same(context.SetInputShape("x", 16, 4).GetShape("y"), 16, 3);
      }
    }
  }

  public void BoundMemory() {
    using (Engine engine = Linear())
    using (ExecutionContext context = engine.CreateContext()) {
      float[] x = { 1, 1, 1, 1 }, y = new float[5];
      Tensor<float> part = new Tensor<float>(y.AsMemory(1, 3), 1, 3);
      context.Bind(X(x), new Dictionary<string, Tensor> { { "y", part } });
      context.Prepare();
      context.Run();
      Same(y, 0, 12, 24, 38, 0); // where the memory is, and nowhere else
      x[0] = 2;
      Hold(context.RunMeasured() >= 0, "time");
      Same(part.Span.ToArray(), 13, 26, 41);
      context.RunInParts(out double input, out double enqueue, out double output);
      Hold(input >= 0 && enqueue >= 0 && output >= 0, "times");
      context.Enqueue();
      context.Wait();
      context.Wait();
      Hold(!context.GetReplay(out long recordings) && recordings == 0 && context.ReplayRefusal.Length > 0, "replay");
      byte[] bytes = new byte[12];
      context.SetBuffer("y", bytes).Run();
      Equal(BitConverter.ToSingle(bytes, 0), 13f);
    }
  }

  public void Asynchronous() {
    using (BuilderConfig config = LinearConfig()) {
      config.ThreadCount = 2;
      using (Blob plan = Plan(config))
      using (Runtime runtime = new Runtime { ThreadCount = 2 })
      using (Engine engine = new Engine(plan, runtime))
      using (ExecutionContext context = engine.CreateContext())
      using (ManualResetEventSlim tried = new ManualResetEventSlim()) {
        Equal(engine.ThreadCount, 2);
        context.SetProfiler(time => tried.Wait());
        Task<Dictionary<string, Tensor>> task = context.RunAsync(Ones());
        Fails(ErrorCode.Busy, () => context.Run());
        Fails(ErrorCode.Busy, () => context.Run(Ones()));
        tried.Set();
        Same(Y(task.Result), Expected);
        context.SetProfiler(null);
        Same(Y(context.RunAsync().Result), Expected);
      }
    }
  }

  public void ObjectsAndSettings() {
    Hold(Library.Devices.Contains("cpu") && Library.Version > 0 && Library.AbiVersion >= 0 && Library.BuildInfo.Length > 0, "library");
    using (Device device = new Device("cpu"))
    using (BuilderConfig config = Config()) {
      Hold(device.Name == "cpu" && device.Type == DeviceType.Cpu && device.Features.Count > 0 && device.ThreadCount > 0, device);
      config.SetDevice(device).SetPrecisionAllowed(Precision.Tf32, false);
      config.OptimizationLevel = 2;
      config.Deadline = 1.5;
      config.OnednnEnabled = false;
      Hold(config.OptimizationLevel == 2 && config.Deadline == 1.5 && !config.OnednnEnabled && config.ThreadCount == 1, config);
      Hold(!config.IsPrecisionAllowed(Precision.Tf32) && config.GetOption("timer") == "fake", config);
    }
    Fails(ErrorCode.NotFound, () => new Device("toaster"));
    using (Builder builder = new Builder())
    using (OptimizationProfile profile = new OptimizationProfile())
    using (Network network = Network.FromOnnxFile(builder, "linear.onnx")) {
      builder.SetLimit(Limit.Nodes, 1);
      Equal(builder.GetLimit(Limit.Nodes), 1);
      Fails(ErrorCode.LimitExceeded, () => Network.FromOnnxFile(builder, "linear.onnx"));
      Hold(network.Name == "linear" && network.NodeCount == 2 && network.Tensors.Count == 2, network);
      Same(network.FindTensor("x").DimNames, "batch", "");
      Same(network.FindTensor("x").Shape, -1, 4);
      Hold(network.GetInformation(DocumentFormat.Json).StartsWith("{"), network);
      profile.SetShapes("x", new long[] { 1, 4 }, new long[] { 2, 4 }, new long[] { 3, 4 });
      Same(profile.GetShape("x", ShapeSelector.Opt), 2, 4);
      Fails(ErrorCode.NotFound, () => profile.GetShape("z", ShapeSelector.Opt));
    }
    using (Runtime runtime = new Runtime().SetLimit(Limit.PlanBytes, 10))
    using (Blob plan = Plan(LinearConfig())) {
      Hold(runtime.GetLimit(Limit.PlanBytes) == 10 && runtime.ThreadCount == 0, runtime);
      Fails(ErrorCode.LimitExceeded, () => new Engine(plan, runtime));
    }
    using (Engine engine = Linear())
    using (EngineInspector inspector = new EngineInspector(engine))
    using (Blob plan = engine.Serialize())
    using (EngineInspector other = EngineInspector.FromPlan(plan.Memory.Span))
    using (EngineInspector third = EngineInspector.FromPlan(plan)) {
      Equal(third.GetInformation(DocumentFormat.Text), other.GetInformation(DocumentFormat.Text));
      Equal(inspector.GetInformation(DocumentFormat.Text), other.GetInformation(DocumentFormat.Text));
      Hold(engine.Name == "linear" && engine.FindTensor("y").Mode == IoMode.Output && engine.WeightSize > 0 && engine.GetArenaSize(0) >= 0, engine);
      LayerInfo layer = engine.GetLayers(0)[0];
      Hold(layer.Name.Length > 0 && layer.Kernel.Length > 0 && layer.Origins.Count > 0, layer);
    }
  }

  public void Blobs() {
    byte[] bytes = { 1, 2, 3, 4 };
    Blob blob = new Blob(bytes);
    blob.Save("grüße 😀.cs.bin");
    using (Blob read = Blob.FromFile("grüße 😀.cs.bin")) Same(read.ToArray(), bytes);
    ReadOnlyMemory<byte> memory = blob.Memory;
    blob.Share().Dispose();
    blob.Dispose();
    Collect();
    Same(memory.ToArray(), bytes);
    Fails(ErrorCode.Io, () => Blob.FromFile("none"));
    byte[] model = System.IO.File.ReadAllBytes("linear.onnx");
    using (Builder builder = new Builder())
    using (Blob taken = Blob.Take(model))
    using (Network network = Network.FromOnnx(builder, taken))
    using (Network copied = Network.FromOnnx(builder, model)) {
      Equal(network.NodeCount, copied.NodeCount);
      Equal(taken.Size, model.Length);
    }
  }

  public void TimingCaches() {
    using (TimingCache cache = new TimingCache())
    using (BuilderConfig config = LinearConfig().SetOption("timer", "real").SetTimingCache(cache))
    using (Blob first = Plan(config))
    using (Blob second = Plan(config)) {
      Same(first.ToArray(), second.ToArray());
      Hold(cache.Count > 0, cache);
      cache.Save("times.cs");
      using (TimingCache read = TimingCache.FromFile("times.cs"))
      using (TimingCache merged = new TimingCache().Merge(read)) Same(merged.Serialize().ToArray(), cache.Serialize().ToArray());
      Fails(ErrorCode.InvalidArgument, () => cache.Load(new byte[] { 1, 2 }));
    }
  }

  public void OnnxModels() {
    Hold(OnnxModel.GetOperatorCapability("", "Relu", 17, DocumentFormat.Json).Supported, "Relu");
    Capability unknown = OnnxModel.GetOperatorCapability("com.x", "Relu", 1, DocumentFormat.Text);
    Hold(!unknown.Supported && unknown.Document.Contains("nearest: ai.onnx.Relu"), unknown.Document);
    using (Builder builder = new Builder())
    using (OnnxModel model = OnnxModel.FromFile(builder, "linear.onnx"))
    using (Blob bytes = Blob.FromFile("linear.onnx"))
    using (OnnxModel same = OnnxModel.FromBlob(builder, bytes))
    using (Blob zeros = new Blob(new byte[16])) {
      Hold(model.GetCapability(DocumentFormat.Text).Supported, "supported");
      Equal(model.GetCapability(DocumentFormat.Json).Document, same.GetCapability(DocumentFormat.Json).Document);
      same.SetInitializer("b", DataType.Float32, new long[] { 3 }, zeros, 4);
      Fails(ErrorCode.InvalidArgument, () => same.SetInitializer("b", DataType.Float32, new long[] { 4 }, zeros));
      Fails(ErrorCode.InvalidArgument, () => same.SetInitializer("b", DataType.Float32, new long[] { 3 }, zeros, 8));
      Fails(ErrorCode.NotFound, () => same.SetInitializer("z", DataType.Float32, new long[] { 3 }, zeros));
      using (Network before = Network.FromOnnxModel(model))
      using (Network after = Network.FromOnnxModel(same))
      using (Blob written = after.ToOnnx())
      using (Network again = Network.FromOnnx(builder, written)) {
        Equal(again.NodeCount, before.NodeCount);
        using (after.ToOnnx("weights.bin", out Blob weights))
        using (weights) Equal(weights.Size, 0L); // they are small
      }
    }
    using (Blob plan = Plan(LinearConfig()))
    using (EngineInspector inspector = EngineInspector.FromPlan(plan))
    using (Blob view = inspector.ToOnnx()) {
      Hold(view.Size > 0, "view");
      Fails(ErrorCode.OutOfRange, () => inspector.ToOnnx(9));
      Fails(ErrorCode.InvalidArgument, () => inspector.ToOnnx(0, "{}"));
    }
  }

  public void Refits() {
    using (Engine engine = Linear())
    using (Refitter refitter = new Refitter(engine))
    using (Builder builder = new Builder())
    using (Network other = Network.FromOnnxFile(builder, "linear2.onnx")) {
      Equal(refitter.Weights.Count, 2);
      Hold(refitter.FindWeight("b").PinReason == "", "free");
      refitter.SetWeight("b", new Tensor<float>(new float[3], 3));
      if (refitter.Missing.Count == 0) {
        refitter.Apply();
        Same(Y(engine.Run(Ones())), 2, 4, 8);
      }
      Equal(refitter.SetWeights(other), 2);
      refitter.Apply();
      Same(Y(engine.Run(Ones())), 5, 6, 7);
      Fails(ErrorCode.InvalidArgument, () => refitter.SetWeight("b", new Tensor<float>(new float[2], 2)));
    }
    using (BuilderConfig config = Config())
    using (Engine engine = Engine.Build("combined.onnx", config))
    using (Refitter refitter = new Refitter(engine)) {
      refitter.SetWeight("a", new Tensor<float>(new float[3], 3));
      foreach (string name in refitter.Missing) refitter.SetWeight(name, new Tensor<float>(new float[3], 3));
      refitter.Apply();
    }
  }

  // --- callbacks --------------------------------------------------------------------------------------------------------------
  private sealed class Mine : Exception {
    internal Mine() : base("mine") {}
  }

  private sealed class Heap : IMemorySource {
    internal int Blocks, Calls;
    internal Exception Thrown;

    public IntPtr Allocate(long size, long alignment) {
      if (Thrown != null) throw Thrown;
      Interlocked.Increment(ref Blocks);
      Interlocked.Increment(ref Calls);
      IntPtr block = Marshal.AllocHGlobal((IntPtr)(size + alignment + 8));
      long address = ((long)block + 8 + alignment - 1) / alignment * alignment;
      Marshal.WriteIntPtr((IntPtr)(address - 8), block);
      return (IntPtr)address;
    }

    public void Deallocate(IntPtr memory, long size, long alignment) {
      Interlocked.Decrement(ref Blocks);
      Marshal.FreeHGlobal(Marshal.ReadIntPtr(memory - 8));
    }
  }

  public void ExceptionsOfCallbacks() {
    Mine mine = new Mine();
    int count = 0;
    using (BuilderConfig config = LinearConfig())
    using (Builder builder = new Builder())
    using (Network network = Network.FromOnnxFile(builder, "linear.onnx")) {
      config.SetProgress((phase, fraction) => ++count);
      Blob plan = builder.Build(network, config, out string report);
      Hold(count > 0 && report.StartsWith("{"), report);
      config.SetProgress((phase, fraction) => throw mine);
      Hold(ReferenceEquals(Fails<Mine>(() => builder.Build(network, config)), mine), "the very exception");
      TenonException stop = new TenonException(ErrorCode.Cancelled, "stop");
      config.SetProgress((phase, fraction) => throw stop);
      Hold(ReferenceEquals(Fails(ErrorCode.Cancelled, () => builder.Build(network, config)), stop), "the very exception");
      config.SetProgress(null);
      using (Engine engine = new Engine(plan))
      using (ExecutionContext context = engine.CreateContext()) {
        List<LayerTime> times = new List<LayerTime>();
        context.SetProfiler(times.Add).Run(Ones());
        Equal(times.Count, engine.GetLayers(0).Count);
        context.SetProfiler(time => throw mine);
        Hold(ReferenceEquals(Fails<Mine>(() => context.Run(Ones())), mine), "the very exception");
        Hold(ReferenceEquals(Fails<AggregateException>(() => context.RunAsync(Ones()).Wait()).InnerException, mine), "the very exception");
        context.SetProfiler(null).Run(Ones());
      }
      using (Allocator none = new Allocator(new Heap { Thrown = mine }))
      using (Runtime runtime = new Runtime().SetAllocator(none))
        Hold(ReferenceEquals(Fails<Mine>(() => new Engine(plan, runtime)), mine), "the very exception");
    }
    Fails<ArgumentNullException>(() => new Logger(null));
    Fails<ArgumentNullException>(() => new Allocator(null));
  }

  public void AllocatorsAndLoggers() {
    Heap heap = new Heap();
    ConcurrentQueue<string> lines = new ConcurrentQueue<string>();
    Logger logger = new Logger((severity, message) => lines.Enqueue(severity + " " + message));
    Allocator allocator = new Allocator(heap);
    Runtime runtime = new Runtime().SetAllocator(allocator).SetLogger(logger);
    allocator.Dispose();
    using (Engine engine = new Engine(Plan(LinearConfig()), runtime)) Same(Y(engine.Run(Ones())), Expected);
    runtime.SetAllocator(null).SetLogger(null).Dispose();
    Hold(heap.Calls > 0 && heap.Blocks == 0, heap.Blocks);
    using (Builder builder = new Builder().SetLogger(logger))
    using (Network network = Network.FromOnnxFile(builder, "linear.onnx"))
    using (Blob plan = builder.Build(network, Config())) Hold(lines.Any(line => line.StartsWith("Warning")), string.Join("; ", lines));
    Exception heard = null;
    Mine mine = new Mine();
    Action<Exception> before = Library.OnUnraisable;
    Library.OnUnraisable = thrown => heard = thrown;
    using (Builder builder = new Builder().SetLogger(new Logger((severity, message) => throw mine, Severity.Verbose)))
    using (Network network = Network.FromOnnxFile(builder, "linear.onnx"))
    using (Blob plan = builder.Build(network, Config())) Hold(ReferenceEquals(heard, mine), heard);
    Library.OnUnraisable = before;
  }

  // --- misuse -------------------------------------------------------------------------------------------------------------------
  public void Misuse() {
    Engine engine = Linear();
    ExecutionContext context = engine.CreateContext();
    Fails(ErrorCode.InvalidArgument, () => engine.Run(new Dictionary<string, Tensor>()));
    Fails(ErrorCode.InvalidArgument, () => context.Run(new Dictionary<string, Tensor> { { "x", new Tensor<int>(new int[4], 1, 4) } }));
    Fails(ErrorCode.InvalidArgument, () => context.Run(new Dictionary<string, Tensor> { { "x", new Tensor<float>(new float[4], 4) } }));
    Fails(ErrorCode.InvalidArgument, () => context.Run(new Dictionary<string, Tensor> { { "y", new Tensor<float>(new float[3], 1, 3) } }));
    Fails(ErrorCode.OutOfRange, () => context.Run(X(new float[36])));
    Fails(ErrorCode.InvalidArgument, () => context.Run(Ones(), new Dictionary<string, Tensor> { { "y", new Tensor<float>(new float[6], 2, 3) } }));
    Fails(ErrorCode.InvalidArgument, () => context.SetBuffer("x", new byte[4]).Run());
    Fails<ArgumentException>(() => new Tensor<float>(new float[4], 5));
    Fails<ArgumentException>(() => new Tensor<float>(new float[1], -1, -1));
    Fails<OverflowException>(() => new Tensor<float>(new float[1], 1L << 40, 1L << 40));
    Fails<ArgumentException>(() => new Tensor<char>(new char[1], 1));
    Fails<ArgumentException>(() => new Tensor<float>(DataType.Int32, new float[1], 1));
    Fails<InvalidCastException>(() => Ones()["x"].As<int>());
    Fails<ArgumentException>(() => engine.FindTensor("x\0y"));
    Fails(ErrorCode.NotFound, () => engine.FindTensor("z"));
    context.SetBuffer("x", IntPtr.Zero, 0);
    Fails(ErrorCode.InvalidPlan, () => new Engine(new byte[100]));
    Fails(ErrorCode.InvalidModel, () => Engine.Build("broken.onnx"));
    engine.Dispose();
    engine.Dispose();
    Fails(ErrorCode.InvalidHandle, () => engine.Name.ToString());
    Fails(ErrorCode.InvalidHandle, () => engine.Run(Ones()));
    Fails(ErrorCode.InvalidHandle, () => new Refitter(engine));
    Same(Y(context.Run(Ones())), Expected); // a context keeps its engine
    context.Dispose();
    context.Dispose();
    Fails(ErrorCode.InvalidHandle, () => context.Run());
    Fails(ErrorCode.InvalidHandle, () => context.Run(Ones()));
    Fails(ErrorCode.InvalidHandle, () => context.SetBuffer("x", new byte[16]));
    Equal(TenonException.NameOf(ErrorCode.Busy), "BUSY");
    Equal(Library.SizeOf(DataType.BFloat16), 2);
  }

  /// <summary>The class of a code, and back.</summary>
  public void ExceptionsOfCodes() {
    Assembly assembly = typeof(Engine).Assembly;
    List<Type> classes = assembly.GetTypes().Where(type => type.IsSubclassOf(typeof(TenonException))).ToList();
    List<ErrorCode> codes = classes.Select(type => ((TenonException)Activator.CreateInstance(type, "why")).Code).ToList();
    Same(codes.OrderBy(code => code), Enum.GetValues(typeof(ErrorCode)).Cast<ErrorCode>().Where(code => code != ErrorCode.None).ToArray());
    Fails<NotFoundException>(() => new Device("toaster"));
    Fails<IoException>(() => Blob.FromFile("none"));
    Fails<InvalidModelException>(() => Engine.Build("broken.onnx"));
    Fails<InvalidPlanException>(() => new Engine(new byte[100]));
    MethodInfo of = typeof(TenonException).GetMethod("Of", BindingFlags.NonPublic | BindingFlags.Static);
    for (int i = 0; i < classes.Count; ++i) Equal(of.Invoke(null, new object[] { codes[i], "why" }).GetType(), classes[i]);
    Equal(of.Invoke(null, new object[] { (ErrorCode)99, "why" }).GetType(), typeof(TenonException));
    using (Blob plan = Plan(LinearConfig()))
      foreach (Type type in classes) { // thrown by a callback, each keeps its code
        TenonException thrown = (TenonException)Activator.CreateInstance(type, "why");
        using (Allocator none = new Allocator(new Heap { Thrown = thrown }))
        using (Runtime runtime = new Runtime().SetAllocator(none))
          Hold(ReferenceEquals(Fails(thrown.Code, () => new Engine(plan, runtime)), thrown), type);
      }
  }

  /// <summary>Memory that a context refused, that was replaced, or that another profile made it forget, is not pinned.</summary>
  public void MemoryIsLetGo() {
    using (Engine engine = Linear())
    using (ExecutionContext context = engine.CreateContext()) {
      Fails<ArgumentOutOfRangeException>(() => context.SetBuffer("x", (IntPtr)16, -1));
      List<WeakReference> given = new List<WeakReference>();
      Thread thread = new Thread(() => { // its stack goes, which might refer to something
        for (int i = 0; i < 60; ++i) Give(context, i, given);
      });
      thread.Start();
      thread.Join();
      Collect();
      int alive = given.Count(one => one.IsAlive);
      Hold(alive < 10, alive + " of 60 blocks of memory are alive"); // scanned conservatively
      Counted counted = new Counted();
      context.SetBuffer("x", counted.Memory);
      Fails(ErrorCode.OutOfRange, () => context.Profile = 9);
      Equal(counted.Pins, 1);
      context.Profile = 0;
      Equal(counted.Pins, 0);
      Same(Y(context.Run(Ones())), Expected);
    }
  }

  /// <summary>Memory that counts how often it is pinned.</summary>
  private sealed class Counted : MemoryManager<byte> {
    private readonly byte[] bytes = new byte[16];
    internal int Pins;

    public override Span<byte> GetSpan() {
      return bytes;
    }

    public override MemoryHandle Pin(int elementIndex = 0) {
      ++Pins;
      MemoryHandle pin = bytes.AsMemory(elementIndex).Pin();
      unsafe {
        return new MemoryHandle(pin.Pointer, GCHandle.Alloc(bytes, GCHandleType.Pinned), this);
      }
    }

    public override void Unpin() {
      --Pins;
    }

    protected override void Dispose(bool disposing) {}
  }

  [MethodImpl(MethodImplOptions.NoInlining)]
  private static void Give(ExecutionContext context, int i, List<WeakReference> given) {
    byte[] memory = new byte[16];
    given.Add(new WeakReference(memory));
    string[] names = { "x", "z", "x\0y", null };
    if (i % 4 == 0) context.SetBuffer("x", memory);
    else Fails<Exception>(() => context.SetBuffer(names[i % 4], memory));
  }

  /// <summary>Every constructor, method and property, of live and of disposed objects, with each combination of what it should not get:
  /// an exception that says so, or a result; never a crash, never a NullReferenceException.</summary>
  public void EveryCallMisused() {
    Blob plan = Plan(LinearConfig());
    byte[] bytes = plan.ToArray();
    Builder builder = new Builder();
    Engine engine = new Engine(bytes);
    Dictionary<Type, Func<object>> make = new Dictionary<Type, Func<object>> {
      { typeof(Builder), () => new Builder() }, { typeof(Network), () => Network.FromOnnxFile(builder, "linear.onnx") },
      { typeof(OnnxModel), () => OnnxModel.FromFile(builder, "linear.onnx") },
      { typeof(OptimizationProfile), () => new OptimizationProfile() }, { typeof(TimingCache), () => new TimingCache() },
      { typeof(BuilderConfig), LinearConfig }, { typeof(Runtime), () => new Runtime() }, { typeof(Engine), () => new Engine(bytes) },
      { typeof(EngineInspector), () => new EngineInspector(engine) }, { typeof(Refitter), () => new Refitter(engine) },
      { typeof(ExecutionContext), () => engine.CreateContext() }, { typeof(Blob), () => new Blob(new byte[3]) },
      { typeof(Device), () => new Device("cpu") }, { typeof(Logger), () => new Logger((severity, message) => {}) },
      { typeof(Allocator), () => new Allocator(new Heap()) },
    };
    Dictionary<Type, object[]> wrong = new Dictionary<Type, object[]> {
      { typeof(string), new object[] { null, "", "x", "x\0y", "\ud800" } }, { typeof(bool), new object[] { false, true } },
      { typeof(int), new object[] { int.MinValue, -1, 0, 1, int.MaxValue } },
      { typeof(long), new object[] { long.MinValue, -1L, 0L, 1L, long.MaxValue } },
      { typeof(double), new object[] { double.NaN, -1.0, 0.0, double.PositiveInfinity } }, { typeof(IntPtr), new object[] { IntPtr.Zero } },
      { typeof(long[]), new object[] { null, new long[0], new[] { -1L }, new[] { 1L, 4L }, new[] { long.MaxValue, long.MaxValue }, new long[9] } },
      { typeof(Memory<byte>), new object[] { default(Memory<byte>), new byte[4].AsMemory() } },
      { typeof(ReadOnlyMemory<byte>), new object[] { default(ReadOnlyMemory<byte>), (ReadOnlyMemory<byte>)new byte[4] } },
      { typeof(Tensor), new object[] { null, new Tensor<float>(new float[1], 1), new Tensor<int>(new int[0], 0) } },
      { typeof(IReadOnlyDictionary<string, Tensor>), new object[] { null, new Dictionary<string, Tensor>(), X(0, 0, 0, 0, 0, 0, 0, 0),
          new Dictionary<string, Tensor> { { "x", null } }, new Dictionary<string, Tensor> { { "x", new Tensor<int>(new int[1], 1) } } } },
      { typeof(IMemorySource), new object[] { null, new Heap() } },
      { typeof(Action<Severity, string>), new object[] { null, new Action<Severity, string>((severity, message) => {}) } },
      { typeof(Action<string, double>), new object[] { null, new Action<string, double>((phase, fraction) => {}) } },
      { typeof(Action<LayerTime>), new object[] { null, new Action<LayerTime>(time => {}) } },
    };
    HashSet<object> disposed = new HashSet<object>();
    foreach (KeyValuePair<Type, Func<object>> one in make) {
      object gone = one.Value();
      ((IDisposable)gone).Dispose();
      disposed.Add(gone);
      wrong.Add(one.Key, new[] { null, one.Value(), gone });
    }
    string[] always = { "Dispose", "ToString", "get_IsDisposed", "GetHashCode", "Equals", "GetType" };
    int calls = 0;
    foreach (Type type in typeof(Engine).Assembly.GetTypes().Where(t => t.IsPublic && t.IsSubclassOf(typeof(NativeObject)))) {
      Hold(make.ContainsKey(type), type + " is not made here");
      foreach (MethodBase method in type.GetMethods().Cast<MethodBase>().Concat(type.GetConstructors())) {
        Type[] takes = method.GetParameters().Select(p => p.ParameterType).ToArray();
        if (always.Contains(method.Name) || takes.Contains(typeof(ReadOnlySpan<byte>))) continue;
        List<object[]> all = new List<object[]> { new object[0] };
        foreach (Type taken in takes) {
          Type at = taken.IsByRef ? typeof(void) : taken;
          object[] values = at == typeof(void) ? new object[] { null }
              : at.IsEnum ? new object[] { Enum.ToObject(at, -1), Enum.ToObject(at, 0), Enum.ToObject(at, 1), Enum.ToObject(at, 99) } : wrong[at];
          all = all.SelectMany(before => values.Select(value => before.Append(value).ToArray())).ToList();
        }
        bool own = method.IsConstructor || method.IsStatic;
        foreach (object target in own ? new object[] { null } : new[] { make[type](), wrong[type][2] })
          foreach (object[] arguments in all) {
            ++calls;
            string call = type.Name + "." + method.Name + "(" + string.Join(", ", arguments.Select(a => a ?? "null")) + ")"
                + (target != null && disposed.Contains(target) ? " of a disposed object" : "");
            bool refused = arguments.Concat(new[] { target }).Any(a => a != null && disposed.Contains(a)), failed = false;
            try {
              object result = method.IsConstructor ? ((ConstructorInfo)method).Invoke(arguments) : method.Invoke(target, arguments.ToArray());
              (result as Task)?.Wait();
              if (result != target) (result as IDisposable)?.Dispose();
            } catch (Exception exception) {
              failed = true;
              Exception cause = exception;
              while (cause is TargetInvocationException || cause is AggregateException) cause = cause.InnerException;
              Hold(cause is TenonException || cause is ArgumentException || cause is OverflowException, call + ": " + cause);
            }
            Hold(failed || !refused, call + " did not fail");
          }
      }
    }
    Hold(calls > 1000, calls);
    Fails(ErrorCode.InvalidPlan, () => new Engine(ReadOnlySpan<byte>.Empty));
    Fails(ErrorCode.InvalidPlan, () => EngineInspector.FromPlan(ReadOnlySpan<byte>.Empty));
    Fails(ErrorCode.InvalidModel, () => Network.FromOnnx(builder, new byte[5]));
    Fails(ErrorCode.InvalidArgument, () => new TimingCache().Load(ReadOnlySpan<byte>.Empty));
    Fails<ArgumentNullException>(() => Network.FromOnnx(null, new byte[5]));
    Equal(new Blob(ReadOnlySpan<byte>.Empty).Size, 0);
    Console.WriteLine("  " + calls + " calls");
  }

  // --- threads, collection --------------------------------------------------------------------------------------------------------
  public void Threads() {
    using (Engine engine = Linear()) {
      Task<bool>[] all = Enumerable.Range(0, 8).Select(i => Task.Factory.StartNew(() => {
        using (ExecutionContext context = engine.CreateContext())
          return Enumerable.Range(0, 200).All(run => Y(i % 2 == 0 ? context.Run(Ones()) : engine.Run(Ones())).SequenceEqual(Expected));
      }, TaskCreationOptions.LongRunning)).ToArray();
      Hold(all.All(one => one.Result), "equal");
      // One context under several threads: results or Busy; disposed amid runs: results or InvalidHandle. Never a crash.
      ExecutionContext shared = engine.CreateContext();
      shared.Bind(Ones());
      Task[] racing = Enumerable.Range(0, 4).Select(i => Task.Factory.StartNew(() => {
        for (int run = 0; run < 2000; ++run) {
          try {
            if (run % 2 == 0) shared.Run();
            else shared.Run(Ones());
          } catch (TenonException exception) {
            Hold(exception.Code == ErrorCode.Busy || exception.Code == ErrorCode.InvalidHandle, exception);
          }
        }
      }, TaskCreationOptions.LongRunning)).ToArray();
      Thread.Sleep(5);
      shared.Dispose();
      Task.WaitAll(racing);
    }
  }

  public void Collection() {
    using (Blob plan = Plan(LinearConfig())) {
      long before = Library.LiveCount("engine");
      Thread thread = new Thread(() => Drop(plan)); // its stack goes, which might refer to something
      thread.Start();
      thread.Join();
      for (int i = 0; i < 100 && Library.LiveCount("engine") > before + 1; ++i) {
        Collect();
        Thread.Sleep(5);
      }
      Hold(Library.LiveCount("engine") <= before + 1, Library.LiveCount("engine") + " engines, " + before + " before"); // scanned conservatively
    }
  }

  [MethodImpl(MethodImplOptions.NoInlining)]
  private static void Drop(Blob plan) {
    Random random = new Random(7);
    List<object> held = new List<object>();
    for (int i = 0; i < 60; ++i) {
      Engine engine = new Engine(plan);
      ExecutionContext context = engine.CreateContext();
      context.Bind(Ones());
      Refitter refitter = new Refitter(engine);
      refitter.SetWeight("b", new Tensor<float>(new float[3], 3));
      held.AddRange(new object[] { engine, context, refitter, new EngineInspector(engine), engine.Serialize(), engine.Run(Ones()) });
      for (int drop = 0; drop < 5; ++drop) held.RemoveAt(random.Next(held.Count));
      if (i % 10 == 0) GC.Collect();
      context.Run();
    }
  }

  // --- ends of the process ----------------------------------------------------------------------------------------------------------
  private static int End(string how) {
    Engine engine = Linear();
    ExecutionContext context = engine.CreateContext();
    context.Bind(Ones());
    Logger logger = new Logger((severity, message) => {}, Severity.Verbose);
    if (how == "running") {
      new Thread(() => {
        for (;;) context.Run();
      }) { IsBackground = true }.Start();
      Thread.Sleep(50);
    } else if (how == "enqueued") {
      context.Enqueue();
    }
    Console.WriteLine("ended " + Y(engine.Run(Ones()))[0] + (logger.IsDisposed ? "?" : ""));
    if (how == "exit") Environment.Exit(0);
    return 0;
  }
}
