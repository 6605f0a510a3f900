using System;
using System.Collections.Generic;
using System.IO;
using System.Runtime.InteropServices;
using System.Text;
using System.Threading;
using Tenon.Interop;

/// <summary>The raw layer of C#: as raw_smoke.py. It also prints the layouts of the callback tables.</summary>
internal unsafe sealed class RawSmoke {
  private readonly string folder;
  private readonly byte[] input;
  private readonly float[] expected, output;
  private readonly long batch;
  private IntPtr builder, network, plan, engine, context;
  private GCHandle pinnedInput, pinnedOutput;

  private RawSmoke(string folder) {
    this.folder = folder;
    input = Read("input.bin");
    byte[] bytes = Read("expected.bin");
    expected = new float[bytes.Length / 4];
    Buffer.BlockCopy(bytes, 0, expected, 0, bytes.Length);
    output = new float[expected.Length];
    batch = expected.Length / 3;
  }

  private byte[] Read(string name) {
    return File.ReadAllBytes(Path.Combine(folder, name));
  }

  private static void Hold(bool good, object what) {
    if (!good) throw new Exception("wrong: " + what);
  }

  private static string Message(IntPtr error) {
    UIntPtr size;
    Raw.tn_error_get_message(error, null, UIntPtr.Zero, &size);
    byte[] buffer = new byte[(int)size + 1];
    fixed (byte* start = buffer) Raw.tn_error_get_message(error, start, (UIntPtr)buffer.Length, &size);
    return Encoding.UTF8.GetString(buffer, 0, (int)size);
  }

  private static void Check(IntPtr error) {
    if (error == IntPtr.Zero) return;
    string text = Message(error);
    Raw.tn_error_destroy(error);
    throw new Exception(text);
  }

  private static int Code(IntPtr error) {
    int code = Raw.tn_error_get_code(error);
    Raw.tn_error_destroy(error);
    return code;
  }

  private sealed class Progress : IProgress {
    internal readonly List<string> Phases = new List<string>();
    internal int Released;
    internal Exception Thrown;

    public void update(string phase, double fraction) {
      Phases.Add(phase);
      if (Thrown != null) throw Thrown;
    }

    public void release() {
      ++Released;
    }
  }

  private sealed class Profiler : IProfiler {
    internal readonly List<ulong> Layers = new List<ulong>();
    private readonly Thread caller = Thread.CurrentThread;

    public void layer(UIntPtr index, string name, string kernel, string origins, double microseconds) {
      Hold(kernel.Length > 0 && microseconds >= 0, kernel);
      Hold(Thread.CurrentThread != caller, "not called on a thread of the library's");
      Layers.Add((ulong)index);
    }

    public void release() {}
  }

  private sealed class Refusal : Exception, IHasErrorCode {
    internal Refusal() : base("not today 🙂") {}

    public int ErrorCode {
      get { return Raw.TN_ERROR_CANCELLED; }
    }
  }

  private void Version() {
    Hold(Raw.tn_version() == Raw.TN_VERSION && Raw.tn_abi_version() == Raw.TN_ABI_VERSION, "version");
    Hold(Raw.tn_build_info().StartsWith("tenon "), Raw.tn_build_info());
    Hold(Raw.tn_data_type_get_name(Raw.TN_DATA_TYPE_INT64) == "i64", "i64");
  }

  private IntPtr Config(Progress progress) {
    IntPtr config, profile;
    Check(Raw.tn_builder_config_create(&config));
    Check(Raw.tn_builder_config_set_option(config, "timer", "fake"));
    Check(Raw.tn_builder_config_set_thread_count(config, 1));
    tn_progress_callbacks table = tn_progress_callbacks.Of(progress);
    Check(Raw.tn_builder_config_set_progress(config, &table));
    Check(Raw.tn_optimization_profile_create(&profile));
    long[] batches = {1, batch, 8};
    for (int selector = 0; selector < 3; ++selector) {
      long[] shape = {batches[selector], 1, 4, 4};
      fixed (long* dims = shape) Check(Raw.tn_optimization_profile_set_shape(profile, "x", selector, dims, (UIntPtr)4));
    }
    int index = -1;
    Check(Raw.tn_builder_config_add_profile(config, profile, &index));
    Hold(index == 0, index);
    Raw.tn_optimization_profile_destroy(profile);
    return config;
  }

  private void Build() {
    IntPtr made;
    Check(Raw.tn_builder_create(&made));
    builder = made;
    byte[] model = Read("model.onnx");
    fixed (byte* start = model) Check(Raw.tn_network_create_from_onnx(builder, start, (UIntPtr)model.Length, &made));
    network = made;
    Progress progress = new Progress();
    IntPtr config = Config(progress);
    Check(Raw.tn_builder_build(builder, network, config, &made, null));
    plan = made;
    Hold(progress.Phases.Count > 0, "no progress");
    Raw.tn_builder_config_destroy(config);
    Hold(progress.Released == 1, progress.Released);
  }

  private void SaveAndLoad() {
    string path = Path.Combine(folder, "plän 🙂 csharp.plan");
    Check(Raw.tn_blob_save(plan, path));
    IntPtr copy;
    void* data;
    UIntPtr size;
    Check(Raw.tn_blob_create_from_file(path, &copy));
    Check(Raw.tn_blob_get_data(copy, &data, &size));
    Hold((long)size == new FileInfo(path).Length, size);
    Raw.tn_blob_destroy(copy);
  }

  private void Run() {
    IntPtr runtime, made;
    void* data;
    UIntPtr size;
    Check(Raw.tn_runtime_create(&runtime));
    Check(Raw.tn_runtime_set_thread_count(runtime, 2));
    Check(Raw.tn_blob_get_data(plan, &data, &size));
    Check(Raw.tn_engine_create(runtime, data, size, &made));
    engine = made;
    Raw.tn_runtime_destroy(runtime);
    byte* name = stackalloc byte[16];
    Check(Raw.tn_engine_get_tensor_name(engine, UIntPtr.Zero, name, (UIntPtr)16, &size));
    Hold(Text.Of(name, (int)size) == "x", "name");
    long* dims = stackalloc long[Raw.TN_MAX_RANK];
    Check(Raw.tn_engine_get_tensor_shape(engine, UIntPtr.Zero, dims, (UIntPtr)Raw.TN_MAX_RANK, &size));
    Hold((int)size == 4 && dims[0] == -1 && dims[3] == 4, size);
    Check(Raw.tn_execution_context_create(engine, 0, &made));
    context = made;
    dims[0] = batch;
    Check(Raw.tn_execution_context_set_input_shape(context, "x", dims, (UIntPtr)4));
    pinnedInput = GCHandle.Alloc(input, GCHandleType.Pinned);
    pinnedOutput = GCHandle.Alloc(output, GCHandleType.Pinned);
    Check(Raw.tn_execution_context_set_buffer(context, "x", pinnedInput.AddrOfPinnedObject(), (UIntPtr)input.Length));
    Check(Raw.tn_execution_context_set_buffer(context, "y", pinnedOutput.AddrOfPinnedObject(), (UIntPtr)(4 * output.Length)));
    Check(Raw.tn_execution_context_run(context));
    for (int i = 0; i < expected.Length; ++i) Hold(Math.Abs(output[i] - expected[i]) < 1e-4, output[i]);
  }

  private void Profile() {
    Profiler profiler = new Profiler();
    tn_profiler_callbacks table = tn_profiler_callbacks.Of(profiler);
    Check(Raw.tn_execution_context_set_profiler(context, &table));
    GC.Collect();
    Check(Raw.tn_execution_context_enqueue(context, IntPtr.Zero));
    Check(Raw.tn_execution_context_wait(context));
    UIntPtr count;
    Check(Raw.tn_engine_get_layer_count(engine, 0, &count));
    Hold(profiler.Layers.Count == (int)count && profiler.Layers[0] == 0, profiler.Layers.Count);
    Check(Raw.tn_execution_context_set_profiler(context, null));
  }

  private void Errors() {
    IntPtr runtime, made;
    Check(Raw.tn_runtime_create(&runtime));
    byte* junk = stackalloc byte[10];
    IntPtr error = Raw.tn_engine_create(runtime, junk, (UIntPtr)10, &made);
    Hold(made == IntPtr.Zero && Message(error).Contains("plan"), Message(error));
    Hold(Code(error) == Raw.TN_ERROR_INVALID_PLAN, "code");
    Raw.tn_runtime_destroy(runtime);
    foreach (IntPtr handle in new[] {IntPtr.Zero, runtime, plan, (IntPtr)12345}) {
      Hold(Code(Raw.tn_runtime_set_thread_count(handle, 1)) == Raw.TN_ERROR_INVALID_HANDLE, handle);
    }
    Hold(Code(Raw.tn_blob_create_from_file(null, &made)) == Raw.TN_ERROR_INVALID_ARGUMENT, "null");
    try {
      Raw.tn_blob_create_from_file("a\0b", &made);
      Hold(false, "a wrong argument was taken");
    } catch (ArgumentException) {
    }
  }

  private void Exceptions() {
    Exception[] thrown = {new Refusal(), new KeyNotFoundException("k")};
    int[] codes = {Raw.TN_ERROR_CANCELLED, Raw.TN_ERROR_CALLBACK};
    for (int i = 0; i < 2; ++i) {
      IntPtr config = Config(new Progress {Thrown = thrown[i]});
      IntPtr made;
      IntPtr error = Raw.tn_builder_build(builder, network, config, &made, null);
      Raw.tn_builder_config_destroy(config);
      Hold(made == IntPtr.Zero && ReferenceEquals(Callbacks.ThrownIn(error), thrown[i]), "payload");
      Hold(Message(error).Contains(thrown[i].Message), Message(error));
      Hold(Code(error) == codes[i], "code");
    }
    IntPtr foreign = Raw.tn_error_create(Raw.TN_ERROR_CALLBACK, "m", (IntPtr)4711, IntPtr.Zero);
    Hold(Callbacks.ThrownIn(foreign) == null, "foreign");
    Raw.tn_error_destroy(foreign);
  }

  private void Destroy() {
    Raw.tn_builder_destroy(builder);
    Raw.tn_network_destroy(network);
    Raw.tn_engine_destroy(engine);
    Raw.tn_execution_context_destroy(context);
    Raw.tn_blob_destroy(plan);
    pinnedInput.Free();
    pinnedOutput.Free();
    long count;
    Check(Raw.tn_debug_get_live_count("all", &count));
    Hold(count == 0, count);
  }

  private static void Step(string name, Action step) {
    try {
      step();
      Console.WriteLine("passed " + name);
    } catch (Exception thrown) {
      Console.WriteLine("FAILED " + name + ": " + thrown.GetType().Name + ": " + thrown.Message.Replace('\n', ' '));
    }
  }

  private static void Main(string[] arguments) {
    foreach (Type type in typeof(Raw).Assembly.GetTypes()) {
      if (!type.Name.EndsWith("_callbacks")) continue;
      StringBuilder line = new StringBuilder("layout " + type.Name + " " + Marshal.SizeOf(type));
      foreach (var field in type.GetFields(System.Reflection.BindingFlags.Instance | System.Reflection.BindingFlags.NonPublic)) {
        line.Append(" " + field.Name + "=" + Marshal.OffsetOf(type, field.Name));
      }
      Console.WriteLine(line);
    }
    RawSmoke smoke = new RawSmoke(arguments[0]);
    Step("version", smoke.Version);
    Step("build", smoke.Build);
    Step("file", smoke.SaveAndLoad);
    Step("run", smoke.Run);
    Step("profile", smoke.Profile);
    Step("errors", smoke.Errors);
    Step("exception", smoke.Exceptions);
    Step("destroy", smoke.Destroy);
  }
}
