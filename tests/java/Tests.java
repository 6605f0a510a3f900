import dev.tenon.*;
import dev.tenon.Runtime;
import java.lang.ref.WeakReference;
import java.lang.reflect.*;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.*;

/** The tests of the package dev.tenon: each public method without parameters is one. Started in a folder of models. */
public final class Tests {
  static final float[] ONES = {1, 1, 1, 1};
  static final float[] EXPECTED = {12, 24, 38};

  public static void main(String[] arguments) {
    if (arguments.length > 0) {
      end(arguments[0]);
      return;
    }
    Method[] tests = Tests.class.getDeclaredMethods();
    Arrays.sort(tests, Comparator.comparing(Method::getName));
    for (Method test : tests) {
      if (!Modifier.isPublic(test.getModifiers()) || test.getParameterCount() > 0) {
        continue;
      }
      try {
        test.invoke(new Tests());
        System.out.println("passed " + test.getName());
      } catch (ReflectiveOperationException exception) {
        System.out.println("FAILED " + test.getName() + ": " + exception.getCause());
        exception.getCause().printStackTrace();
      }
    }
  }

  // --- what the tests share --------------------------------------------------------------------------------------------
  static void hold(boolean good, Object what) {
    if (!good) {
      throw new AssertionError(String.valueOf(what));
    }
  }

  static void equal(Object got, Object wanted) {
    hold(Objects.deepEquals(got, wanted), "got " + got + ", not " + wanted);
  }

  interface Code {
    void run() throws Exception;
  }

  static <T extends Throwable> T fails(Class<T> kind, Code code) {
    try {
      code.run();
    } catch (Throwable thrown) {
      hold(kind.isInstance(thrown), thrown);
      return kind.cast(thrown);
    }
    throw new AssertionError("nothing was thrown");
  }

  static TenonException fails(ErrorCode wanted, Code code) {
    TenonException exception = fails(TenonException.class, code);
    equal(exception.code(), wanted);
    hold(!exception.text().isEmpty() && exception.errorCode() == wanted.number(), exception);
    return exception;
  }

  static Path path(String name) {
    return Path.of(name);
  }

  static BuilderConfig config() {
    return new BuilderConfig().setThreadCount(1).setOption("timer", "fake");
  }

  static BuilderConfig linearConfig() {
    return config().withProfile("x", new long[] {1, 4}, new long[] {2, 4}, new long[] {8, 4});
  }

  static Engine linear() {
    try (BuilderConfig config = linearConfig()) {
      return Tenon.build(path("linear.onnx"), config);
    }
  }

  static Blob plan(BuilderConfig config) {
    try (Builder builder = new Builder(); Network network = Network.fromOnnxFile(builder, path("linear.onnx"))) {
      return builder.build(network, config);
    }
  }

  static Map<String, Tensor> ones() {
    return Map.of("x", Tensor.of(ONES, 1, 4));
  }

  static float[] y(Map<String, Tensor> outputs) {
    return outputs.get("y").toFloatArray();
  }

  static void collect() throws Exception {
    for (int i = 0; i < 5; ++i) {
      System.gc();
      Thread.sleep(10);
    }
  }

  // --- from a model to results -------------------------------------------------------------------------------------------
  public void results() throws Exception {
    try (Engine engine = linear()) {
      float[] wanted = System.getenv("TENON_CANARY") == null ? EXPECTED : new float[] {1, 2, 3};
      equal(y(engine.run(ones())), wanted);
      equal(y(engine.runAsync(ones()).get()), EXPECTED);
      engine.save(path("linear.plan"));
      hold(engine.toString().contains("x: f32[?, 4]"), engine);
    }
    try (Engine engine = Tenon.load(path("linear.plan"))) {
      equal(y(engine.run(ones())), EXPECTED);
      equal(y(engine.run(Map.of("x", Tensor.of(new float[12], 3, 4)))), new float[] {10, 20, 30, 10, 20, 30, 10, 20, 30});
    }
    try (Engine engine = Tenon.build(path("integers.onnx"))) {
      Map<String, Tensor> out = engine.run(Map.of("x", Tensor.of(new int[] {3}, 1)));
      equal(out.get("y").toIntArray(), new int[] {6});
      equal(out.get("even").dataType(), DataType.BOOL);
    }
  }

  public void severalProfiles() {
    try (BuilderConfig config = linearConfig().withProfile("x", new long[] {16, 4}, new long[] {16, 4}, new long[] {32, 4});
        Blob plan = plan(config); Engine engine = new Engine(plan)) {
      equal(config.profileCount(), 2);
      equal(engine.profileCount(), 2);
      equal(engine.run(Map.of("x", Tensor.of(new float[80], 20, 4))).get("y").shape(), new long[] {20, 3});
      equal(engine.run(ones()).get("y").shape(), new long[] {1, 3});
      equal(engine.profileShape(1, "x", ShapeSelector.MAX), new long[] {32, 4});
      fails(ErrorCode.OUT_OF_RANGE, () -> engine.run(Map.of("x", Tensor.of(new float[4 * 64], 64, 4))));
      try (ExecutionContext context = engine.createContext()) {
        equal(context.setProfile(1).profile(), 1);
        equal(context.setInputShape("x", 16, 4).shape("y"), new long[] {16, 3});
      }
    }
  }

  public void boundMemory() {
    try (Engine engine = linear(); ExecutionContext context = engine.createContext()) {
      Tensor x = Tensor.of(ONES, 1, 4);
      Tensor y = Tensor.allocate(DataType.FLOAT32, 1, 3);
      hold(context.bind(Map.of("x", x), Map.of("y", y)).get("y") == y, "the very tensor");
      context.prepare();
      context.run();
      equal(y.toFloatArray(), EXPECTED);
      x.floats().put(0, 2);
      hold(context.runMeasured() >= 0, "time");
      equal(y.toFloatArray(), new float[] {13, 26, 41});
      ExecutionContext.Parts parts = context.runInParts();
      hold(parts.input() >= 0 && parts.enqueue() >= 0 && parts.output() >= 0, parts);
      context.enqueue(0);
      context.await();
      context.await();
      hold(!context.replay().replayed() && !context.replay().refusal().isEmpty(), context.replay());
      ByteBuffer raw = ByteBuffer.allocateDirect(32).order(ByteOrder.nativeOrder());
      raw.position(16);
      context.setBuffer("y", raw);
      context.run();
      equal(raw.getFloat(16), 13f);
      equal(raw.getFloat(0), 0f);
      ByteBuffer part = ByteBuffer.allocateDirect(24).order(ByteOrder.nativeOrder()).position(8).limit(24);
      Tensor view = Tensor.wrap(DataType.FLOAT32, part, 1, 4);
      part.putFloat(8, 5); // the tensor is where the buffer is
      equal(view.floats().get(0), 5f);
    }
  }

  public void asynchronous() throws Exception {
    try (BuilderConfig config = linearConfig().setThreadCount(2); Blob plan = plan(config);
        Runtime runtime = new Runtime().setThreadCount(2); Engine engine = new Engine(runtime, plan);
        ExecutionContext context = engine.createContext()) {
      equal(engine.threadCount(), 2);
      CountDownLatch tried = new CountDownLatch(1);
      context.setProfiler(time -> tried.await());
      CompletableFuture<Map<String, Tensor>> future = context.runAsync(ones());
      fails(ErrorCode.BUSY, () -> context.run());
      fails(ErrorCode.BUSY, () -> context.run(ones()));
      tried.countDown();
      equal(y(future.get(30, TimeUnit.SECONDS)), EXPECTED);
      context.setProfiler(null);
      equal(y(context.runAsync().get(30, TimeUnit.SECONDS)), EXPECTED);
      CompletableFuture<Map<String, Tensor>> last = context.runAsync();
      context.close(); // waits
      try {
        last.get(30, TimeUnit.SECONDS);
      } catch (ExecutionException closed) {
        equal(((TenonException) closed.getCause()).code(), ErrorCode.INVALID_HANDLE);
      }
    }
  }

  public void objectsAndSettings() throws Exception {
    hold(Tenon.devices().contains("cpu") && Tenon.version() > 0 && Tenon.abiVersion() >= 0 && !Tenon.buildInfo().isEmpty(), "library");
    try (Device device = new Device("cpu"); BuilderConfig config = config()) {
      equal(device.name(), "cpu");
      equal(device.type(), DeviceType.CPU);
      hold(!device.features().isEmpty() && device.threadCount() > 0, device);
      config.setDevice(device).setDevice("cpu").setOptimizationLevel(2).setDeadline(1.5).setOnednnEnabled(false)
          .setPrecisionAllowed(Precision.TF32, false);
      equal(config.threadCount(), 1);
      equal(config.optimizationLevel(), 2);
      equal(config.deadline(), 1.5);
      hold(!config.isOnednnEnabled() && !config.isPrecisionAllowed(Precision.TF32), config);
      equal(config.option("timer"), "fake");
    }
    fails(ErrorCode.NOT_FOUND, () -> new Device("toaster"));
    try (Builder builder = new Builder(); OptimizationProfile profile = new OptimizationProfile();
        Network network = Network.fromOnnxFile(builder, path("linear.onnx"))) {
      builder.setLimit(Limit.NODES, 1);
      equal(builder.limit(Limit.NODES), 1L);
      fails(ErrorCode.LIMIT_EXCEEDED, () -> Network.fromOnnxFile(builder, path("linear.onnx")));
      equal(network.name(), "linear");
      equal(network.nodeCount(), 2L);
      equal(network.tensor("x").dimNames(), List.of("batch", ""));
      equal(network.inputs().get(0).shape(), List.of(-1L, 4L));
      equal(network.outputs().get(0).name(), "y");
      hold(network.information(DocumentFormat.JSON).startsWith("{") && !network.information(DocumentFormat.TEXT).isEmpty(), network);
      profile.setShapes("x", new long[] {1, 4}, new long[] {2, 4}, new long[] {3, 4});
      equal(profile.shape("x", ShapeSelector.OPT), new long[] {2, 4});
      fails(ErrorCode.NOT_FOUND, () -> profile.shape("z", ShapeSelector.OPT));
      hold(fails(ErrorCode.NOT_FOUND, () -> network.tensor("z")).getMessage().contains("x"), "names");
    }
    try (Runtime runtime = new Runtime().setLimit(Limit.PLAN_BYTES, 10); Blob plan = plan(linearConfig())) {
      equal(runtime.limit(Limit.PLAN_BYTES), 10L);
      equal(runtime.threadCount(), 0);
      fails(ErrorCode.LIMIT_EXCEEDED, () -> new Engine(runtime, plan));
    }
    try (Engine engine = linear(); EngineInspector inspector = new EngineInspector(engine); Blob plan = engine.serialize();
        EngineInspector other = EngineInspector.fromPlan(plan)) {
      equal(inspector.information(DocumentFormat.TEXT), other.information(DocumentFormat.TEXT));
      equal(engine.name(), "linear");
      equal(engine.tensor("y").mode(), IoMode.OUTPUT);
      equal(engine.tensor("x").format(), TensorFormat.LINEAR);
      equal(engine.tensor("x").location(), TensorLocation.HOST);
      hold(engine.weightSize() > 0 && engine.arenaSize(0) >= 0, engine);
      LayerInfo layer = engine.layers(0).get(0);
      hold(!layer.name().isEmpty() && !layer.kernel().isEmpty() && !layer.origins().isEmpty(), layer);
    }
  }

  public void onnxModels() throws Exception {
    equal(OnnxModel.operatorCapability("", "Relu", 17, DocumentFormat.JSON).supported(), true);
    OnnxModel.Capability unknown = OnnxModel.operatorCapability("com.x", "Relu", 1, DocumentFormat.TEXT);
    hold(!unknown.supported() && unknown.document().contains("nearest: ai.onnx.Relu"), unknown);
    try (Builder builder = new Builder(); OnnxModel model = OnnxModel.fromFile(builder, path("linear.onnx"));
        Blob bytes = Blob.fromFile(path("linear.onnx")); OnnxModel same = OnnxModel.fromBlob(builder, bytes);
        Blob zeros = new Blob(new byte[16])) {
      hold(model.capability(DocumentFormat.TEXT).supported(), "supported");
      equal(model.capability(DocumentFormat.JSON).document(), same.capability(DocumentFormat.JSON).document());
      same.setInitializer("b", DataType.FLOAT32, new long[] {3}, zeros, 4);
      fails(ErrorCode.INVALID_ARGUMENT, () -> same.setInitializer("b", DataType.FLOAT32, new long[] {4}, zeros, 0));
      fails(ErrorCode.INVALID_ARGUMENT, () -> same.setInitializer("b", DataType.FLOAT32, new long[] {3}, zeros, 8));
      fails(ErrorCode.NOT_FOUND, () -> same.setInitializer("z", DataType.FLOAT32, new long[] {3}, zeros, 0));
      try (Network before = Network.fromOnnxModel(model); Network after = Network.fromOnnxModel(same); Blob written = after.toOnnx();
          Network again = Network.fromOnnx(builder, written)) {
        equal(again.nodeCount(), before.nodeCount());
        Network.OnnxFiles files = after.toOnnx("weights.bin");
        equal(files.weights().size(), 0L); // they are small
        files.model().close();
        files.weights().close();
      }
    }
    try (Blob plan = plan(linearConfig()); EngineInspector inspector = EngineInspector.fromPlan(plan); Blob view = inspector.toOnnx(0, "")) {
      hold(view.size() > 0, "view");
      fails(ErrorCode.OUT_OF_RANGE, () -> inspector.toOnnx(9, ""));
      fails(ErrorCode.INVALID_ARGUMENT, () -> inspector.toOnnx(0, "{}"));
    }
  }

  public void blobs() throws Exception {
    byte[] bytes = {1, 2, 3, 4};
    try (Blob blob = new Blob(bytes); Blob same = blob.share()) {
      blob.save(path("grüße 😀.bin"));
      try (Blob read = Blob.fromFile(path("grüße 😀.bin"))) {
        equal(read.toByteArray(), bytes);
      }
      ByteBuffer buffer = blob.buffer();
      hold(buffer.isDirect() && buffer.isReadOnly(), buffer);
      blob.close();
      same.close();
      collect();
      equal(buffer.get(3), (byte) 4);
      equal(blob.isClosed(), true);
    }
    hold(fails(ErrorCode.IO, () -> Blob.fromFile(path("none"))).getMessage().contains("none"), "path");
    ByteBuffer model = ByteBuffer.allocateDirect((int) Files.size(path("linear.onnx")));
    model.put(Files.readAllBytes(path("linear.onnx"))).flip();
    try (Builder builder = new Builder(); Blob taken = Blob.take(model); Network network = Network.fromOnnx(builder, taken);
        Network copied = Network.fromOnnx(builder, Files.readAllBytes(path("linear.onnx")))) {
      equal(network.nodeCount(), copied.nodeCount());
      equal(taken.size(), (long) model.capacity());
    }
    fails(IllegalArgumentException.class, () -> Blob.take(ByteBuffer.allocate(4)));
  }

  public void timingCaches() {
    try (TimingCache cache = new TimingCache(); BuilderConfig config = linearConfig().setOption("timer", "real").setTimingCache(cache);
        Blob first = plan(config); Blob second = plan(config)) {
      equal(first.toByteArray(), second.toByteArray());
      hold(cache.size() > 0, cache.size());
      cache.save(path("times"));
      try (TimingCache read = TimingCache.fromFile(path("times")); TimingCache merged = new TimingCache().merge(read);
          Blob a = cache.serialize(); Blob b = merged.serialize()) {
        equal(a.toByteArray(), b.toByteArray());
      }
      fails(ErrorCode.INVALID_ARGUMENT, () -> cache.load(ByteBuffer.wrap(new byte[] {1, 2})));
      config.setTimingCache(null);
    }
  }

  public void refits() {
    try (Engine engine = linear(); Refitter refitter = new Refitter(engine); Builder builder = new Builder();
        Network other = Network.fromOnnxFile(builder, path("linear2.onnx"))) {
      equal(refitter.weights().size(), 2);
      WeightInfo weight = refitter.weight("b");
      hold(!weight.isPinned() && weight.shape().equals(List.of(3L)) && weight.dataType() == DataType.FLOAT32, weight);
      refitter.setWeight("b", Tensor.of(new float[] {0, 0, 0}, 3));
      List<String> missing = refitter.missing();
      if (missing.isEmpty()) {
        refitter.apply();
        equal(y(engine.run(ones())), new float[] {2, 4, 8});
      }
      equal(refitter.setWeights(other), 2L);
      refitter.apply();
      equal(y(engine.run(ones())), new float[] {5, 6, 7});
      fails(ErrorCode.INVALID_ARGUMENT, () -> refitter.setWeight("b", Tensor.of(new float[2], 2)));
      fails(ErrorCode.INVALID_ARGUMENT, () -> refitter.setWeight("b", Tensor.of(new int[3], 3)));
      fails(ErrorCode.NOT_FOUND, () -> refitter.setWeight("z", Tensor.of(new float[3], 3)));
    }
    try (BuilderConfig config = config(); Engine engine = Tenon.build(path("combined.onnx"), config); Refitter refitter = new Refitter(engine)) {
      refitter.setWeight("a", Tensor.of(new float[] {5, 5, 5}, 3));
      for (String name : refitter.missing()) {
        refitter.setWeight(name, Tensor.of(new float[] {1, 1, 1}, 3));
      }
      refitter.apply();
    }
  }

  // --- callbacks -----------------------------------------------------------------------------------------------------------
  static final class Mine extends Exception {
    private static final long serialVersionUID = 1;

    Mine() {
      super("mine");
    }
  }

  public void exceptionsOfCallbacks() {
    Mine mine = new Mine();
    List<String> phases = new ArrayList<>();
    try (BuilderConfig config = linearConfig(); Builder builder = new Builder();
        Network network = Network.fromOnnxFile(builder, path("linear.onnx"))) {
      config.setProgress((phase, fraction) -> phases.add(phase));
      Builder.Built built = builder.buildWithReport(network, config);
      hold(built.report().startsWith("{") && !phases.isEmpty(), built);
      config.setProgress((phase, fraction) -> {
        throw mine;
      });
      hold(fails(Mine.class, () -> builder.build(network, config)) == mine, "the very exception");
      CancelledException stop = new CancelledException("stop");
      config.setProgress((phase, fraction) -> {
        throw stop;
      });
      hold(fails(ErrorCode.CANCELLED, () -> builder.build(network, config)) == stop, "the very exception");
      config.setProgress(null);
      try (Engine engine = new Engine(built.plan()); ExecutionContext context = engine.createContext()) {
        List<LayerTime> times = new ArrayList<>();
        context.setProfiler(times::add).run(ones());
        equal(times.size(), engine.layers(0).size());
        context.setProfiler(time -> {
          throw mine;
        });
        hold(fails(Mine.class, () -> context.run(ones())) == mine, "the very exception");
        hold(fails(ExecutionException.class, () -> context.runAsync(ones()).get()).getCause() == mine, "the very exception");
        context.setProfiler(null).run(ones());
      }
      try (Allocator none = new Allocator(new Allocator.Source() {
        @Override
        public long allocate(long size, long alignment) throws Exception {
          throw mine;
        }

        @Override
        public void deallocate(long memory, long size, long alignment) {}
      }); Runtime runtime = new Runtime().setAllocator(none)) {
        hold(fails(Mine.class, () -> new Engine(runtime, built.plan())) == mine, "the very exception");
      }
    }
    fails(NullPointerException.class, () -> new Logger(null));
    fails(NullPointerException.class, () -> new Allocator(null));
  }

  public void allocatorsAndLoggers() throws Exception {
    Map<Long, ByteBuffer> blocks = new ConcurrentHashMap<>();
    Allocator allocator = new Allocator(new Allocator.Source() {
      @Override
      public long allocate(long size, long alignment) {
        ByteBuffer block = ByteBuffer.allocateDirect((int) (size + 2 * alignment)).alignedSlice((int) alignment);
        long address = dev.tenon.internal.Memory.address(block);
        blocks.put(address, block);
        return address;
      }

      @Override
      public void deallocate(long memory, long size, long alignment) {
        hold(blocks.remove(memory) != null, "an address that was given");
      }
    });
    Queue<String> lines = new ConcurrentLinkedQueue<>();
    Logger logger = new Logger((severity, message) -> lines.add(severity + " " + message));
    Runtime runtime = new Runtime().setAllocator(allocator).setLogger(logger);
    allocator.close();
    try (Blob plan = plan(linearConfig()); Engine engine = new Engine(runtime, plan)) {
      equal(y(engine.run(ones())), EXPECTED);
      hold(!blocks.isEmpty(), "blocks");
    }
    runtime.setAllocator(null).setLogger(null).close();
    equal(blocks.size(), 0);
    try (Builder builder = new Builder().setLogger(logger); BuilderConfig config = config();
        Network network = Network.fromOnnxFile(builder, path("linear.onnx")); Blob plan = builder.build(network, config)) {
      hold(lines.stream().anyMatch(line -> line.startsWith("WARNING")), lines); // no profile
    }
    // What a logger throws ends nothing.
    AtomicReference<Throwable> heard = new AtomicReference<>();
    Thread.currentThread().setUncaughtExceptionHandler((thread, thrown) -> heard.set(thrown));
    IllegalStateException mine = new IllegalStateException("mine");
    try (Logger bad = new Logger((severity, message) -> {
      throw mine;
    }, Severity.VERBOSE); Builder builder = new Builder().setLogger(bad); BuilderConfig config = config();
        Network network = Network.fromOnnxFile(builder, path("linear.onnx")); Blob plan = builder.build(network, config)) {
      hold(plan.size() > 0 && heard.get() == mine, heard);
    }
    logger.close();
  }

  // --- misuse --------------------------------------------------------------------------------------------------------------
  public void misuse() {
    Engine engine = linear();
    ExecutionContext context = engine.createContext();
    fails(ErrorCode.INVALID_ARGUMENT, () -> engine.run(Map.of()));
    fails(ErrorCode.INVALID_ARGUMENT, () -> engine.run(Map.of("x", Tensor.of(ONES, 1, 4), "z", Tensor.of(ONES, 4))));
    fails(ErrorCode.INVALID_ARGUMENT, () -> context.run(Map.of("x", Tensor.of(new int[4], 1, 4))));
    fails(ErrorCode.INVALID_ARGUMENT, () -> context.run(Map.of("x", Tensor.of(ONES, 4))));
    fails(ErrorCode.INVALID_ARGUMENT, () -> context.run(Map.of("y", Tensor.of(new float[3], 1, 3))));
    fails(ErrorCode.OUT_OF_RANGE, () -> context.run(Map.of("x", Tensor.of(new float[36], 9, 4))));
    fails(ErrorCode.INVALID_ARGUMENT, () -> context.run(ones(), Map.of("y", Tensor.of(new float[6], 2, 3))));
    fails(ErrorCode.INVALID_ARGUMENT, () -> context.run(ones(), Map.of("y", Tensor.wrap(DataType.FLOAT32,
        ByteBuffer.allocateDirect(12).asReadOnlyBuffer().order(ByteOrder.nativeOrder()), 1, 3))));
    ByteBuffer direct = ByteBuffer.allocateDirect(16).order(ByteOrder.nativeOrder());
    fails(IllegalArgumentException.class, () -> context.setBuffer("x", ByteBuffer.allocate(16)));
    fails(IllegalArgumentException.class, () -> context.setBuffer("y", direct.asReadOnlyBuffer()));
    fails(IllegalArgumentException.class, () -> Tensor.wrap(DataType.FLOAT32, ByteBuffer.allocate(16), 4));
    fails(IllegalArgumentException.class, () -> Tensor.wrap(DataType.FLOAT32, direct, 5));
    fails(IllegalArgumentException.class, () -> Tensor.wrap(DataType.FLOAT32, ByteBuffer.allocateDirect(16).order(ByteOrder.BIG_ENDIAN), 4));
    fails(IllegalArgumentException.class, () -> Tensor.wrap(DataType.FLOAT32, direct.duplicate().order(ByteOrder.nativeOrder()).position(2).limit(14), 3));
    fails(UnsupportedException.class, () -> Tensor.allocate(DataType.STRING, 1));
    fails(IllegalArgumentException.class, () -> Tensor.allocate(DataType.NONE, 1));
    fails(IllegalArgumentException.class, () -> Tensor.allocate(DataType.FLOAT32, -1));
    fails(ArithmeticException.class, () -> Tensor.allocate(DataType.FLOAT32, 1L << 40, 1L << 40));
    fails(IllegalArgumentException.class, () -> Tensor.of(ONES, 1, 4).ints());
    fails(ErrorCode.INVALID_ARGUMENT, () -> context.setBuffer("x", direct.duplicate().limit(4)).run());
    fails(IllegalArgumentException.class, () -> engine.tensor("x\0y"));
    context.setBuffer("x", dev.tenon.internal.Memory.address(direct), 16);
    fails(ErrorCode.INVALID_PLAN, () -> new Engine(ByteBuffer.wrap(new byte[100])));
    engine.close();
    engine.close();
    fails(ErrorCode.INVALID_HANDLE, engine::name);
    fails(ErrorCode.INVALID_HANDLE, () -> engine.run(ones()));
    fails(ErrorCode.INVALID_HANDLE, () -> new Refitter(engine));
    equal(y(context.run(ones())), EXPECTED); // a context keeps its engine
    context.close();
    context.close();
    fails(ErrorCode.INVALID_HANDLE, context::run);
    fails(ErrorCode.INVALID_HANDLE, () -> context.run(ones()));
    Logger logger = new Logger((severity, message) -> {});
    logger.close();
    fails(ErrorCode.INVALID_HANDLE, () -> new Builder().setLogger(logger));
    TenonException exception = fails(ErrorCode.INVALID_MODEL, () -> Tenon.build(path("broken.onnx")));
    hold(exception.where().size() >= 0 && exception.toString().contains("INVALID_MODEL"), exception);
    equal(ErrorCode.of(12345), ErrorCode.UNKNOWN);
    equal(ErrorCode.BUSY.codeName(), "BUSY");
    equal(DataType.BFLOAT16.size(), 2);
  }

  /** The class of a code, and back. */
  public void exceptionsOfCodes() throws Exception {
    Method of = TenonException.class.getDeclaredMethod("of", int.class, String.class);
    of.setAccessible(true);
    try (Blob plan = plan(linearConfig())) {
      for (ErrorCode code : ErrorCode.values()) {
        if (code == ErrorCode.NONE || code == ErrorCode.UNKNOWN) {
          continue;
        }
        StringBuilder name = new StringBuilder("dev.tenon.");
        for (String word : code.name().split("_")) {
          name.append(word.charAt(0)).append(word.substring(1).toLowerCase());
        }
        Class<?> kind = Class.forName(name + "Exception");
        equal(of.invoke(null, code.number(), "why").getClass(), kind);
        TenonException thrown = (TenonException) kind.getConstructor(String.class).newInstance("why");
        equal(thrown.code(), code);
        try (Allocator none = new Allocator(new Allocator.Source() { // thrown by a callback, each keeps its code
          @Override
          public long allocate(long size, long alignment) {
            throw thrown;
          }

          @Override
          public void deallocate(long memory, long size, long alignment) {}
        }); Runtime runtime = new Runtime().setAllocator(none)) {
          hold(fails(code, () -> new Engine(runtime, plan)) == thrown, code);
        }
      }
    }
    TenonException unknown = (TenonException) of.invoke(null, 99, "why");
    equal(unknown.getClass(), TenonException.class);
    hold(unknown.errorCode() == 99 && unknown.code() == ErrorCode.UNKNOWN, unknown);
    fails(NotFoundException.class, () -> new Device("toaster"));
    fails(IoException.class, () -> Blob.fromFile(path("none")));
    fails(InvalidModelException.class, () -> Tenon.build(path("broken.onnx")));
    fails(InvalidPlanException.class, () -> new Engine(ByteBuffer.wrap(new byte[100])));
  }

  /** Memory that a context refused, that was replaced, or that another profile made it forget, is not kept. */
  public void memoryIsLetGo() throws Exception {
    try (Engine engine = linear(); ExecutionContext context = engine.createContext(); ExecutionContext closed = engine.createContext()) {
      closed.close();
      hold(fails(IllegalArgumentException.class, () -> context.setBuffer("x", 16, -1)).getMessage().contains("size"), "the argument's name");
      List<WeakReference<Object>> given = new ArrayList<>();
      for (int i = 0; i < 70; ++i) {
        give(context, closed, i, given);
      }
      await(given, 1); // the last one of x
      context.bind(ones(), Map.of());
      given.add(new WeakReference<>(context.bind(ones(), Map.of()).get("y")));
      await(given, 1);
      context.setProfile(0);
      await(given, 0);
      equal(y(context.run(ones())), EXPECTED);
    }
  }

  static void give(ExecutionContext context, ExecutionContext closed, int i, List<WeakReference<Object>> given) {
    ByteBuffer memory = ByteBuffer.allocateDirect(16).order(ByteOrder.nativeOrder());
    given.add(new WeakReference<>(memory));
    switch (i % 7) {
      case 0 -> context.setBuffer("x", memory);
      case 1 -> fails(NotFoundException.class, () -> context.setBuffer("z", memory));
      case 2 -> fails(IllegalArgumentException.class, () -> context.setBuffer("x\0y", memory));
      case 3 -> fails(NullPointerException.class, () -> context.setBuffer(null, memory));
      case 4 -> fails(InvalidHandleException.class, () -> closed.setBuffer("x", memory));
      case 5 -> fails(InvalidArgumentException.class, () -> context.run(Map.of("x", Tensor.wrap(DataType.INT32, memory, 1, 4))));
      default -> fails(OutOfRangeException.class, () -> context.run(Map.of("x", Tensor.wrap(DataType.FLOAT32, memory.limit(0), 0, 4))));
    }
  }

  /** Until so many are alive, and not fewer. */
  static void await(List<WeakReference<Object>> given, int wanted) throws Exception {
    long alive = -1;
    for (int i = 0; i < 50 && alive != wanted; ++i) {
      collect();
      alive = given.stream().filter(one -> one.get() != null).count();
    }
    equal(alive, (long) wanted);
  }

  /** The bytes of a plan are there while they are read, whoever closes or forgets what they belong to. */
  public void plansAreHeld() throws Exception {
    AtomicBoolean done = new AtomicBoolean();
    Thread collector = new Thread(() -> {
      while (!done.get()) {
        System.gc();
      }
    });
    collector.start();
    ExecutorService pool = Executors.newFixedThreadPool(2);
    byte[] bytes;
    try (Blob plan = plan(linearConfig())) {
      bytes = plan.toByteArray();
    }
    try {
      int read = 0;
      for (int i = 0; i < 300; ++i) {
        try (Engine engine = new Engine(ByteBuffer.allocateDirect(bytes.length).put(bytes).flip())) {
          equal(engine.name(), "linear");
        }
        Blob raced = new Blob(bytes);
        Future<?> closing = pool.submit(raced::close);
        try (Engine engine = new Engine(raced); EngineInspector inspector = EngineInspector.fromPlan(raced)) {
          equal(engine.name(), "linear");
          ++read;
        } catch (InvalidHandleException closed) {
          // closed before it was read
        }
        closing.get();
        ByteBuffer view = new Blob(bytes).buffer(); // its blob is forgotten
        equal(view.remaining(), bytes.length);
        try (EngineInspector inspector = EngineInspector.fromPlan(new Blob(view))) {
          hold(!inspector.information(DocumentFormat.TEXT).isEmpty(), "text");
        }
      }
      System.out.println("  " + read + " of 300 read before they were closed");
    } finally {
      done.set(true);
      collector.join();
      pool.shutdown();
    }
  }

  /**
   * Every public constructor and method, of live and of closed objects, with each combination of what it should not get: a
   * result, or an exception that says what is wrong; of null, the name of the argument. Never a crash, nor an exception from
   * further inside.
   */
  public void everyCallMisused() throws Exception {
    Blob plan = plan(linearConfig());
    Builder builder = new Builder();
    Engine engine = new Engine(plan);
    Allocator.Source heap = new Allocator.Source() {
      @Override
      public long allocate(long size, long alignment) {
        return 0;
      }

      @Override
      public void deallocate(long memory, long size, long alignment) {}
    };
    Map<Class<?>, Callable<Object>> make = new LinkedHashMap<>();
    make.put(Builder.class, Builder::new);
    make.put(Network.class, () -> Network.fromOnnxFile(builder, path("linear.onnx")));
    make.put(OnnxModel.class, () -> OnnxModel.fromFile(builder, path("linear.onnx")));
    make.put(OptimizationProfile.class, OptimizationProfile::new);
    make.put(TimingCache.class, TimingCache::new);
    make.put(BuilderConfig.class, Tests::linearConfig);
    make.put(Runtime.class, Runtime::new);
    make.put(Engine.class, () -> new Engine(plan));
    make.put(EngineInspector.class, () -> new EngineInspector(engine));
    make.put(Refitter.class, () -> new Refitter(engine));
    make.put(ExecutionContext.class, engine::createContext);
    make.put(Blob.class, () -> new Blob(new byte[3]));
    make.put(Device.class, () -> new Device("cpu"));
    make.put(Logger.class, () -> new Logger((severity, message) -> {}));
    make.put(Allocator.class, () -> new Allocator(heap));
    make.put(Tensor.class, () -> Tensor.of(ONES, 4));
    make.put(TenonException.class, () -> new TenonException(ErrorCode.BUSY, "why"));
    make.put(Tenon.class, () -> null);
    Map<Class<?>, List<Object>> wrong = new HashMap<>();
    wrong.put(String.class, Arrays.asList(null, "", "x", "x\0y", "\ud800"));
    wrong.put(boolean.class, List.of(false, true));
    wrong.put(int.class, List.of(Integer.MIN_VALUE, -1, 0, 1, Integer.MAX_VALUE));
    wrong.put(long.class, List.of(Long.MIN_VALUE, -1L, 0L, 1L, Long.MAX_VALUE));
    wrong.put(double.class, List.of(Double.NaN, -1.0, 0.0, Double.POSITIVE_INFINITY));
    wrong.put(long[].class, Arrays.asList(null, new long[0], new long[] {-1}, new long[] {1, 4}, new long[] {Long.MAX_VALUE, Long.MAX_VALUE},
        new long[9]));
    wrong.put(float[].class, Arrays.asList(null, new float[0], new float[1]));
    wrong.put(double[].class, Arrays.asList(null, new double[0], new double[1]));
    wrong.put(int[].class, Arrays.asList(null, new int[0], new int[1]));
    wrong.put(byte[].class, Arrays.asList(null, new byte[0], new byte[1]));
    wrong.put(boolean[].class, Arrays.asList(null, new boolean[0], new boolean[1]));
    wrong.put(ByteBuffer.class, Arrays.asList(null, ByteBuffer.allocate(4), ByteBuffer.allocateDirect(0), ByteBuffer.allocateDirect(16),
        ByteBuffer.allocateDirect(16).order(ByteOrder.nativeOrder()).asReadOnlyBuffer()));
    wrong.put(Path.class, Arrays.asList(null, path(""), path("no/such/file"), path(".")));
    wrong.put(Map.class, Arrays.asList(null, Map.of(), Map.of("x", Tensor.of(new int[1], 1)), Map.of("x", Tensor.of(new float[0], 0, 4)),
        Collections.singletonMap("x", null), Collections.singletonMap(null, Tensor.of(ONES, 4))));
    wrong.put(Allocator.Source.class, Arrays.asList(null, heap));
    wrong.put(Logger.Sink.class, Arrays.asList(null, (Logger.Sink) (severity, message) -> {}));
    wrong.put(Progress.class, Arrays.asList(null, (Progress) (phase, fraction) -> {}));
    wrong.put(Profiler.class, Arrays.asList(null, (Profiler) time -> {}));
    Set<Object> closed = Collections.newSetFromMap(new IdentityHashMap<>());
    for (Map.Entry<Class<?>, Callable<Object>> one : make.entrySet()) {
      Object gone = one.getValue().call();
      if (gone instanceof AutoCloseable object) {
        object.close();
        closed.add(gone);
      }
      wrong.put(one.getKey(), Arrays.asList(null, one.getValue().call(), gone));
    }
    List<Class<?>> classes = new ArrayList<>();
    try (java.util.jar.JarFile jar = new java.util.jar.JarFile(Path.of(Engine.class.getProtectionDomain().getCodeSource().getLocation().toURI()).toFile())) {
      for (java.util.jar.JarEntry entry : Collections.list(jar.entries())) {
        if (entry.getName().matches("dev/tenon/\\w+\\.class")) {
          Class<?> kind = Class.forName(entry.getName().replace(".class", "").replace('/', '.'));
          if (Modifier.isPublic(kind.getModifiers()) && !kind.isEnum() && !kind.isRecord() && !kind.isInterface()
              && !Modifier.isAbstract(kind.getModifiers()) && kind.getSuperclass() != TenonException.class) {
            hold(make.containsKey(kind), kind + " is not made here");
            classes.add(kind);
          }
        }
      }
    }
    Set<String> always = Set.of("close", "toString", "isClosed", "hashCode", "equals", "getClass", "wait", "notify", "notifyAll");
    int calls = 0;
    for (Class<?> kind : classes) {
      List<Executable> all = new ArrayList<>(List.of(kind.getConstructors()));
      all.addAll(List.of(kind.getMethods()));
      for (Executable method : all) {
        if (always.contains(method.getName()) || method.getDeclaringClass() == Throwable.class) {
          continue;
        }
        List<List<Object>> arguments = List.of(List.of());
        for (Class<?> taken : method.getParameterTypes()) {
          List<Object> values = new ArrayList<>();
          if (taken.isEnum()) {
            values.add(null);
            values.addAll(List.of(taken.getEnumConstants()));
          } else {
            values.addAll(wrong.get(taken));
          }
          arguments = arguments.stream().flatMap(before -> values.stream().map(value -> {
            List<Object> longer = new ArrayList<>(before);
            longer.add(value);
            return longer;
          })).toList();
        }
        boolean own = method instanceof Constructor || Modifier.isStatic(method.getModifiers());
        for (Object target : own ? Collections.singletonList(null) : Arrays.asList(make.get(kind).call(), wrong.get(kind).get(2))) {
          for (List<Object> given : arguments) {
            ++calls;
            misuse(method, target, given, closed);
          }
        }
      }
    }
    hold(calls > 2000, calls);
    System.out.println("  " + calls + " calls");
  }

  private static void misuse(Executable method, Object target, List<Object> given, Set<Object> closed) throws Exception {
    String call = method.getDeclaringClass().getSimpleName() + "." + method.getName() + given + (closed.contains(target) ? " of a closed object" : "");
    try {
      Object result = method instanceof Constructor<?> make ? make.newInstance(given.toArray()) : ((Method) method).invoke(target, given.toArray());
      if (result instanceof CompletableFuture<?> future) {
        future.get();
      }
      if (result instanceof AutoCloseable object && result != target && !given.contains(result)) {
        object.close();
      }
      hold(!closed.contains(target) && given.stream().noneMatch(closed::contains), call + " did not fail");
    } catch (InvocationTargetException | ExecutionException exception) {
      Throwable cause = exception.getCause() instanceof ExecutionException inner ? inner.getCause() : exception.getCause();
      if (cause instanceof NullPointerException) { // of an argument that is null, or of an element of one that is none
        StackTraceElement[] trace = cause.getStackTrace();
        hold(trace.length > 1 && trace[1].getClassName().equals("dev.tenon.NativeObject") && trace[1].getMethodName().equals("needed"), call + ": " + cause);
        boolean named = cause.getMessage().startsWith("the tensor of ");
        for (int i = 0; i < given.size(); ++i) {
          named |= given.get(i) == null && method.getParameters()[i].getName().equals(cause.getMessage());
        }
        hold(named, call + " names " + cause.getMessage());
      } else {
        hold(cause instanceof TenonException || cause instanceof IllegalArgumentException || cause instanceof ArithmeticException, call + ": " + cause);
        hold(cause.getMessage() != null && !cause.getMessage().isEmpty(), call + " says nothing");
      }
    }
  }

  // --- threads, collection ---------------------------------------------------------------------------------------------------
  public void threads() throws Exception {
    ExecutorService pool = Executors.newFixedThreadPool(8);
    try (Engine engine = linear()) {
      List<Future<Boolean>> all = new ArrayList<>();
      for (int i = 0; i < 8; ++i) {
        boolean own = i % 2 == 0;
        all.add(pool.submit(() -> {
          try (ExecutionContext context = engine.createContext()) {
            for (int run = 0; run < 200; ++run) {
              if (!Arrays.equals(y(own ? context.run(ones()) : engine.run(ones())), EXPECTED)) {
                return false;
              }
            }
          }
          return true;
        }));
      }
      for (Future<Boolean> one : all) {
        hold(one.get(), "equal");
      }
      // One context under several threads: results or BUSY; closed amid runs: results or INVALID_HANDLE. Never a crash.
      ExecutionContext shared = engine.createContext();
      shared.bind(ones(), Map.of());
      List<Future<Integer>> racing = new ArrayList<>();
      for (int i = 0; i < 4; ++i) {
        racing.add(pool.submit(() -> {
          int good = 0;
          for (int run = 0; run < 2000; ++run) {
            try {
              if (run % 2 == 0) {
                shared.run();
              } else {
                shared.run(ones());
              }
              ++good;
            } catch (TenonException exception) {
              hold(exception.code() == ErrorCode.BUSY || exception.code() == ErrorCode.INVALID_HANDLE, exception);
            }
          }
          return good;
        }));
      }
      Thread.sleep(5);
      shared.close();
      for (Future<Integer> one : racing) {
        one.get();
      }
    } finally {
      pool.shutdown();
    }
  }

  public void collection() throws Exception {
    Random random = new Random(7);
    List<Object> held = new ArrayList<>();
    try (Blob plan = plan(linearConfig())) {
      collect();
      long before = Tenon.liveCount("engine");
      for (int i = 0; i < 60; ++i) {
        Engine engine = new Engine(plan);
        ExecutionContext context = engine.createContext();
        context.bind(ones(), Map.of());
        Refitter refitter = new Refitter(engine);
        refitter.setWeight("b", Tensor.of(new float[3], 3));
        held.addAll(List.of(engine, context, refitter, new EngineInspector(engine), engine.serialize(), engine.run(ones())));
        for (int drop = 0; drop < 5; ++drop) {
          held.remove(random.nextInt(held.size()));
        }
        if (i % 10 == 0) {
          System.gc();
        }
        context.run();
      }
      held.clear();
      for (int i = 0; i < 200 && Tenon.liveCount("engine") > before; ++i) {
        collect();
      }
      equal(Tenon.liveCount("engine"), before);
    }
    // Memory that is bound lives while it is; a run under way ends before what it uses is collected.
    WeakReference<ByteBuffer> weak = bindAndForget();
    for (int i = 0; i < 200 && weak.get() != null; ++i) {
      collect();
    }
    hold(weak.get() == null, "the buffer of a context that is gone");
  }

  private static WeakReference<ByteBuffer> bindAndForget() throws Exception {
    ByteBuffer buffer = ByteBuffer.allocateDirect(12).order(ByteOrder.nativeOrder());
    WeakReference<ByteBuffer> weak = new WeakReference<>(buffer);
    try (Engine engine = linear()) {
      ExecutionContext context = engine.createContext();
      context.bind(ones(), Map.of());
      context.setBuffer("y", buffer);
      buffer = null;
      collect();
      hold(weak.get() != null, "the buffer is kept");
      context.run();
      equal(weak.get().getFloat(0), 12f);
    }
    return weak;
  }

  // --- ends of the process ---------------------------------------------------------------------------------------------------
  private static void end(String how) {
    Engine engine = linear();
    ExecutionContext context = engine.createContext();
    context.bind(ones(), Map.of());
    Logger logger = new Logger((severity, message) -> {}, Severity.VERBOSE);
    if (how.equals("running")) {
      Thread thread = new Thread(() -> {
        for (;;) {
          context.run();
        }
      });
      thread.setDaemon(true);
      thread.start();
      try {
        Thread.sleep(50);
      } catch (InterruptedException ignored) {
        return;
      }
    } else if (how.equals("enqueued")) {
      context.enqueue(0);
    } else if (how.equals("exit")) {
      System.out.println("ended " + y(engine.run(ones()))[0]);
      System.exit(0);
    }
    System.out.println("ended " + y(engine.run(ones()))[0] + (logger.isClosed() ? "?" : ""));
  }
}
