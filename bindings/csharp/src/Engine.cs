using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Linq;
using System.Text;
using System.Threading.Tasks;
using Tenon.Interop;

namespace Tenon {
  /// <summary>Settings of engines that are made afterwards; each Set method gives the object back. Internally synchronised; any
  /// thread.</summary>
  public sealed unsafe class Runtime : NativeObject {
    /// <summary>Without a logger, with the process's heap, the plan's thread count and the library's limits.</summary>
    public Runtime() : base(Made(Raw.tn_runtime_create), Raw.tn_runtime_destroy) {}

    /// <summary>Where the messages of engines go; null: nowhere.</summary>
    public Runtime SetLogger(Logger logger) {
      DoWith(logger, Raw.tn_runtime_set_logger);
      return this;
    }

    /// <summary>Where the memory of engines comes from; null: the process's heap.</summary>
    public Runtime SetAllocator(Allocator allocator) {
      DoWith(allocator, Raw.tn_runtime_set_allocator);
      return this;
    }

    /// <summary>Threads that work for one engine: 1 … 1024, or 0 for what the plan was tuned for. With 1 every call works on its caller's
    /// thread, and contexts run beside each other.</summary>
    public int ThreadCount {
      get => IntOf(Raw.tn_runtime_get_thread_count);
      set => Do(handle => Raw.tn_runtime_set_thread_count(handle, value));
    }

    /// <summary>For plans that are loaded; greater than 0, in the unit that the limit's name says.</summary>
    public Runtime SetLimit(Limit limit, long value) {
      Do(handle => Raw.tn_runtime_set_limit(handle, (int)limit, value));
      return this;
    }

    /// <summary>A limit.</summary>
    public long GetLimit(Limit limit) {
      return LongOf((handle, value) => Raw.tn_runtime_get_limit(handle, (int)limit, value));
    }
  }

  /// <summary>A layer that an engine runs.</summary>
  public sealed class LayerInfo {
    /// <summary>The layer's name.</summary>
    public string Name { get; internal set; }
    /// <summary>What computes it.</summary>
    public string Kernel { get; internal set; }
    /// <summary>The nodes of the ONNX model that it computes, wholly or in part; empty for a change of format.</summary>
    public IReadOnlyList<string> Origins { get; internal set; }
  }

  /// <summary>A verified plan with its weights in memory, ready to run. Immutable but for what a refitter does; any thread. Its contexts
  /// keep what they need of it alive.</summary>
  public sealed unsafe class Engine : NativeObject {
    private readonly List<ConcurrentBag<ExecutionContext>> idle = new List<ConcurrentBag<ExecutionContext>>();

    internal IReadOnlyDictionary<string, TensorInfo> Infos { get; }

    /// <summary>Loads a plan with the settings of a runtime, or with the defaults. Fails with InvalidPlan (damaged), IncompatiblePlan (for
    /// another machine; the message says which), ….</summary>
    public Engine(Blob plan, Runtime runtime = null) : this(Load(Needed(plan, nameof(plan)), runtime)) {}

    /// <summary>Loads a plan from bytes; what is needed of them is copied.</summary>
    public Engine(ReadOnlySpan<byte> plan, Runtime runtime = null) : this(Load(plan, runtime)) {}

    private Engine(IntPtr handle) : base(handle, Raw.tn_engine_destroy) {
      Dictionary<string, TensorInfo> infos = new Dictionary<string, TensorInfo>();
      foreach (TensorInfo info in Tensors) infos.Add(info.Name, info);
      Infos = infos;
      for (int profile = 0; profile < ProfileCount; ++profile) idle.Add(new ConcurrentBag<ExecutionContext>());
    }

    private static IntPtr Load(Blob plan, Runtime runtime) {
      using (new Use(plan)) { // the bytes stay until they are read
        plan.Locate(out void* data, out long size);
        return Load(data, size, runtime);
      }
    }

    private static IntPtr Load(ReadOnlySpan<byte> plan, Runtime runtime) {
      fixed (byte* data = plan) return Load(data, plan.Length, runtime);
    }

    private static IntPtr Load(void* data, long size, Runtime runtime) {
      IntPtr made = IntPtr.Zero;
      using (Runtime own = runtime == null ? new Runtime() : null)
      using (Use use = new Use(runtime ?? own)) TenonException.Check(Raw.tn_engine_create(use.Handle, data, (UIntPtr)size, &made));
      return made;
    }

    /// <summary>A model becomes an engine. Without a configuration every dynamic dim becomes 1.</summary>
    public static Engine Build(string model, BuilderConfig config = null) {
      using (Builder builder = new Builder())
      using (Network network = Network.FromOnnxFile(builder, model))
      using (BuilderConfig own = config == null ? new BuilderConfig() : null)
      using (Blob plan = builder.Build(network, config ?? own)) return new Engine(plan);
    }

    /// <summary>A plan that <see cref="Save"/> wrote becomes an engine.</summary>
    public static Engine Load(string path) {
      using (Blob plan = Blob.FromFile(path)) return new Engine(plan);
    }

    /// <summary>Ends this object; contexts that were made of it go on.</summary>
    public override void Dispose() {
      base.Dispose();
      foreach (ConcurrentBag<ExecutionContext> contexts in idle) DisposeAll(contexts);
    }

    private static void DisposeAll(ConcurrentBag<ExecutionContext> contexts) {
      while (contexts.TryTake(out ExecutionContext context)) context.Dispose();
    }

    /// <summary>Runs the network once. Any number of threads may do so: the engine keeps contexts for them. It takes the first profile that
    /// the shapes fit. Fails with InvalidArgument (a type, a missing input), OutOfRange (no profile takes the shapes), ….</summary>
    /// <param name="inputs">By name, all of them; pinned and used where they are.</param>
    /// <returns>The outputs by name, in new memory.</returns>
    public Dictionary<string, Tensor> Run(IReadOnlyDictionary<string, Tensor> inputs) {
      Needed(inputs, nameof(inputs));
      foreach (TensorInfo info in Infos.Values)
        if (info.Mode == IoMode.Input && !inputs.ContainsKey(info.Name))
          throw new InvalidArgumentException("the input " + info + " is missing");
      int profile = 0;
      while (profile < idle.Count - 1 && !Takes(profile, inputs)) ++profile;
      if (IsDisposed || !idle[profile].TryTake(out ExecutionContext context)) context = new ExecutionContext(this, profile);
      try {
        return context.Run(inputs);
      } finally {
        context.Unbind();
        idle[profile].Add(context);
        if (IsDisposed) DisposeAll(idle[profile]);
      }
    }

    /// <summary><see cref="Run"/> on another thread. The inputs must not change until it is done.</summary>
    public Task<Dictionary<string, Tensor>> RunAsync(IReadOnlyDictionary<string, Tensor> inputs) {
      return Task.Run(() => Run(inputs));
    }

    private bool Takes(int profile, IReadOnlyDictionary<string, Tensor> inputs) {
      foreach (KeyValuePair<string, Tensor> input in inputs) {
        if (!Infos.ContainsKey(input.Key) || input.Value == null) return true; // the context says what is wrong
        long[] dims = input.Value.Dims;
        long[] min = GetProfileShape(profile, input.Key, ShapeSelector.Min), max = GetProfileShape(profile, input.Key, ShapeSelector.Max);
        if (dims.Length != min.Length) return true;
        for (int i = 0; i < dims.Length; ++i)
          if (dims[i] < min[i] || dims[i] > max[i]) return false;
      }
      return true;
    }

    /// <summary>A context of a profile, with its own memory for intermediate results.</summary>
    public ExecutionContext CreateContext(int profile = 0) {
      return new ExecutionContext(this, profile);
    }

    /// <summary>Name of the network; may be empty.</summary>
    public string Name => TextOf(Raw.tn_engine_get_name);

    /// <summary>Inputs, then outputs, both in the network's order.</summary>
    public IReadOnlyList<TensorInfo> Tensors {
      get {
        List<TensorInfo> tensors = new List<TensorInfo>();
        long count = SizeOf(Raw.tn_engine_get_tensor_count);
        for (long index = 0; index < count; ++index) tensors.Add(Tensor(index));
        return tensors;
      }
    }

    /// <summary>A tensor by name. Fails with NotFound; the message names what there is.</summary>
    public TensorInfo FindTensor(string name) {
      return Tensor(SizeOf((handle, index) => Raw.tn_engine_find_tensor(handle, name, index)));
    }

    private TensorInfo Tensor(long index) {
      UIntPtr i = (UIntPtr)index;
      return new TensorInfo {
        Name = TextOf((handle, buffer, room, size) => Raw.tn_engine_get_tensor_name(handle, i, buffer, room, size)),
        Mode = (IoMode)IntOf((handle, mode) => Raw.tn_engine_get_tensor_mode(handle, i, mode)),
        DataType = (DataType)IntOf((handle, type) => Raw.tn_engine_get_tensor_data_type(handle, i, type)),
        Shape = DimsOf((handle, dims, room, size) => Raw.tn_engine_get_tensor_shape(handle, i, dims, room, size)),
        Format = (TensorFormat)IntOf((handle, format) => Raw.tn_engine_get_tensor_format(handle, i, format)),
        Location = (TensorLocation)IntOf((handle, location) => Raw.tn_engine_get_tensor_location(handle, i, location)),
      };
    }

    /// <summary>Threads that work for the engine.</summary>
    public int ThreadCount => IntOf(Raw.tn_engine_get_thread_count);

    /// <summary>Number of the plan's profiles, at least 1.</summary>
    public int ProfileCount => IntOf(Raw.tn_engine_get_profile_count);

    /// <summary>One of the shapes of an input in a profile.</summary>
    public long[] GetProfileShape(int profile, string input, ShapeSelector selector) {
      return DimsOf((handle, dims, room, size) =>
          Raw.tn_engine_get_profile_shape(handle, profile, input, (int)selector, dims, room, size));
    }

    /// <summary>Bytes that each context of a profile takes for intermediate results.</summary>
    public long GetArenaSize(int profile) {
      return ULongOf((handle, bytes) => Raw.tn_engine_get_arena_size(handle, profile, bytes));
    }

    /// <summary>Bytes that the weights take.</summary>
    public long WeightSize => ULongOf(Raw.tn_engine_get_weight_size);

    /// <summary>What a profile runs, in order.</summary>
    public IReadOnlyList<LayerInfo> GetLayers(int profile) {
      List<LayerInfo> layers = new List<LayerInfo>();
      long count = SizeOf((handle, size) => Raw.tn_engine_get_layer_count(handle, profile, size));
      for (long index = 0; index < count; ++index) {
        UIntPtr i = (UIntPtr)index;
        layers.Add(new LayerInfo {
          Name = TextOf((handle, buffer, room, size) => Raw.tn_engine_get_layer_name(handle, profile, i, buffer, room, size)),
          Kernel = TextOf((handle, buffer, room, size) => Raw.tn_engine_get_layer_kernel(handle, profile, i, buffer, room, size)),
          Origins = ExecutionContext.Lines(
              TextOf((handle, buffer, room, size) => Raw.tn_engine_get_layer_origins(handle, profile, i, buffer, room, size))),
        });
      }
      return layers;
    }

    /// <summary>The plan with the weights that are in force now.</summary>
    public Blob Serialize() {
      return new Blob(HandleOf(Raw.tn_engine_serialize));
    }

    /// <summary>Writes the plan; <see cref="Load(string)"/> reads it.</summary>
    public void Save(string path) {
      using (Blob plan = Serialize()) plan.Save(path);
    }

    /// <summary>Inputs and outputs.</summary>
    public override string ToString() {
      return "Engine (" + string.Join(", ", Infos.Values) + ")";
    }
  }

  /// <summary>Describes a plan: target, inputs and outputs, profiles with their layers, weights. Immutable; any thread.</summary>
  public sealed unsafe class EngineInspector : NativeObject {
    /// <summary>Of an engine's plan; it keeps the engine alive.</summary>
    public EngineInspector(Engine engine) : this(Needed(engine, nameof(engine)).HandleOf(Raw.tn_engine_inspector_create)) {}

    private EngineInspector(IntPtr handle) : base(handle, Raw.tn_engine_inspector_destroy) {}

    /// <summary>Of a plan that is not loaded, which may be for another machine.</summary>
    public static EngineInspector FromPlan(Blob plan) {
      using (new Use(Needed(plan, nameof(plan)))) { // the bytes stay until they are read
        plan.Locate(out void* data, out long size);
        return FromPlan(data, size);
      }
    }

    /// <summary>Of the bytes of a plan; what is needed of them is copied.</summary>
    public static EngineInspector FromPlan(ReadOnlySpan<byte> plan) {
      fixed (byte* data = plan) return FromPlan(data, plan.Length);
    }

    private static EngineInspector FromPlan(void* data, long size) {
      IntPtr made = IntPtr.Zero;
      TenonException.Check(Raw.tn_engine_inspector_create_from_plan(data, (UIntPtr)size, &made));
      return new EngineInspector(made);
    }

    /// <summary>As text, one line per fact in a fixed order, or the same as a JSON object.</summary>
    public string GetInformation(DocumentFormat format) {
      using (Blob blob = new Blob(HandleOf((handle, made) => Raw.tn_engine_inspector_get_information(handle, (int)format, made))))
        return blob.Text();
    }

    /// <summary>A profile as an ONNX model to look at; report: of the build that made the plan, or null.</summary>
    public Blob ToOnnx(int profile = 0, string report = null) {
      IntPtr made = IntPtr.Zero;
      byte[] text = Encoding.UTF8.GetBytes(report ?? "");
      using (Use use = new Use(this))
        fixed (byte* data = text)
          TenonException.Check(Raw.tn_engine_inspector_serialize_to_onnx(use.Handle, profile, data, (UIntPtr)text.Length, &made));
      return new Blob(made);
    }
  }

  /// <summary>A weight that can be named.</summary>
  public sealed class WeightInfo {
    /// <summary>Its name in the ONNX model.</summary>
    public string Name { get; internal set; }
    /// <summary>Type of its elements.</summary>
    public DataType DataType { get; internal set; }
    /// <summary>Its dims.</summary>
    public IReadOnlyList<long> Shape { get; internal set; }
    /// <summary>Why it takes only the value that it has; empty if it can be changed.</summary>
    public string PinReason { get; internal set; }
  }

  /// <summary>Collects new weights for an engine, which take effect together, or not at all, with <see cref="Apply"/>. Internally
  /// synchronised: any thread; contexts may run meanwhile, each run with the old weights or the new.</summary>
  public sealed unsafe class Refitter : NativeObject {
    /// <summary>Of an engine, which the refitter keeps alive.</summary>
    public Refitter(Engine engine)
        : base(Needed(engine, nameof(engine)).HandleOf(Raw.tn_refitter_create), Raw.tn_refitter_destroy) {}

    /// <summary>Every weight that can be named, pinned ones included.</summary>
    public IReadOnlyList<WeightInfo> Weights {
      get {
        List<WeightInfo> weights = new List<WeightInfo>();
        long count = SizeOf(Raw.tn_refitter_get_weight_count);
        for (long index = 0; index < count; ++index) weights.Add(Weight(index));
        return weights;
      }
    }

    /// <summary>A weight by name. Fails with NotFound.</summary>
    public WeightInfo FindWeight(string name) {
      return Weight(SizeOf((handle, index) => Raw.tn_refitter_find_weight(handle, name, index)));
    }

    private WeightInfo Weight(long index) {
      UIntPtr i = (UIntPtr)index;
      return new WeightInfo {
        Name = TextOf((handle, buffer, room, size) => Raw.tn_refitter_get_weight_name(handle, i, buffer, room, size)),
        DataType = (DataType)IntOf((handle, type) => Raw.tn_refitter_get_weight_data_type(handle, i, type)),
        Shape = DimsOf((handle, dims, room, size) => Raw.tn_refitter_get_weight_shape(handle, i, dims, room, size)),
        PinReason = TextOf((handle, buffer, room, size) => Raw.tn_refitter_get_pin_reason(handle, i, buffer, room, size)),
      };
    }

    /// <summary>The new value of a weight, of its type and shape; copied. Nothing happens to the engine yet.</summary>
    public Refitter SetWeight(string name, Tensor value) {
      using (Use use = new Use(this))
      using (System.Buffers.MemoryHandle pin = Needed(value, nameof(value)).Pin())
        fixed (long* dims = value.Dims)
          TenonException.Check(Raw.tn_refitter_set_weight(use.Handle, name, (int)value.DataType, dims, (UIntPtr)value.Dims.Length,
              pin.Pointer, (UIntPtr)value.Bytes));
      return this;
    }

    /// <summary>The values of all weights that another network has under the same names: how many those are.</summary>
    public long SetWeights(Network network) {
      using (Use other = new Use(Needed(network, nameof(network)))) {
        IntPtr of = other.Handle;
        return SizeOf((handle, count) => Raw.tn_refitter_set_weights_from_network(handle, of, count));
      }
    }

    /// <summary>Names of weights that must be set besides those that are.</summary>
    public IReadOnlyList<string> Missing {
      get {
        List<string> names = new List<string>();
        long count = SizeOf(Raw.tn_refitter_get_missing_count);
        for (long index = 0; index < count; ++index) {
          UIntPtr i = (UIntPtr)index;
          names.Add(TextOf((handle, buffer, room, size) => Raw.tn_refitter_get_missing_name(handle, i, buffer, room, size)));
        }
        return names;
      }
    }

    /// <summary>Gives the engine the new values. After a failure it is as it was, and the values are still set.</summary>
    public void Apply() {
      Do(Raw.tn_refitter_apply);
    }
  }
}
