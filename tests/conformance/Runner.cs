// The runner of C#: docs/conformance.md.
using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Runtime.InteropServices;
using System.Text;
using System.Threading;
using Tenon;
using ExecutionContext = Tenon.ExecutionContext;

/// What this program's own callbacks throw.
sealed class Thrown : Exception {
  public Thrown(string message) : base(message) {}
}

/// No object has the name.
sealed class Missing : Exception {}

/// An object of JSON, in its order.
sealed class Map : List<KeyValuePair<string, object>> {
  public object this[string key] => this.FirstOrDefault(pair => pair.Key == key).Value;
  public bool Has(string key) { return this.Any(pair => pair.Key == key); }
}

/// The JSON that scenarios use.
sealed class Json {
  readonly string text;
  int at;

  public Json(string text) { this.text = text; }

  bool More(char end) {
    while (" \t\r\n,:".IndexOf(text[at]) >= 0) ++at;
    if (text[at] != end) return true;
    ++at;
    return false;
  }

  public object Value() {
    while (" \t\r\n,:".IndexOf(text[at]) >= 0) ++at;
    switch (text[at]) {
      case '{':
        ++at;
        var map = new Map();
        while (More('}')) {
          var key = (string)Value();
          map.Add(new KeyValuePair<string, object>(key, Value()));
        }
        return map;
      case '[':
        ++at;
        var list = new List<object>();
        while (More(']')) list.Add(Value());
        return list;
      case '"':
        var made = new StringBuilder();
        for (++at; text[at] != '"'; ++at) {
          if (text[at] == '\\') ++at;
          made.Append(text[at]);
        }
        ++at;
        return made.ToString();
    }
    int start = at;
    while (",]} \n\r\t".IndexOf(text[at]) < 0) ++at;
    string word = text.Substring(start, at - start);
    if (word == "true" || word == "false") return word == "true";
    return double.Parse(word, CultureInfo.InvariantCulture);
  }
}

/// What a progress callback or a profiler is to do, and what it saw.
sealed class Hearer {
  public readonly string Mode;
  public readonly Thrown Thrown;
  public readonly ManualResetEvent Tried = new ManualResetEvent(false);
  readonly IReadOnlyList<string> kernels;
  public int Count;
  public bool Good;
  double last;

  public Hearer(string mode, IReadOnlyList<string> kernels) {
    Mode = mode;
    this.kernels = kernels;
    Thrown = new Thrown(kernels == null ? "thrown on purpose" : "thrown by the profiler");
    Start();
  }

  public void Start() {
    Count = 0;
    Good = true;
    last = 0;
  }

  public void Progress(string phase, double fraction) {
    if (Mode == "cancel") throw new TenonException(ErrorCode.Cancelled, "stopped on purpose");
    if (Mode == "throw") throw Thrown;
    Good = Good && phase != "" && last <= fraction && fraction <= 1;
    last = fraction;
    ++Count;
  }

  public void Layer(LayerTime time) {
    if (Mode == "throw") throw Thrown;
    if (Mode == "busy") {
      Tried.WaitOne();
      return;
    }
    Good = Good && time.Index == Count && Count < kernels.Count && time.Kernel == kernels[Count] && time.Microseconds >= 0;
    ++Count;
  }
}

/// An allocator over the process's heap that counts, or fails.
sealed class Heap : IMemorySource {
  public readonly Thrown Thrown = new Thrown("no memory on purpose");
  public readonly Dictionary<long, IntPtr> Blocks = new Dictionary<long, IntPtr>();
  public int Calls;
  public long Bytes;
  readonly string mode;

  public Heap(string mode) { this.mode = mode; }

  public IntPtr Allocate(long size, long alignment) {
    if (mode == "throw") throw Thrown;
    lock (Blocks) {
      IntPtr block = Marshal.AllocHGlobal((IntPtr)(size + alignment));
      long memory = ((long)block + alignment - 1) / alignment * alignment;
      Blocks[memory] = block;
      ++Calls;
      Bytes += size;
      return (IntPtr)memory;
    }
  }

  public void Deallocate(IntPtr memory, long size, long alignment) {
    lock (Blocks) {
      Bytes -= size;
      Marshal.FreeHGlobal(Blocks[(long)memory]);
      Blocks.Remove((long)memory);
    }
  }
}

sealed class Runner {
  /// Of a context's engine, which may be closed before it.
  sealed class Known {
    public IReadOnlyList<TensorInfo> Tensors;
    public IReadOnlyList<string> Kernels;
  }
  sealed class Output {
    public TensorInfo Info;
    public long[] Shape;
    public byte[] Data;
  }

  readonly SortedDictionary<string, NativeObject> objects = new SortedDictionary<string, NativeObject>(StringComparer.Ordinal);
  readonly Dictionary<string, object> about = new Dictionary<string, object>();
  readonly List<string> messages = new List<string>();
  readonly List<Exception> thrown = new List<Exception>();
  readonly StringBuilder text = new StringBuilder();
  readonly Builder builder = new Builder();
  Map step;

  void Say(params object[] words) { text.Append("  ").Append(string.Join(" ", words)).Append('\n'); }
  void Tell(string name, bool yes) { Say(name, yes ? "yes" : "no"); }
  string Text(string key) { return (string)step[key]; }
  int Number(string key) { return (int)(double)step[key]; }
  bool Is(string key) { return step[key] is bool && (bool)step[key]; }
  static long[] Dims(object list) { return ((List<object>)list).Select(one => (long)(double)one).ToArray(); }
  static double[] Numbers(object list) { return ((List<object>)list).Select(one => (double)one).ToArray(); }
  static string Show(IEnumerable<long> shape) { return "[" + string.Join(",", shape) + "]"; }
  static string Lower(object value) {
    return value.ToString() == "ChannelsLast" ? "channels_last" : value.ToString().ToLowerInvariant();
  }

  T Get<T>(string key) where T : class {
    NativeObject found;
    objects.TryGetValue((string)step[key] ?? "", out found);
    var made = found as T;
    if (made == null) throw new Missing();
    return made;
  }

  void Keep(NativeObject thing, object more = null) {
    NativeObject old;
    if (objects.TryGetValue(Text("as"), out old)) old.Dispose();
    objects[Text("as")] = thing;
    about[Text("as")] = more;
  }

  Logger NewLogger() {
    if (!Is("log")) return null;
    return new Logger((severity, message) => { lock (messages) messages.Add(severity.ToString().ToLowerInvariant() + " " + message); });
  }

  void Failed(Exception error) {
    if (error is Missing || error is ObjectDisposedException) {
      Say("error INVALID_HANDLE");
    } else if (error is Thrown) {
      Say(thrown.Any(own => ReferenceEquals(own, error)) ? "thrown:" : "thrown by another:", error.Message);
    } else if (error is TenonException) {
      var known = (TenonException)error;
      string name = TenonException.NameOf(known.Code);
      Say(name == "INVALID_HANDLE" || name == "BUSY" ? "error " + name : "error " + name + ": " + known.Message.Replace("\n", " / "));
    } else {
      throw new InvalidOperationException("unexpected", error);
    }
  }

  static void Collect() {
    for (int i = 0; i < 3; ++i) {
      GC.Collect();
      GC.WaitForPendingFinalizers();
    }
  }

  string Documents(string plain, string json) {
    Tell("text", plain.Length > 1 && plain.EndsWith("\n"));
    Tell("json", json.StartsWith("{"));
    return plain;
  }

  void DoNetwork() {
    Builder by = builder;
    if (step.Has("nodes") || step.Has("log")) {
      by = new Builder();
      if (step.Has("nodes")) by.SetLimit(Limit.Nodes, Number("nodes"));
      by.SetLogger(NewLogger());
    }
    string from = Text("from") ?? "file", file = Text("file");
    Network network = from == "file" ? Network.FromOnnxFile(by, file)
                    : from == "blob" ? Network.FromOnnx(by, Blob.FromFile(file))
                                     : Network.FromOnnx(by, Blob.FromFile(file).ToArray());
    Keep(network);
    Say("network", network.Name == "" ? "-" : network.Name, "nodes", network.NodeCount);
    foreach (TensorInfo t in network.Tensors) {
      string shape = t.Shape == null ? "?" : "[" + string.Join(",", t.Shape.Select((dim, i) => t.DimNames[i] == "" ? dim.ToString() : t.DimNames[i])) + "]";
      Say(Lower(t.Mode), t.Name, Library.NameOf(t.DataType), shape);
    }
    if (by != builder) by.Dispose();
  }

  void DoConfig() {
    var config = new BuilderConfig();
    if (step.Has("device")) {
      using (var device = new Device(Text("device"))) config.SetDevice(device);
    }
    if (step.Has("threads")) config.ThreadCount = Number("threads");
    if (step.Has("level")) config.OptimizationLevel = Number("level");
    if (step.Has("onednn")) config.OnednnEnabled = Is("onednn");
    if (step.Has("deadline")) config.Deadline = (double)step["deadline"];
    if (step.Has("tf32")) config.SetPrecisionAllowed(Precision.Tf32, Is("tf32"));
    var options = (Map)step["options"] ?? new Map();
    foreach (var option in options) config.SetOption(option.Key, (string)option.Value);
    if (step.Has("cache")) config.SetTimingCache(Get<TimingCache>("cache"));
    foreach (object one in (List<object>)step["profiles"] ?? new List<object>()) {
      using (var profile = new OptimizationProfile()) {
        foreach (var input in (Map)one) {
          var three = (List<object>)input.Value;
          profile.SetShapes(input.Key, Dims(three[0]), Dims(three[1]), Dims(three[2]));
        }
        config.AddProfile(profile);
      }
    }
    Say("threads", config.ThreadCount, "level", config.OptimizationLevel, "onednn", config.OnednnEnabled ? "yes" : "no", "deadline",
        (long)config.Deadline, "tf32", config.IsPrecisionAllowed(Precision.Tf32) ? "yes" : "no", "profiles", config.ProfileCount);
    foreach (var option in options) Say("option", option.Key, config.GetOption(option.Key));
    Keep(config);
  }

  void DoBuild() {
    var network = Get<Network>("network");
    var config = Get<BuilderConfig>("config");
    object found;
    about.TryGetValue(Text("config"), out found);
    var hearer = found as Hearer;
    Builder by = builder;
    if (Is("log")) {
      by = new Builder();
      by.SetLogger(NewLogger());
    }
    if (hearer != null) hearer.Start();
    string report = "";
    Keep(Is("report") ? by.Build(network, config, out report) : by.Build(network, config));
    if (hearer != null && hearer.Mode == "count") Tell("progress", hearer.Good && hearer.Count > 0);
    if (Is("report")) Tell("report", report.StartsWith("{"));
    if (by != builder) by.Dispose();
  }

  void DoEngine() {
    Engine engine;
    using (var runtime = new Runtime()) {
      if (step.Has("threads")) runtime.ThreadCount = Number("threads");
      if (step.Has("limit")) runtime.SetLimit(Limit.PlanBytes, Number("limit"));
      if (step.Has("allocator")) runtime.SetAllocator(Get<Allocator>("allocator"));
      runtime.SetLogger(NewLogger());
      engine = new Engine(Get<Blob>("plan").ToArray(), runtime);
    }
    Keep(engine);
    Say("engine", engine.Name == "" ? "-" : engine.Name, "threads", engine.ThreadCount, "profiles", engine.ProfileCount);
    foreach (TensorInfo t in engine.Tensors)
      Say(Lower(t.Mode), t.Name, Library.NameOf(t.DataType), Show(t.Shape), Lower(t.Format), Lower(t.Location));
    for (int profile = 0; profile < engine.ProfileCount; ++profile)
      foreach (TensorInfo t in engine.Tensors.Where(t => t.Mode == IoMode.Input))
        Say("profile", profile, t.Name, Show(engine.GetProfileShape(profile, t.Name, ShapeSelector.Min)),
            Show(engine.GetProfileShape(profile, t.Name, ShapeSelector.Opt)), Show(engine.GetProfileShape(profile, t.Name, ShapeSelector.Max)));
    var layers = engine.GetLayers(0);
    Tell("layers", layers.Count > 0 && layers.All(one => one.Name != "" && one.Kernel != ""));
  }

  static byte[] Bytes(DataType type, double[] values) {
    using (var made = new MemoryStream())
    using (var writer = new BinaryWriter(made)) {
      foreach (double one in values) {
        switch (type) {
          case DataType.Float32: writer.Write((float)one); break;
          case DataType.Int32: writer.Write((int)one); break;
          case DataType.Int64: writer.Write((long)one); break;
          default: writer.Write((byte)one); break;
        }
      }
      writer.Flush();
      return made.ToArray();
    }
  }

  static List<Output> SetAll(ExecutionContext context, IReadOnlyList<TensorInfo> tensors, Map inputs) {
    foreach (var input in inputs) {
      var tensor = (Map)input.Value;
      TensorInfo info = tensors.FirstOrDefault(t => t.Name == input.Key);
      context.SetInputShape(input.Key, Dims(tensor["dims"]));
      context.SetBuffer(input.Key, Bytes(info == null ? DataType.Float32 : info.DataType, Numbers(tensor["values"])));
    }
    var outputs = new List<Output>();
    foreach (TensorInfo t in tensors.Where(t => t.Mode == IoMode.Output)) {
      long[] shape = context.GetShape(t.Name);
      var data = new byte[shape.Aggregate((long)Library.SizeOf(t.DataType), (a, b) => a * b)];
      context.SetBuffer(t.Name, data);
      outputs.Add(new Output { Info = t, Shape = shape, Data = data });
    }
    return outputs;
  }

  void ShowAll(List<Output> outputs) {
    foreach (Output o in outputs) {
      var line = new StringBuilder(Show(o.Shape) + ":");
      int size = Library.SizeOf(o.Info.DataType);
      for (int at = 0; at < o.Data.Length; at += size) {
        double value = o.Info.DataType == DataType.Float32 ? BitConverter.ToSingle(o.Data, at)
                     : o.Info.DataType == DataType.Int32 ? BitConverter.ToInt32(o.Data, at)
                     : o.Info.DataType == DataType.Int64 ? BitConverter.ToInt64(o.Data, at) : o.Data[at];
        line.Append(' ').Append(Math.Abs(value) < 1e15 && value == Math.Floor(value) ? ((long)value).ToString() : "?");
      }
      Say(o.Info.Name, Library.NameOf(o.Info.DataType), line);
    }
  }

  Known KnownOfContext() { return (Known)about[Text("context")]; }

  void DoRun() {
    var context = Get<ExecutionContext>("context");
    List<Output> outputs = step.Has("inputs") ? SetAll(context, KnownOfContext().Tensors, (Map)step["inputs"]) : null;
    switch (Text("how") ?? "run") {
      case "measured": Tell("microseconds", context.RunMeasured() >= 0); break;
      case "parts":
        double input, enqueue, output;
        context.RunInParts(out input, out enqueue, out output);
        Tell("microseconds", input >= 0 && enqueue >= 0 && output >= 0);
        break;
      case "enqueue":
        context.Enqueue();
        context.Wait();
        break;
      case "prepare":
        context.Prepare();
        context.Run();
        break;
      default: context.Run(); break;
    }
    if (outputs == null) Say("ran");
    else ShowAll(outputs);
  }

  void DoProfile() {
    var context = Get<ExecutionContext>("context");
    Known known = KnownOfContext();
    var hearer = new Hearer(Text("mode"), known.Kernels);
    thrown.Add(hearer.Thrown);
    List<Output> outputs = SetAll(context, known.Tensors, (Map)step["inputs"]);
    context.SetProfiler(hearer.Layer);
    try {
      context.Run();
    } finally {
      context.SetProfiler(null);
    }
    ShowAll(outputs);
    Tell("layers", hearer.Good && hearer.Count == known.Kernels.Count && hearer.Count > 0);
  }

  void DoBusy() {
    var context = Get<ExecutionContext>("context");
    var hearer = new Hearer("busy", null);
    List<Output> outputs = SetAll(context, KnownOfContext().Tensors, (Map)step["inputs"]);
    context.SetProfiler(hearer.Layer);
    context.Enqueue();
    try {
      context.Run();
      Say("not busy");
    } catch (TenonException error) {
      Failed(error);
    }
    hearer.Tried.Set();
    try {
      context.Wait();
    } finally {
      context.SetProfiler(null);
    }
    ShowAll(outputs);
  }

  void DoThreads() {
    var engine = Get<Engine>("engine");
    var inputs = (Map)step["inputs"];
    int runs = Number("runs");
    var results = new List<List<Output>>[Number("count")];
    var errors = new Exception[results.Length];
    var workers = Enumerable.Range(0, results.Length).Select(at => new Thread(() => {
      try {
        var made = new List<List<Output>>();
        using (ExecutionContext context = engine.CreateContext())
          for (int run = 0; run < runs; ++run) {
            List<Output> outputs = SetAll(context, engine.Tensors, inputs);
            context.Run();
            made.Add(outputs);
          }
        results[at] = made;
      } catch (TenonException error) {
        errors[at] = error;
      }
    })).ToList();
    workers.ForEach(worker => worker.Start());
    workers.ForEach(worker => worker.Join());
    Exception first = errors.FirstOrDefault(error => error != null);
    if (first != null) throw first;
    ShowAll(results[0][0]);
    Tell("equal", results.All(made => made.All(outputs => outputs.Zip(results[0][0], (a, b) => a.Data.SequenceEqual(b.Data)).All(same => same))));
  }

  void DoRefit() {
    using (var refitter = new Refitter(Get<Engine>("engine"))) {
      foreach (var weight in (Map)step["weights"] ?? new Map()) {
        var tensor = (Map)weight.Value;
        refitter.SetWeight(weight.Key, new Tensor<float>(Numbers(tensor["values"]).Select(one => (float)one).ToArray(), Dims(tensor["dims"])));
      }
      if (step.Has("network")) Say("set", refitter.SetWeights(Get<Network>("network")));
      foreach (string name in refitter.Missing) Say("missing", name);
      refitter.Apply();
    }
    Say("refitted");
  }

  EngineInspector NewInspector() {
    return step.Has("engine") ? new EngineInspector(Get<Engine>("engine")) : EngineInspector.FromPlan(Get<Blob>("plan").ToArray());
  }

  void Take() {
    switch (Text("do")) {
      case "device":
        using (var device = new Device(Text("name"))) Say(device.Name, Lower(device.Type));
        break;
      case "network": DoNetwork(); break;
      case "describe":
        var described = Get<Network>("network");
        Documents(described.GetInformation(DocumentFormat.Text), described.GetInformation(DocumentFormat.Json));
        break;
      case "config": DoConfig(); break;
      case "progress":
        var hearer = new Hearer(Text("mode"), null);
        thrown.Add(hearer.Thrown);
        Get<BuilderConfig>("config").SetProgress(hearer.Mode == "none" ? (Action<string, double>)null : hearer.Progress);
        about[Text("config")] = hearer;
        break;
      case "build": DoBuild(); break;
      case "blob":
        var blob = new Blob(Encoding.UTF8.GetBytes(Text("text")));
        Keep(blob);
        Say("blob", blob.Size, "bytes");
        break;
      case "save": Get<Blob>("blob").Save(Text("file")); break;
      case "read": Keep(Blob.FromFile(Text("file"))); break;
      case "share": Keep(Get<Blob>("blob").Share()); break;
      case "cut":
        var cut = new Blob(Get<Blob>("blob").ToArray().Take(Number("bytes")).ToArray());
        Keep(cut);
        Say("blob", cut.Size, "bytes");
        break;
      case "same": Say(Get<Blob>("a").ToArray().SequenceEqual(Get<Blob>("b").ToArray()) ? "yes" : "no"); break;
      case "cache":
        var fresh = new TimingCache();
        if (step.Has("load")) fresh.Load(Get<Blob>("load").ToArray());
        Keep(fresh);
        Tell("entries", fresh.Count > 0);
        break;
      case "cache_blob":
        var cache = Get<TimingCache>("cache");
        Keep(cache.Serialize());
        Tell("entries", cache.Count > 0);
        break;
      case "merge":
        var merged = Get<TimingCache>("cache");
        merged.Merge(Get<TimingCache>("other"));
        Tell("entries", merged.Count > 0);
        break;
      case "engine": DoEngine(); break;
      case "allocator":
        var heap = new Heap(Text("mode"));
        thrown.Add(heap.Thrown);
        Keep(new Allocator(heap), heap);
        break;
      case "balance":
        Get<Allocator>("allocator");
        var balanced = (Heap)about[Text("allocator")];
        Tell("allocated", balanced.Calls > 0);
        Tell("balanced", balanced.Blocks.Count == 0 && balanced.Bytes == 0);
        break;
      case "serialize": Keep(Get<Engine>("engine").Serialize()); break;
      case "inspect":
        using (EngineInspector one = NewInspector(), two = NewInspector()) {
          string plain = Documents(one.GetInformation(DocumentFormat.Text), one.GetInformation(DocumentFormat.Json));
          Tell("same", plain == two.GetInformation(DocumentFormat.Text));
        }
        break;
      case "context":
        var engine = Get<Engine>("engine");
        ExecutionContext context = engine.CreateContext(step.Has("profile") ? Number("profile") : 0);
        Keep(context, new Known { Tensors = engine.Tensors, Kernels = engine.GetLayers(0).Select(layer => layer.Kernel).ToList() });
        Say("profile", context.Profile);
        break;
      case "set_profile":
        var changed = Get<ExecutionContext>("context");
        changed.Profile = Number("profile");
        Say("profile", changed.Profile);
        break;
      case "shape": Get<ExecutionContext>("context").SetInputShape(Text("tensor"), Dims(step["dims"])); break;
      case "get_shape": Say(Text("tensor"), Show(Get<ExecutionContext>("context").GetShape(Text("tensor")))); break;
      case "buffer": Get<ExecutionContext>("context").SetBuffer(Text("tensor"), new byte[Number("bytes")]); break;
      case "run": DoRun(); break;
      case "wait": Get<ExecutionContext>("context").Wait(); break;
      case "profile": DoProfile(); break;
      case "busy": DoBusy(); break;
      case "threads": DoThreads(); break;
      case "weights":
        using (var refitter = new Refitter(Get<Engine>("engine")))
          foreach (WeightInfo one in refitter.Weights)
            Say("weight", one.Name, Library.NameOf(one.DataType), Show(one.Shape), one.PinReason == "" ? "free" : "pinned");
        break;
      case "refit": DoRefit(); break;
      case "close":
        Get<NativeObject>("name").Dispose();
        objects.Remove(Text("name"));
        break;
      case "live":
        Collect();
        Say(Text("type"), Library.LiveCount(Text("type")));
        break;
      default: throw new InvalidOperationException(Text("do"));
    }
  }

  void Step(int number, Map next) {
    step = next;
    text.Append(number).Append(' ').Append(Text("do")).Append('\n');
    try {
      Take();
    } catch (Exception error) {
      Failed(error);
    }
    lock (messages) {
      foreach (string message in messages) Say("log", message.Replace("\n", " / "));
      messages.Clear();
    }
  }

  void End() {
    foreach (NativeObject one in objects.Values) one.Dispose();
    objects.Clear();
    about.Clear();
    builder.Dispose();
  }

  static int Main(string[] arguments) {
    var runner = new Runner();
    int number = 0;
    foreach (object one in (List<object>)new Json(File.ReadAllText(arguments[0])).Value()) runner.Step(++number, (Map)one);
    runner.End();
    Collect();
    runner.text.Append("live ").Append(Library.LiveCount("all")).Append('\n');
    using (Stream output = Console.OpenStandardOutput()) {
      byte[] bytes = new UTF8Encoding(false).GetBytes(runner.text.ToString());
      output.Write(bytes, 0, bytes.Length);
    }
    return 0;
  }
}
