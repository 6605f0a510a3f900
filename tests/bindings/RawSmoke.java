import dev.tenon.internal.Callbacks;
import dev.tenon.internal.Memory;
import dev.tenon.internal.Raw;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The raw layer of Java: as raw_smoke.py. */
public final class RawSmoke {
  private final Path folder;
  private final ByteBuffer input;
  private final FloatBuffer expected;
  private final int batch;
  private long builder, network, plan, engine, context;
  private ByteBuffer output;

  RawSmoke(Path folder) throws Exception {
    this.folder = folder;
    input = direct("input.bin");
    expected = direct("expected.bin").asFloatBuffer();
    batch = expected.capacity() / 3;
  }

  ByteBuffer direct(String name) throws Exception {
    byte[] bytes = Files.readAllBytes(folder.resolve(name));
    ByteBuffer buffer = ByteBuffer.allocateDirect(bytes.length).order(ByteOrder.nativeOrder());
    buffer.put(bytes).flip();
    return buffer;
  }

  static void hold(boolean good, Object what) {
    if (!good) {
      throw new AssertionError(String.valueOf(what));
    }
  }

  static String message(long error) {
    long[] size = new long[1];
    Raw.tn_error_get_message(error, null, size);
    byte[] buffer = new byte[(int) size[0] + 1];
    Raw.tn_error_get_message(error, buffer, size);
    return new String(buffer, 0, (int) size[0], StandardCharsets.UTF_8);
  }

  static void check(long error) {
    if (error != 0) {
      String text = message(error);
      Raw.tn_error_destroy(error);
      throw new AssertionError(text);
    }
  }

  static int code(long error) {
    int code = Raw.tn_error_get_code(error);
    Raw.tn_error_destroy(error);
    return code;
  }

  static final class Progress implements Callbacks.Progress {
    final List<String> phases = new ArrayList<>();
    int released;
    Throwable thrown;

    @Override
    public void update(String phase, double fraction) throws Throwable {
      phases.add(phase);
      if (thrown != null) {
        throw thrown;
      }
    }

    @Override
    public void release() {
      ++released;
    }
  }

  static final class Refusal extends RuntimeException implements Callbacks.HasErrorCode {
    private static final long serialVersionUID = 1;

    Refusal() {
      super("not today 🙂");
    }

    @Override
    public int errorCode() {
      return Raw.TN_ERROR_CANCELLED;
    }
  }

  void version() {
    hold(Raw.tn_version() == Raw.TN_VERSION && Raw.tn_abi_version() == Raw.TN_ABI_VERSION, "version");
    hold(Raw.tn_build_info().startsWith("tenon "), Raw.tn_build_info());
    hold(Raw.tn_data_type_get_name(Raw.TN_DATA_TYPE_INT64).equals("i64"), "i64");
  }

  long config(Callbacks.Progress progress) {
    long[] out = new long[1];
    check(Raw.tn_builder_config_create(out));
    long config = out[0];
    check(Raw.tn_builder_config_set_option(config, "timer", "fake"));
    check(Raw.tn_builder_config_set_thread_count(config, 1));
    check(Raw.tn_builder_config_set_progress(config, progress));
    check(Raw.tn_optimization_profile_create(out));
    int[] batches = {1, batch, 8};
    for (int selector = 0; selector < 3; ++selector) {
      check(Raw.tn_optimization_profile_set_shape(out[0], "x", selector, new long[] {batches[selector], 1, 4, 4}));
    }
    int[] index = {-1};
    check(Raw.tn_builder_config_add_profile(config, out[0], index));
    hold(index[0] == 0, index[0]);
    Raw.tn_optimization_profile_destroy(out[0]);
    return config;
  }

  void build() throws Exception {
    long[] out = new long[1];
    check(Raw.tn_builder_create(out));
    builder = out[0];
    ByteBuffer model = direct("model.onnx");
    ByteBuffer padded = ByteBuffer.allocateDirect(model.capacity() + 7);
    padded.position(3);
    padded.put(model).flip().position(3); // position and limit count, not the whole buffer
    check(Raw.tn_network_create_from_onnx(builder, padded, out));
    network = out[0];
    Progress progress = new Progress();
    long config = config(progress);
    check(Raw.tn_builder_build(builder, network, config, out, null));
    plan = out[0];
    hold(!progress.phases.isEmpty(), "no progress");
    Raw.tn_builder_config_destroy(config);
    hold(progress.released == 1, progress.released);
  }

  void file() throws Exception {
    Path path = folder.resolve("plän 🙂 java.plan");
    check(Raw.tn_blob_save(plan, path.toString()));
    hold(Files.exists(path), path);
    long[] copy = new long[1], data = new long[1], size = new long[1];
    check(Raw.tn_blob_create_from_file(path.toString(), copy));
    check(Raw.tn_blob_get_data(copy[0], data, size));
    hold(size[0] == Files.size(path), size[0]);
    Raw.tn_blob_destroy(copy[0]);
  }

  void run() {
    long[] out = new long[1], size = new long[1];
    check(Raw.tn_runtime_create(out));
    long runtime = out[0];
    check(Raw.tn_runtime_set_thread_count(runtime, 2));
    check(Raw.tn_blob_get_data(plan, out, size));
    ByteBuffer view = Memory.at(out[0], size[0]);
    hold(Memory.address(view) == out[0], "address");
    check(Raw.tn_engine_create(runtime, view, out));
    engine = out[0];
    Raw.tn_runtime_destroy(runtime);
    byte[] name = new byte[16];
    check(Raw.tn_engine_get_tensor_name(engine, 0, name, size));
    hold(new String(name, 0, (int) size[0], StandardCharsets.UTF_8).equals("x"), "name");
    long[] dims = new long[Raw.TN_MAX_RANK];
    check(Raw.tn_engine_get_tensor_shape(engine, 0, dims, size));
    hold(size[0] == 4 && dims[0] == -1 && dims[3] == 4, dims[3]);
    check(Raw.tn_execution_context_create(engine, 0, out));
    context = out[0];
    check(Raw.tn_execution_context_set_input_shape(context, "x", new long[] {batch, 1, 4, 4}));
    output = ByteBuffer.allocateDirect(4 * expected.capacity()).order(ByteOrder.nativeOrder());
    check(Raw.tn_execution_context_set_buffer(context, "x", Memory.address(input), input.capacity()));
    check(Raw.tn_execution_context_set_buffer(context, "y", Memory.address(output), output.capacity()));
    check(Raw.tn_execution_context_run(context));
    for (int i = 0; i < expected.capacity(); ++i) {
      hold(Math.abs(output.getFloat(4 * i) - expected.get(i)) < 1e-4, output.getFloat(4 * i) + " for " + expected.get(i));
    }
  }

  void profile() {
    List<Long> layers = new ArrayList<>();
    Thread caller = Thread.currentThread();
    check(Raw.tn_execution_context_set_profiler(context, (index, name, kernel, origins, microseconds) -> {
      hold(!kernel.isEmpty() && microseconds >= 0, kernel);
      hold(Thread.currentThread() != caller, "not called on a thread of the library's");
      layers.add(index);
    }));
    check(Raw.tn_execution_context_enqueue(context, 0));
    check(Raw.tn_execution_context_wait(context));
    long[] count = new long[1];
    check(Raw.tn_engine_get_layer_count(engine, 0, count));
    hold(layers.size() == count[0] && layers.get(0) == 0, layers);
    check(Raw.tn_execution_context_set_profiler(context, null));
  }

  void errors() {
    long[] out = new long[1];
    check(Raw.tn_runtime_create(out));
    long runtime = out[0];
    long error = Raw.tn_engine_create(runtime, ByteBuffer.allocateDirect(10), out);
    hold(out[0] == 0 && message(error).contains("plan"), message(error));
    hold(code(error) == Raw.TN_ERROR_INVALID_PLAN, "code");
    Raw.tn_runtime_destroy(runtime);
    for (long handle : new long[] {0, runtime, plan, 12345}) {
      hold(code(Raw.tn_runtime_set_thread_count(handle, 1)) == Raw.TN_ERROR_INVALID_HANDLE, handle);
    }
    hold(code(Raw.tn_blob_create_from_file(null, out)) == Raw.TN_ERROR_INVALID_ARGUMENT, "null");
    Runnable[] wrong = {() -> Raw.tn_blob_create_from_file("a\0b", out), () -> Raw.tn_blob_create(ByteBuffer.allocate(4), out)};
    for (Runnable call : wrong) {
      try {
        call.run();
      } catch (IllegalArgumentException expected) {
        continue;
      }
      hold(false, "a wrong argument was taken");
    }
  }

  void exception() {
    Throwable[] thrown = {new Refusal(), new StackOverflowError("deep")};
    int[] codes = {Raw.TN_ERROR_CANCELLED, Raw.TN_ERROR_CALLBACK};
    for (int i = 0; i < 2; ++i) {
      Progress progress = new Progress();
      progress.thrown = thrown[i];
      long config = config(progress);
      long[] out = new long[1];
      long error = Raw.tn_builder_build(builder, network, config, out, null);
      Raw.tn_builder_config_destroy(config);
      hold(out[0] == 0 && Callbacks.thrownIn(error) == thrown[i], "payload");
      hold(message(error).contains(thrown[i].getMessage()), message(error));
      hold(code(error) == codes[i], "code");
    }
    long foreign = Raw.tn_error_create(Raw.TN_ERROR_CALLBACK, "m", 4711, 0);
    hold(Callbacks.thrownIn(foreign) == null, "foreign");
    Raw.tn_error_destroy(foreign);
  }

  void destroy() {
    Raw.tn_builder_destroy(builder);
    Raw.tn_network_destroy(network);
    Raw.tn_engine_destroy(engine);
    Raw.tn_execution_context_destroy(context);
    Raw.tn_blob_destroy(plan);
    long[] count = new long[1];
    check(Raw.tn_debug_get_live_count("all", count));
    hold(count[0] == 0, count[0]);
  }

  interface Step {
    void run() throws Throwable;
  }

  static void step(String name, Step step) {
    try {
      step.run();
      System.out.println("passed " + name);
    } catch (Throwable thrown) {
      System.out.println("FAILED " + name + ": " + thrown);
    }
  }

  public static void main(String[] arguments) throws Exception {
    RawSmoke smoke = new RawSmoke(Path.of(arguments[0]));
    step("version", smoke::version);
    step("build", smoke::build);
    step("file", smoke::file);
    step("run", smoke::run);
    step("profile", smoke::profile);
    step("errors", smoke::errors);
    step("exception", smoke::exception);
    step("destroy", smoke::destroy);
  }
}
