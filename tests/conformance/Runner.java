import dev.tenon.*;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.*;
import java.util.concurrent.CountDownLatch;

/** The runner of Java: docs/conformance.md. */
final class Runner {
  /** What this program's own callbacks throw. */
  private static final class Thrown extends Exception {
    Thrown(String message) {
      super(message);
    }
  }

  /** No object has the name. */
  private static final class Missing extends RuntimeException {}

  /** JSON as the scenarios have it: maps, lists, texts, Double, Boolean. */
  private static final class Json {
    final String text;
    int at;

    Json(String text) {
      this.text = text;
    }

    char next() {
      while (Character.isWhitespace(text.charAt(at))) {
        ++at;
      }
      return text.charAt(at);
    }

    boolean more(char end) {
      char found = next();
      if (found == ',') {
        ++at;
        found = next();
      }
      if (found == end) {
        ++at;
        return false;
      }
      return true;
    }

    Object value() {
      char first = next();
      if (first == '{') {
        ++at;
        Map<String, Object> map = new LinkedHashMap<>();
        while (more('}')) {
          String key = (String) value();
          next();
          ++at;
          map.put(key, value());
        }
        return map;
      }
      if (first == '[') {
        ++at;
        List<Object> list = new ArrayList<>();
        while (more(']')) {
          list.add(value());
        }
        return list;
      }
      if (first == '"') {
        StringBuilder made = new StringBuilder();
        for (++at; text.charAt(at) != '"'; ++at) {
          at += text.charAt(at) == '\\' ? 1 : 0;
          made.append(text.charAt(at));
        }
        ++at;
        return made.toString();
      }
      int start = at;
      while (",]} \n\r\t".indexOf(text.charAt(at)) < 0) {
        ++at;
      }
      String word = text.substring(start, at);
      return word.equals("true") || word.equals("false") ? (Object) word.equals("true") : Double.valueOf(word);
    }
  }

  /** What a progress callback or a profiler is to do, and what it saw. */
  private static final class Hearer {
    final String mode;
    final List<String> kernels;
    final Thrown thrown;
    final CountDownLatch tried = new CountDownLatch(1);
    int count;
    boolean good;
    double last;

    Hearer(String mode, List<String> kernels) {
      this.mode = mode;
      this.kernels = kernels;
      thrown = new Thrown(kernels == null ? "thrown on purpose" : "thrown by the profiler");
      start();
    }

    void start() {
      count = 0;
      good = true;
      last = 0;
    }

    void progress(String phase, double fraction) throws Exception {
      if (mode.equals("cancel")) {
        throw new TenonException(ErrorCode.CANCELLED, "stopped on purpose");
      }
      if (mode.equals("throw")) {
        throw thrown;
      }
      good = good && !phase.isEmpty() && last <= fraction && fraction <= 1;
      last = fraction;
      ++count;
    }

    void layer(LayerTime time) throws Exception {
      if (mode.equals("throw")) {
        throw thrown;
      }
      if (mode.equals("busy")) {
        tried.await();
        return;
      }
      good = good && time.index() == count && count < kernels.size() && time.kernel().equals(kernels.get(count))
          && time.microseconds() >= 0;
      ++count;
    }
  }

  /** An allocator over the process's heap that counts, or fails. */
  private static final class Heap implements Allocator.Source {
    static final sun.misc.Unsafe UNSAFE = unsafe();
    final String mode;
    final Thrown thrown = new Thrown("no memory on purpose");
    final Map<Long, Long> blocks = new HashMap<>();
    int calls;
    long bytes;

    Heap(String mode) {
      this.mode = mode;
    }

    static sun.misc.Unsafe unsafe() {
      try {
        var field = sun.misc.Unsafe.class.getDeclaredField("theUnsafe");
        field.setAccessible(true);
        return (sun.misc.Unsafe) field.get(null);
      } catch (ReflectiveOperationException error) {
        throw new IllegalStateException(error);
      }
    }

    @Override
    public synchronized long allocate(long size, long alignment) throws Exception {
      if (mode.equals("throw")) {
        throw thrown;
      }
      long block = UNSAFE.allocateMemory(size + alignment);
      long memory = (block + alignment - 1) / alignment * alignment;
      blocks.put(memory, block);
      ++calls;
      bytes += size;
      return memory;
    }

    @Override
    public synchronized void deallocate(long memory, long size, long alignment) {
      bytes -= size;
      UNSAFE.freeMemory(blocks.remove(memory));
    }
  }

  /** Of a context's engine, which may be closed before it. */
  private record Known(List<TensorInfo> tensors, List<String> kernels) {}

  private Known known() {
    return (Known) about.get(text("context"));
  }

  private record Output(TensorInfo info, long[] shape, ByteBuffer data) {}

  private final PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
  private final TreeMap<String, NativeObject> objects = new TreeMap<>();
  private final Map<String, Object> about = new HashMap<>();
  private final List<String> messages = Collections.synchronizedList(new ArrayList<>());
  private final List<Throwable> thrown = new ArrayList<>();
  private final Builder builder = new Builder();
  private Map<String, Object> step;

  private void say(Object... words) {
    StringBuilder line = new StringBuilder(" ");
    for (Object word : words) {
      line.append(' ').append(word);
    }
    out.print(line.append('\n'));
  }

  private void tell(String name, boolean yes) {
    say(name, yes ? "yes" : "no");
  }

  private String text(String key) {
    return (String) step.get(key);
  }

  private int number(String key) {
    return ((Double) step.get(key)).intValue();
  }

  private boolean has(String key) {
    return step.containsKey(key);
  }

  @SuppressWarnings("unchecked")
  private static Map<String, Object> map(Object value) {
    return value == null ? Map.of() : (Map<String, Object>) value;
  }

  private static double[] numbers(Object list) {
    return ((List<?>) list).stream().mapToDouble(one -> (Double) one).toArray();
  }

  private static long[] dims(Object list) {
    return ((List<?>) list).stream().mapToLong(one -> ((Double) one).longValue()).toArray();
  }

  private static String show(List<Long> shape) {
    return show(shape.stream().mapToLong(Long::longValue).toArray());
  }

  private static String show(long[] shape) {
    return Arrays.toString(shape).replace(" ", "");
  }

  private <T> T get(String key, Class<T> type) {
    Object found = objects.get(String.valueOf(step.get(key)));
    if (!type.isInstance(found)) {
      throw new Missing();
    }
    return type.cast(found);
  }

  private void keep(NativeObject thing, Object more) {
    NativeObject old = objects.put(text("as"), thing);
    about.put(text("as"), more);
    if (old != null) {
      old.close();
    }
  }

  private Logger logger() {
    return !Boolean.TRUE.equals(step.get("log")) ? null : new Logger((severity, message) ->
        messages.add(severity.name().toLowerCase(Locale.ROOT) + " " + message), Severity.WARNING);
  }

  private static String lower(Enum<?> value) {
    return value.name().toLowerCase(Locale.ROOT);
  }

  private void failed(Throwable error) {
    if (error instanceof Missing) {
      say("error INVALID_HANDLE");
    } else if (error instanceof Thrown) {
      say(thrown.stream().anyMatch(own -> own == error) ? "thrown:" : "thrown by another:", error.getMessage());
    } else if (error instanceof TenonException known) {
      boolean bare = known.code() == ErrorCode.INVALID_HANDLE || known.code() == ErrorCode.BUSY;
      say(bare ? "error " + known.code().codeName()
               : "error " + known.code().codeName() + ": " + known.getMessage().replace("\n", " / "));
    } else {
      throw new IllegalStateException(error);
    }
  }

  private static void collect() {
    try {
      long before = -1;
      for (int same = 0; same < 3;) {
        System.gc();
        Thread.sleep(10);
        long now = Tenon.liveCount("all");
        same = now == before ? same + 1 : 0;
        before = now;
      }
    } catch (InterruptedException error) {
      throw new IllegalStateException(error);
    }
  }

  private String documents(String text, String json) {
    tell("text", text.length() > 1 && text.endsWith("\n"));
    tell("json", json.startsWith("{"));
    return text;
  }

  private void network() {
    Builder by = builder;
    if (has("nodes") || has("log")) {
      by = new Builder();
      if (has("nodes")) {
        by.setLimit(Limit.NODES, number("nodes"));
      }
      by.setLogger(logger());
    }
    Path file = Path.of(text("file"));
    String from = has("from") ? text("from") : "file";
    Network network = from.equals("file") ? Network.fromOnnxFile(by, file)
        : from.equals("blob") ? Network.fromOnnx(by, Blob.fromFile(file)) : Network.fromOnnx(by, Blob.fromFile(file).toByteArray());
    keep(network, null);
    say("network", network.name().isEmpty() ? "-" : network.name(), "nodes", network.nodeCount());
    for (TensorInfo t : network.tensors()) {
      String shape = "?";
      if (t.shape() != null) {
        StringJoiner joined = new StringJoiner(",", "[", "]");
        for (int dim = 0; dim < t.shape().size(); ++dim) {
          joined.add(t.dimNames().get(dim).isEmpty() ? String.valueOf(t.shape().get(dim)) : t.dimNames().get(dim));
        }
        shape = joined.toString();
      }
      say(lower(t.mode()), t.name(), t.dataType().shortName(), shape);
    }
  }

  private void config() {
    BuilderConfig config = new BuilderConfig();
    if (has("device")) {
      config.setDevice(text("device"));
    }
    if (has("threads")) {
      config.setThreadCount(number("threads"));
    }
    if (has("level")) {
      config.setOptimizationLevel(number("level"));
    }
    if (has("onednn")) {
      config.setOnednnEnabled((Boolean) step.get("onednn"));
    }
    if (has("deadline")) {
      config.setDeadline((Double) step.get("deadline"));
    }
    if (has("tf32")) {
      config.setPrecisionAllowed(Precision.TF32, (Boolean) step.get("tf32"));
    }
    map(step.get("options")).forEach((key, value) -> config.setOption(key, (String) value));
    if (has("cache")) {
      config.setTimingCache(get("cache", TimingCache.class));
    }
    for (Object one : has("profiles") ? (List<?>) step.get("profiles") : List.of()) {
      OptimizationProfile profile = new OptimizationProfile();
      map(one).forEach((name, value) -> {
        List<?> three = (List<?>) value;
        profile.setShapes(name, dims(three.get(0)), dims(three.get(1)), dims(three.get(2)));
      });
      config.addProfile(profile);
    }
    say("threads", config.threadCount(), "level", config.optimizationLevel(), "onednn", config.isOnednnEnabled() ? "yes" : "no",
        "deadline", (long) config.deadline(), "tf32", config.isPrecisionAllowed(Precision.TF32) ? "yes" : "no", "profiles",
        config.profileCount());
    map(step.get("options")).keySet().forEach(key -> say("option", key, config.option(key)));
    keep(config, null);
  }

  private void build() {
    Network network = get("network", Network.class);
    BuilderConfig config = get("config", BuilderConfig.class);
    Hearer hearer = (Hearer) about.get(text("config"));
    Builder by = builder;
    if (Boolean.TRUE.equals(step.get("log"))) {
      by = new Builder();
      by.setLogger(logger());
    }
    if (hearer != null) {
      hearer.start();
    }
    boolean report = Boolean.TRUE.equals(step.get("report"));
    Builder.Built made = report ? by.buildWithReport(network, config) : new Builder.Built(by.build(network, config), "");
    keep(made.plan(), null);
    if (hearer != null && hearer.mode.equals("count")) {
      tell("progress", hearer.good && hearer.count > 0);
    }
    if (report) {
      tell("report", made.report().startsWith("{"));
    }
  }

  private void engine() {
    dev.tenon.Runtime runtime = new dev.tenon.Runtime();
    if (has("threads")) {
      runtime.setThreadCount(number("threads"));
    }
    if (has("limit")) {
      runtime.setLimit(Limit.PLAN_BYTES, number("limit"));
    }
    if (has("allocator")) {
      runtime.setAllocator(get("allocator", Allocator.class));
    }
    runtime.setLogger(logger());
    Engine engine = new Engine(runtime, get("plan", Blob.class));
    keep(engine, null);
    say("engine", engine.name().isEmpty() ? "-" : engine.name(), "threads", engine.threadCount(), "profiles", engine.profileCount());
    for (TensorInfo t : engine.tensors()) {
      say(lower(t.mode()), t.name(), t.dataType().shortName(), show(t.shape()), lower(t.format()), lower(t.location()));
    }
    for (int profile = 0; profile < engine.profileCount(); ++profile) {
      for (TensorInfo t : engine.tensors()) {
        if (t.mode() == IoMode.INPUT) {
          say("profile", profile, t.name(), show(engine.profileShape(profile, t.name(), ShapeSelector.MIN)),
              show(engine.profileShape(profile, t.name(), ShapeSelector.OPT)), show(engine.profileShape(profile, t.name(), ShapeSelector.MAX)));
        }
      }
    }
    List<LayerInfo> layers = engine.layers(0);
    tell("layers", !layers.isEmpty() && layers.stream().noneMatch(one -> one.name().isEmpty() || one.kernel().isEmpty()));
  }

  private static ByteBuffer room(long bytes) {
    return ByteBuffer.allocateDirect((int) bytes).order(ByteOrder.nativeOrder());
  }

  private static List<Output> setAll(ExecutionContext context, List<TensorInfo> tensors, Map<String, Object> inputs) {
    inputs.forEach((name, value) -> {
      DataType type = tensors.stream().filter(t -> t.name().equals(name)).map(TensorInfo::dataType).findFirst().orElse(DataType.FLOAT32);
      context.setInputShape(name, dims(map(value).get("dims")));
      double[] values = numbers(map(value).get("values"));
      ByteBuffer data = room(values.length * type.size());
      for (double one : values) {
        switch (type) {
          case FLOAT32 -> data.putFloat((float) one);
          case INT32 -> data.putInt((int) one);
          case INT64 -> data.putLong((long) one);
          default -> data.put((byte) one);
        }
      }
      context.setBuffer(name, data.flip());
    });
    List<Output> outputs = new ArrayList<>();
    for (TensorInfo t : tensors) {
      if (t.mode() == IoMode.OUTPUT) {
        long[] shape = context.shape(t.name());
        outputs.add(new Output(t, shape, room(Arrays.stream(shape).reduce(t.dataType().size(), (a, b) -> a * b))));
        context.setBuffer(t.name(), outputs.get(outputs.size() - 1).data());
      }
    }
    return outputs;
  }

  private void showAll(List<Output> outputs) {
    for (Output output : outputs) {
      StringBuilder line = new StringBuilder(show(output.shape()) + ":");
      ByteBuffer data = output.data().duplicate().order(ByteOrder.nativeOrder());
      while (data.hasRemaining()) {
        double value = switch (output.info().dataType()) {
          case FLOAT32 -> data.getFloat();
          case INT32 -> data.getInt();
          case INT64 -> data.getLong();
          default -> data.get();
        };
        line.append(' ').append(Math.abs(value) < 1e15 && value == Math.rint(value) ? String.valueOf((long) value) : "?");
      }
      say(output.info().name(), output.info().dataType().shortName(), line);
    }
  }

  private void run() {
    ExecutionContext context = get("context", ExecutionContext.class);
    List<Output> outputs = has("inputs") ? setAll(context, known().tensors(), map(step.get("inputs"))) : null;
    switch (has("how") ? text("how") : "run") {
      case "measured" -> tell("microseconds", context.runMeasured() >= 0);
      case "parts" -> {
        ExecutionContext.Parts parts = context.runInParts();
        tell("microseconds", parts.input() >= 0 && parts.enqueue() >= 0 && parts.output() >= 0);
      }
      case "enqueue" -> {
        context.enqueue(0);
        context.await();
      }
      case "prepare" -> {
        context.prepare();
        context.run();
      }
      default -> context.run();
    }
    if (outputs == null) {
      say("ran");
    } else {
      showAll(outputs);
    }
  }

  private void profile() {
    ExecutionContext context = get("context", ExecutionContext.class);
    List<String> kernels = known().kernels();
    Hearer hearer = new Hearer(text("mode"), kernels);
    thrown.add(hearer.thrown);
    List<Output> outputs = setAll(context, known().tensors(), map(step.get("inputs")));
    context.setProfiler(hearer::layer);
    try {
      context.run();
    } finally {
      context.setProfiler(null);
    }
    showAll(outputs);
    tell("layers", hearer.good && hearer.count == kernels.size() && hearer.count > 0);
  }

  private void busy() {
    ExecutionContext context = get("context", ExecutionContext.class);
    Hearer hearer = new Hearer("busy", null);
    List<Output> outputs = setAll(context, known().tensors(), map(step.get("inputs")));
    context.setProfiler(hearer::layer);
    context.enqueue(0);
    try {
      context.run();
      say("not busy");
    } catch (TenonException error) {
      failed(error);
    }
    hearer.tried.countDown();
    try {
      context.await();
    } finally {
      context.setProfiler(null);
    }
    showAll(outputs);
  }

  private void threads() throws Exception {
    Engine engine = get("engine", Engine.class);
    Map<String, Object> inputs = map(step.get("inputs"));
    int runs = number("runs");
    var pool = java.util.concurrent.Executors.newFixedThreadPool(number("count"));
    var all = new ArrayList<java.util.concurrent.Future<List<List<Output>>>>();
    for (int thread = 0; thread < number("count"); ++thread) {
      all.add(pool.submit(() -> {
        List<List<Output>> made = new ArrayList<>();
        try (ExecutionContext context = engine.createContext()) {
          for (int run = 0; run < runs; ++run) {
            List<Output> outputs = setAll(context, engine.tensors(), inputs);
            context.run();
            made.add(outputs);
          }
        }
        return made;
      }));
    }
    pool.shutdown();
    List<Output> first = all.get(0).get().get(0);
    boolean equal = true;
    for (var one : all) {
      for (List<Output> outputs : one.get()) {
        for (int at = 0; at < first.size(); ++at) {
          equal = equal && outputs.get(at).data().equals(first.get(at).data());
        }
      }
    }
    showAll(first);
    tell("equal", equal);
  }

  private void refit() {
    Refitter refitter = new Refitter(get("engine", Engine.class));
    map(step.get("weights")).forEach((name, value) -> {
      double[] values = numbers(map(value).get("values"));
      long[] shape = dims(map(value).get("dims"));
      ByteBuffer data = room(4L * values.length);
      for (double one : values) {
        data.putFloat((float) one);
      }
      refitter.setWeight(name, Tensor.wrap(DataType.FLOAT32, data.flip(), shape));
    });
    if (has("network")) {
      say("set", refitter.setWeights(get("network", Network.class)));
    }
    refitter.missing().forEach(name -> say("missing", name));
    refitter.apply();
    say("refitted");
  }

  private EngineInspector inspector() {
    return has("engine") ? new EngineInspector(get("engine", Engine.class)) : EngineInspector.fromPlan(get("plan", Blob.class));
  }

  private void take() throws Exception {
    switch (text("do")) {
      case "device" -> {
        Device device = new Device(text("name"));
        say(device.name(), lower(device.type()));
      }
      case "network" -> network();
      case "describe" -> {
        Network network = get("network", Network.class);
        documents(network.information(DocumentFormat.TEXT), network.information(DocumentFormat.JSON));
      }
      case "config" -> config();
      case "progress" -> {
        Hearer hearer = new Hearer(text("mode"), null);
        thrown.add(hearer.thrown);
        get("config", BuilderConfig.class).setProgress(hearer.mode.equals("none") ? null : hearer::progress);
        about.put(text("config"), hearer);
      }
      case "build" -> build();
      case "blob" -> {
        Blob blob = new Blob(text("text").getBytes(StandardCharsets.UTF_8));
        keep(blob, null);
        say("blob", blob.size(), "bytes");
      }
      case "save" -> get("blob", Blob.class).save(Path.of(text("file")));
      case "read" -> keep(Blob.fromFile(Path.of(text("file"))), null);
      case "share" -> keep(get("blob", Blob.class).share(), null);
      case "cut" -> {
        ByteBuffer view = get("blob", Blob.class).buffer();
        Blob cut = new Blob(view.slice(0, Math.min(number("bytes"), view.remaining())));
        keep(cut, null);
        say("blob", cut.size(), "bytes");
      }
      case "same" -> say(Arrays.equals(get("a", Blob.class).toByteArray(), get("b", Blob.class).toByteArray()) ? "yes" : "no");
      case "cache" -> {
        TimingCache cache = new TimingCache();
        if (has("load")) {
          cache.load(get("load", Blob.class).buffer());
        }
        keep(cache, null);
        tell("entries", cache.size() > 0);
      }
      case "cache_blob" -> {
        TimingCache cache = get("cache", TimingCache.class);
        keep(cache.serialize(), null);
        tell("entries", cache.size() > 0);
      }
      case "merge" -> {
        TimingCache cache = get("cache", TimingCache.class);
        cache.merge(get("other", TimingCache.class));
        tell("entries", cache.size() > 0);
      }
      case "engine" -> engine();
      case "allocator" -> {
        Heap heap = new Heap(text("mode"));
        thrown.add(heap.thrown);
        keep(new Allocator(heap), heap);
      }
      case "balance" -> {
        get("allocator", Allocator.class);
        Heap heap = (Heap) about.get(text("allocator"));
        tell("allocated", heap.calls > 0);
        tell("balanced", heap.blocks.isEmpty() && heap.bytes == 0);
      }
      case "serialize" -> keep(get("engine", Engine.class).serialize(), null);
      case "inspect" -> {
        EngineInspector first = inspector();
        String text = documents(first.information(DocumentFormat.TEXT), first.information(DocumentFormat.JSON));
        tell("same", text.equals(inspector().information(DocumentFormat.TEXT)));
      }
      case "context" -> {
        Engine engine = get("engine", Engine.class);
        ExecutionContext context = engine.createContext(has("profile") ? number("profile") : 0);
        keep(context, new Known(engine.tensors(), engine.layers(0).stream().map(LayerInfo::kernel).toList()));
        say("profile", context.profile());
      }
      case "set_profile" -> {
        ExecutionContext context = get("context", ExecutionContext.class);
        context.setProfile(number("profile"));
        say("profile", context.profile());
      }
      case "shape" -> get("context", ExecutionContext.class).setInputShape(text("tensor"), dims(step.get("dims")));
      case "get_shape" -> say(text("tensor"), show(get("context", ExecutionContext.class).shape(text("tensor"))));
      case "buffer" -> get("context", ExecutionContext.class).setBuffer(text("tensor"), room(number("bytes")));
      case "run" -> run();
      case "wait" -> get("context", ExecutionContext.class).await();
      case "profile" -> profile();
      case "busy" -> busy();
      case "threads" -> threads();
      case "weights" -> {
        for (WeightInfo one : new Refitter(get("engine", Engine.class)).weights()) {
          say("weight", one.name(), one.dataType().shortName(), show(one.shape()), one.pinReason().isEmpty() ? "free" : "pinned");
        }
      }
      case "refit" -> refit();
      case "close" -> {
        get("name", NativeObject.class).close();
        objects.remove(text("name"));
      }
      case "live" -> {
        collect();
        say(text("type"), Tenon.liveCount(text("type")));
      }
      default -> throw new IllegalStateException(text("do"));
    }
  }

  public static void main(String[] arguments) throws Exception {
    Runner runner = new Runner();
    int number = 0;
    for (Object one : (List<?>) new Json(Files.readString(Path.of(arguments[0]))).value()) {
      runner.step = map(one);
      runner.out.print(++number + " " + runner.text("do") + "\n");
      try {
        runner.take();
      } catch (TenonException | Thrown | Missing error) {
        runner.failed(error);
      }
      runner.messages.forEach(message -> runner.say("log", message.replace("\n", " / ")));
      runner.messages.clear();
      if (runner.text("do").equals("close")) {
        collect();
      }
    }
    runner.objects.values().forEach(NativeObject::close);
    runner.objects.clear();
    runner.about.clear();
    runner.thrown.clear();
    runner.builder.close();
    collect();
    runner.out.print("live " + Tenon.liveCount("all") + "\n");
    runner.out.flush();
  }
}
