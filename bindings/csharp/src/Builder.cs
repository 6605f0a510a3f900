using System;
using System.Collections.Generic;
using System.Linq;
using Tenon.Interop;

namespace Tenon {
  /// <summary>An input or output of a network or engine.</summary>
  public sealed class TensorInfo {
    /// <summary>Its name.</summary>
    public string Name { get; internal set; }
    /// <summary>Whether it is an input.</summary>
    public IoMode Mode { get; internal set; }
    /// <summary>Type of its elements; None where only a build finds it out.</summary>
    public DataType DataType { get; internal set; }
    /// <summary>Its dims, -1 for those that depend on the shapes of the inputs; null where only a build finds them out.</summary>
    public IReadOnlyList<long> Shape { get; internal set; }
    /// <summary>Of a network: names of the dynamic dims, "" for others. Of an engine: empty.</summary>
    public IReadOnlyList<string> DimNames { get; internal set; } = new string[0];
    /// <summary>Of an engine: how the elements must lie in memory.</summary>
    public TensorFormat Format { get; internal set; }
    /// <summary>Of an engine: in which memory the buffer must lie.</summary>
    public TensorLocation Location { get; internal set; }

    /// <summary>"x: f32[?, 4]".</summary>
    public override string ToString() {
      return Name + ": " + Library.NameOf(DataType) + "["
          + (Shape == null ? "?" : string.Join(", ", Shape.Select(dim => dim < 0 ? "?" : dim.ToString()))) + "]";
    }
  }

  /// <summary>Makes networks and plans. Internally synchronised: any thread; builds may run beside each other.</summary>
  public sealed unsafe class Builder : NativeObject {
    /// <summary>Without a logger, with the library's limits.</summary>
    public Builder() : base(Made(Raw.tn_builder_create), Raw.tn_builder_destroy) {}

    /// <summary>Where messages of imports and builds go, from the next one on; null: nowhere.</summary>
    public Builder SetLogger(Logger logger) {
      DoWith(logger, Raw.tn_builder_set_logger);
      return this;
    }

    /// <summary>For models that are imported and plans that are built; greater than 0, in the unit that the limit's name says.</summary>
    public Builder SetLimit(Limit limit, long value) {
      Do(handle => Raw.tn_builder_set_limit(handle, (int)limit, value));
      return this;
    }

    /// <summary>A limit.</summary>
    public long GetLimit(Limit limit) {
      return LongOf((handle, value) => Raw.tn_builder_get_limit(handle, (int)limit, value));
    }

    /// <summary>A plan for this machine. It measures kernels, so it takes a while and should have the machine for itself. Fails with
    /// InvalidArgument (a profile that does not fit the network), InvalidModel, Unsupported, LimitExceeded, OutOfMemory; what the
    /// progress callback threw comes out as itself.</summary>
    public Blob Build(Network network, BuilderConfig config) {
      return Build(network, config, false, out string _);
    }

    /// <summary>As <see cref="Build(Network, BuilderConfig)"/>; report is a JSON object: every node's candidates with their times or
    /// why they were refused.</summary>
    public Blob Build(Network network, BuilderConfig config, out string report) {
      return Build(network, config, true, out report);
    }

    private Blob Build(Network network, BuilderConfig config, bool wanted, out string report) {
      IntPtr plan = IntPtr.Zero, document = IntPtr.Zero;
      using (Use use = new Use(this))
      using (Use of = new Use(Needed(network, nameof(network))))
      using (Use how = new Use(Needed(config, nameof(config))))
        TenonException.Check(Raw.tn_builder_build(use.Handle, of.Handle, how.Handle, &plan, wanted ? &document : null));
      report = null;
      if (wanted)
        using (Blob blob = new Blob(document)) report = blob.Text();
      return new Blob(plan);
    }
  }

  /// <summary>What of a model or an operator is supported.</summary>
  public sealed class Capability {
    /// <summary>Whether all of it is.</summary>
    public bool Supported { get; internal set; }
    /// <summary>What there is to say.</summary>
    public string Document { get; internal set; }
  }

  /// <summary>An ONNX model that has been read but not imported: it may be asked what of it is supported, and given weights.
  /// Internally synchronised: any thread.</summary>
  public sealed unsafe class OnnxModel : NativeObject {
    private OnnxModel(IntPtr handle) : base(handle, Raw.tn_onnx_model_destroy) {}

    /// <summary>The file is mapped and must not change until the model, and what is made of it, is disposed.</summary>
    public static OnnxModel FromFile(Builder builder, string path) {
      return new OnnxModel(
          Needed(builder, nameof(builder)).HandleOf((handle, made) => Raw.tn_onnx_model_create_from_file(handle, path, made)));
    }

    /// <summary>From a blob, which the model keeps: nothing is copied. External data must be given.</summary>
    public static OnnxModel FromBlob(Builder builder, Blob model) {
      using (Use blob = new Use(Needed(model, nameof(model)))) {
        IntPtr data = blob.Handle;
        return new OnnxModel(
            Needed(builder, nameof(builder)).HandleOf((handle, made) => Raw.tn_onnx_model_create_from_blob(handle, data, made)));
      }
    }

    /// <summary>A weight in place of the model's: an initialiser's, an input's, or of a name that nothing makes. The elements lie
    /// in data from the byte offset on, as in ONNX's raw_data; networks that are made from then on keep the blob.</summary>
    public OnnxModel SetInitializer(string name, DataType type, long[] shape, Blob data, long offset = 0) {
      if (offset < 0) throw new ArgumentOutOfRangeException(nameof(offset));
      using (Use use = new Use(this))
      using (Use of = new Use(Needed(data, nameof(data))))
        fixed (long* dims = Needed(shape, nameof(shape)))
          TenonException.Check(Raw.tn_onnx_model_set_initializer(use.Handle, of.Handle, name, (int)type, dims, (UIntPtr)shape.Length,
              (UIntPtr)offset));
      return this;
    }

    /// <summary>Of each node whether and how it is supported, and all that is wrong.</summary>
    public Capability GetCapability(DocumentFormat format) {
      int supported = 0;
      IntPtr document = IntPtr.Zero;
      using (Use use = new Use(this))
        TenonException.Check(Raw.tn_onnx_model_get_capability(use.Handle, (int)format, &supported, &document));
      return Of(supported, document);
    }

    /// <summary>Of an operator in an op set, without a model.</summary>
    public static Capability GetOperatorCapability(string domain, string opType, long version, DocumentFormat format) {
      int supported = 0;
      IntPtr document = IntPtr.Zero;
      TenonException.Check(Raw.tn_onnx_operator_get_capability(domain, opType, version, (int)format, &supported, &document));
      return Of(supported, document);
    }

    private static Capability Of(int supported, IntPtr document) {
      using (Blob blob = new Blob(document)) return new Capability { Supported = supported != 0, Document = blob.Text() };
    }
  }

  /// <summary>A network as its user defined it, read from an ONNX model. Immutable; any thread.</summary>
  public sealed unsafe class Network : NativeObject {
    private Network(IntPtr handle) : base(handle, Raw.tn_network_destroy) {}

    /// <summary>The file is mapped and must not change until the network is disposed. External data lies beneath its folder.</summary>
    public static Network FromOnnxFile(Builder builder, string path) {
      return new Network(
          Needed(builder, nameof(builder)).HandleOf((handle, made) => Raw.tn_network_create_from_onnx_file(handle, path, made)));
    }

    /// <summary>From bytes, which are copied. The model must not refer to external data.</summary>
    public static Network FromOnnx(Builder builder, ReadOnlySpan<byte> model) {
      IntPtr made = IntPtr.Zero;
      using (Use use = new Use(Needed(builder, nameof(builder))))
        fixed (byte* data = model)
          TenonException.Check(Raw.tn_network_create_from_onnx(use.Handle, data, (UIntPtr)model.Length, &made));
      return new Network(made);
    }

    /// <summary>From a blob, which the network keeps: nothing is copied.</summary>
    public static Network FromOnnx(Builder builder, Blob model) {
      using (Use blob = new Use(Needed(model, nameof(model)))) {
        IntPtr data = blob.Handle;
        return new Network(
            Needed(builder, nameof(builder)).HandleOf((handle, made) => Raw.tn_network_create_from_onnx_blob(handle, data, made)));
      }
    }

    /// <summary>With the weights that a model was given.</summary>
    public static Network FromOnnxModel(OnnxModel model) {
      return new Network(Needed(model, nameof(model)).HandleOf(Raw.tn_network_create_from_onnx_model));
    }

    /// <summary>An ONNX model that computes the same; its weights are in it, so that it must not exceed 2 GB.</summary>
    public Blob ToOnnx() {
      return new Blob(HandleOf((handle, made) => Raw.tn_network_serialize_to_onnx(handle, null, made, null)));
    }

    /// <summary>The same, and the bytes of the file of that name beside it, which holds its larger weights.</summary>
    public Blob ToOnnx(string weightsLocation, out Blob weights) {
      IntPtr model = IntPtr.Zero, file = IntPtr.Zero;
      using (Use use = new Use(this))
        TenonException.Check(Raw.tn_network_serialize_to_onnx(use.Handle, Needed(weightsLocation, nameof(weightsLocation)), &model, &file));
      weights = new Blob(file);
      return new Blob(model);
    }

    /// <summary>Name of the network; may be empty.</summary>
    public string Name => TextOf(Raw.tn_network_get_name);

    /// <summary>Inputs, then outputs, both in the network's order.</summary>
    public IReadOnlyList<TensorInfo> Tensors {
      get {
        List<TensorInfo> tensors = new List<TensorInfo>();
        long count = SizeOf(Raw.tn_network_get_tensor_count);
        for (long index = 0; index < count; ++index) tensors.Add(Tensor(index));
        return tensors;
      }
    }

    /// <summary>A tensor by name. Fails with NotFound; the message names what there is.</summary>
    public TensorInfo FindTensor(string name) {
      return Tensor(SizeOf((handle, index) => Raw.tn_network_find_tensor(handle, name, index)));
    }

    private TensorInfo Tensor(long index) {
      UIntPtr i = (UIntPtr)index;
      TensorInfo info = new TensorInfo {
        Name = TextOf((handle, buffer, room, size) => Raw.tn_network_get_tensor_name(handle, i, buffer, room, size)),
        Mode = (IoMode)IntOf((handle, mode) => Raw.tn_network_get_tensor_mode(handle, i, mode)),
        DataType = (DataType)IntOf((handle, type) => Raw.tn_network_get_tensor_data_type(handle, i, type)),
      };
      try {
        info.Shape = DimsOf((handle, dims, room, size) => Raw.tn_network_get_tensor_shape(handle, i, dims, room, size));
        info.DimNames = Enumerable.Range(0, info.Shape.Count).Select(dim => DimName(i, (UIntPtr)(uint)dim)).ToList();
      } catch (TenonException exception) when (exception.Code == ErrorCode.Unsupported) {
        info.Shape = null; // only a build finds it out
      }
      return info;
    }

    private string DimName(UIntPtr index, UIntPtr dim) {
      return TextOf((handle, buffer, room, size) => Raw.tn_network_get_tensor_dim_name(handle, index, dim, buffer, room, size));
    }

    /// <summary>Number of the model's nodes.</summary>
    public long NodeCount => SizeOf(Raw.tn_network_get_node_count);

    /// <summary>A description: as text the graph, for people; as JSON name, inputs, outputs, weights and nodes.</summary>
    public string GetInformation(DocumentFormat format) {
      using (Blob blob = new Blob(HandleOf((handle, made) => Raw.tn_network_get_information(handle, (int)format, made))))
        return blob.Text();
    }
  }

  /// <summary>For which shapes of the inputs a plan is made: of each the smallest, the likeliest and the largest. Internally
  /// synchronised; any thread.</summary>
  public sealed unsafe class OptimizationProfile : NativeObject {
    /// <summary>Without shapes.</summary>
    public OptimizationProfile() : base(Made(Raw.tn_optimization_profile_create), Raw.tn_optimization_profile_destroy) {}

    /// <summary>All three shapes of an input. Whether they fit each other is checked when the profile is added.</summary>
    public OptimizationProfile SetShapes(string input, long[] min, long[] opt, long[] max) {
      Needed(min, nameof(min));
      Needed(opt, nameof(opt));
      Needed(max, nameof(max));
      return SetShape(input, ShapeSelector.Min, min).SetShape(input, ShapeSelector.Opt, opt).SetShape(input, ShapeSelector.Max, max);
    }

    /// <summary>One of the shapes of an input: dims ≥ 0.</summary>
    public OptimizationProfile SetShape(string input, ShapeSelector selector, params long[] shape) {
      using (Use use = new Use(this))
        fixed (long* dims = Needed(shape, nameof(shape)))
          TenonException.Check(Raw.tn_optimization_profile_set_shape(use.Handle, input, (int)selector, dims, (UIntPtr)shape.Length));
      return this;
    }

    /// <summary>One of the shapes that were set. Fails with NotFound.</summary>
    public long[] GetShape(string input, ShapeSelector selector) {
      return DimsOf((handle, dims, room, size) =>
          Raw.tn_optimization_profile_get_shape(handle, input, (int)selector, dims, room, size));
    }
  }

  /// <summary>What builds have measured, for later builds: one that finds all it needs measures nothing and gives the same plan.
  /// Internally synchronised; any thread, also while builds use it.</summary>
  public sealed unsafe class TimingCache : NativeObject {
    /// <summary>Empty.</summary>
    public TimingCache() : base(Made(Raw.tn_timing_cache_create), Raw.tn_timing_cache_destroy) {}

    /// <summary>With the entries of a file that <see cref="Save"/> wrote.</summary>
    public static TimingCache FromFile(string path) {
      using (Blob bytes = Blob.FromFile(path)) return new TimingCache().Load(bytes.Memory.Span);
    }

    /// <summary>Adds the entries of a serialised cache; where both have a key, the loaded entry holds.</summary>
    public TimingCache Load(ReadOnlySpan<byte> bytes) {
      using (Use use = new Use(this))
        fixed (byte* data = bytes) TenonException.Check(Raw.tn_timing_cache_load(use.Handle, data, (UIntPtr)bytes.Length));
      return this;
    }

    /// <summary>Adds another's entries; where both have a key, the other's holds.</summary>
    public TimingCache Merge(TimingCache other) {
      DoWith(Needed(other, nameof(other)), Raw.tn_timing_cache_merge);
      return this;
    }

    /// <summary>The entries as bytes: equal caches give equal bytes.</summary>
    public Blob Serialize() {
      return new Blob(HandleOf(Raw.tn_timing_cache_serialize));
    }

    /// <summary>Writes the entries to a file.</summary>
    public void Save(string path) {
      using (Blob bytes = Serialize()) bytes.Save(path);
    }

    /// <summary>Number of entries.</summary>
    public long Count => SizeOf(Raw.tn_timing_cache_get_count);
  }

  /// <summary>How a plan is to be built; each Set method gives the object back. A build takes what it needs when it starts. Internally
  /// synchronised; any thread.</summary>
  public sealed unsafe class BuilderConfig : NativeObject {
    /// <summary>The CPU, all its threads, no profile, a timing cache of its own, all libraries.</summary>
    public BuilderConfig() : base(Made(Raw.tn_builder_config_create), Raw.tn_builder_config_destroy) {}

    /// <summary>The device that the plan is for.</summary>
    public BuilderConfig SetDevice(Device device) {
      DoWith(Needed(device, nameof(device)), Raw.tn_builder_config_set_device);
      return this;
    }

    /// <summary>Threads that the plan is tuned for: 1 … 1024, or 0 for as many as the process may use.</summary>
    public int ThreadCount {
      get => IntOf(Raw.tn_builder_config_get_thread_count);
      set => Do(handle => Raw.tn_builder_config_set_thread_count(handle, value));
    }

    /// <summary>Adds a copy of a profile; its number in the plan. Without any, every dynamic dim becomes 1.</summary>
    public int AddProfile(OptimizationProfile profile) {
      using (Use other = new Use(Needed(profile, nameof(profile)))) {
        IntPtr added = other.Handle;
        return IntOf((handle, index) => Raw.tn_builder_config_add_profile(handle, added, index));
      }
    }

    /// <summary>Adds a profile of one input: its smallest, likeliest and largest shape.</summary>
    public BuilderConfig WithProfile(string input, long[] min, long[] opt, long[] max) {
      using (OptimizationProfile profile = new OptimizationProfile()) AddProfile(profile.SetShapes(input, min, opt, max));
      return this;
    }

    /// <summary>Number of profiles that were added.</summary>
    public int ProfileCount => IntOf(Raw.tn_builder_config_get_profile_count);

    /// <summary>Shared, not copied; null: a new one for each build.</summary>
    public BuilderConfig SetTimingCache(TimingCache cache) {
      DoWith(cache, Raw.tn_builder_config_set_timing_cache);
      return this;
    }

    /// <summary>Whether kernels of oneDNN may be chosen, where the library is there and is faster.</summary>
    public bool OnednnEnabled {
      get => IntOf(Raw.tn_builder_config_get_onednn_enabled) != 0;
      set => Do(handle => Raw.tn_builder_config_set_onednn_enabled(handle, value ? 1 : 0));
    }

    /// <summary>0 … 5: how many variants of each kernel are timed.</summary>
    public int OptimizationLevel {
      get => IntOf(Raw.tn_builder_config_get_optimization_level);
      set => Do(handle => Raw.tn_builder_config_set_optimization_level(handle, value));
    }

    /// <summary>Seconds after which a build stops timing, up to 1e6; 0 for none.</summary>
    public double Deadline {
      get => DoubleOf(Raw.tn_builder_config_get_deadline);
      set => Do(handle => Raw.tn_builder_config_set_deadline(handle, value));
    }

    /// <summary>Whether FP32 work may be done in a precision. On the CPU this version computes in FP32 whatever is set.</summary>
    public BuilderConfig SetPrecisionAllowed(Precision precision, bool allowed) {
      Do(handle => Raw.tn_builder_config_set_precision_allowed(handle, (int)precision, allowed ? 1 : 0));
      return this;
    }

    /// <summary>Whether FP32 work may be done in a precision.</summary>
    public bool IsPrecisionAllowed(Precision precision) {
      return IntOf((handle, allowed) => Raw.tn_builder_config_get_precision_allowed(handle, (int)precision, allowed)) != 0;
    }

    /// <summary>An experimental option; "" takes it back. The header builder_config.h lists them.</summary>
    public BuilderConfig SetOption(string key, string value) {
      Do(handle => Raw.tn_builder_config_set_option(handle, key, value));
      return this;
    }

    /// <summary>The value of an experimental option; "" if it was not set.</summary>
    public string GetOption(string key) {
      return TextOf((handle, buffer, room, size) => Raw.tn_builder_config_get_option(handle, key, buffer, room, size));
    }

    /// <summary>Who hears of a build's progress: the phase, and the fraction in [0, 1] of the whole build that is done, on the thread
    /// that builds; null: nobody. What it throws ends the build and comes out of it as itself; a TenonException with Cancelled is there
    /// for that. It is kept until no build uses it: if it refers to this object, dispose this object.</summary>
    public BuilderConfig SetProgress(Action<string, double> progress) {
      using (Use use = new Use(this)) {
        if (progress == null) {
          TenonException.Check(Raw.tn_builder_config_set_progress(use.Handle, null));
        } else {
          tn_progress_callbacks table = tn_progress_callbacks.Of(new Progress { Update = progress });
          TenonException.Check(Raw.tn_builder_config_set_progress(use.Handle, &table));
        }
      }
      return this;
    }

    private sealed class Progress : IProgress {
      internal Action<string, double> Update;
      public void update(string phase, double fraction) { Update(phase, fraction); }
      public void release() {}
    }
  }
}
