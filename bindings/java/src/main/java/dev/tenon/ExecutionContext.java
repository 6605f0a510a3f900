package dev.tenon;

import dev.tenon.internal.Callbacks;
import dev.tenon.internal.Memory;
import dev.tenon.internal.Raw;
import java.lang.ref.Reference;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * One run of an engine at a time. Make one per thread: a second caller gets {@link ErrorCode#BUSY}, and so does every call but
 * {@link #await()} and {@link #close()} between {@link #enqueue} and {@link #await()}. It keeps its engine, and the memory that
 * is bound, alive.
 */
public final class ExecutionContext extends NativeObject {
  /** Threads that wait for runs; they end when they are idle, and do not hold up the end of the program. */
  static final ExecutorService WAITERS = Executors.newCachedThreadPool(work -> {
    Thread thread = new Thread(work, "tenon-run");
    thread.setDaemon(true);
    return thread;
  });

  private final Map<String, Object> bound;
  private final Map<String, Tensor> results = new LinkedHashMap<>();
  private final Map<String, TensorInfo> infos;
  private final AtomicBoolean inUse = new AtomicBoolean();

  /** Of a profile of an engine, with its own memory for intermediate results. */
  public ExecutionContext(Engine engine, int profile) {
    this(engine, profile, new HashMap<>());
  }

  private ExecutionContext(Engine engine, int profile, Map<String, Object> bound) {
    // Collection in any order: what is bound is kept until the handle is destroyed, which waits for a run that was enqueued.
    super(madeOf(engine, "engine", (handle, out) -> Raw.tn_execution_context_create(handle, profile, out)),
        Raw::tn_execution_context_destroy, bound);
    this.bound = bound;
    this.infos = engine.infos();
  }

  /** The profile that is in use. */
  public int profile() {
    return intOf(Raw::tn_execution_context_get_profile);
  }

  /** Changes the profile. Shapes and memory must be set again afterwards. */
  public ExecutionContext setProfile(int profile) {
    enter();
    try {
      synchronized (bound) {
        call(handle -> Raw.tn_execution_context_set_profile(handle, profile));
        bound.clear(); // C has let go of it
      }
      results.clear();
    } finally {
      inUse.set(false);
    }
    return this;
  }

  /** The dims of an input. Needed for inputs with dynamic dims. */
  public ExecutionContext setInputShape(String input, long... dims) {
    needed(input, "input");
    needed(dims, "dims");
    call(handle -> Raw.tn_execution_context_set_input_shape(handle, input, dims));
    return this;
  }

  /** The dims of an input or output at the input shapes that are set. */
  public long[] shape(String tensor) {
    needed(tensor, "tensor");
    return dimsOf((handle, dims, size) -> Raw.tn_execution_context_get_shape(handle, tensor, dims, size));
  }

  /**
   * The memory of one input or output: a direct buffer from position to limit, in the tensor's format. It is kept and used by
   * every later run until another is set. Type and shape are not looked at; the size is, when the network runs.
   *
   * @throws IllegalArgumentException for a heap buffer, or a read-only one for an output
   */
  public ExecutionContext setBuffer(String tensor, ByteBuffer buffer) {
    needed(tensor, "tensor");
    Tensor.requireDirect(needed(buffer, "buffer"), "the buffer of " + tensor);
    if (buffer.isReadOnly() && infos.containsKey(tensor) && infos.get(tensor).mode() == IoMode.OUTPUT) {
      throw new IllegalArgumentException("the output " + tensor + " is to be written; the buffer is read-only");
    }
    return replace(tensor, buffer.remaining() == 0 ? 0 : Memory.address(buffer), buffer.remaining(), buffer);
  }

  /**
   * Memory by its address, such as that of a GPU. It must stay valid until another is set or the object is closed.
   *
   * @param size in bytes
   * @throws IllegalArgumentException for a negative size
   */
  public ExecutionContext setBuffer(String tensor, long address, long size) {
    needed(tensor, "tensor");
    if (size < 0) {
      throw new IllegalArgumentException("size must not be negative: " + size);
    }
    return replace(tensor, address, size, "memory of the caller's");
  }

  private ExecutionContext replace(String tensor, long address, long size, Object owner) {
    enter();
    try {
      set(tensor, address, size, owner);
      results.remove(tensor);
    } finally {
      inUse.set(false);
    }
    return this;
  }

  private void set(String tensor, long address, long size, Object owner) {
    synchronized (bound) { // what C has and what is kept are the same
      call(handle -> Raw.tn_execution_context_set_buffer(handle, tensor, address, size));
      bound.put(tensor, owner);
    }
  }

  /**
   * Sets shapes and memory of inputs and outputs. {@link #run()} then uses them, again and again: nothing is copied, nothing is
   * allocated.
   *
   * @param inputs by name
   * @param outputs by name; those that are not named get new memory
   * @return all outputs by name
   * @throws TenonException INVALID_ARGUMENT (no such input or output, another type or shape), OUT_OF_RANGE (outside the
   *     profile), BUSY
   */
  public Map<String, Tensor> bind(Map<String, Tensor> inputs, Map<String, Tensor> outputs) {
    enter();
    try {
      return bindAll(inputs, outputs);
    } finally {
      inUse.set(false);
    }
  }

  private void enter() {
    handle();
    if (!inUse.compareAndSet(false, true)) {
      throw new BusyException("the execution context is used by another call: make one for each thread");
    }
  }

  private Map<String, Tensor> bindAll(Map<String, Tensor> inputs, Map<String, Tensor> outputs) {
    // Everything is looked at before the first call into the library.
    needed(inputs, "inputs").forEach((name, tensor) -> expect(name, tensor, IoMode.INPUT));
    needed(outputs, "outputs").forEach((name, tensor) -> expect(name, tensor, IoMode.OUTPUT));
    inputs.forEach((name, tensor) -> {
      setInputShape(name, tensor.shape());
      set(name, tensor.address(), tensor.bytes(), tensor);
    });
    for (TensorInfo info : infos.values()) {
      if (info.mode() != IoMode.OUTPUT) {
        continue;
      }
      String name = info.name();
      long[] shape = shape(name);
      Tensor tensor = outputs.get(name);
      if (tensor == null) {
        tensor = Tensor.allocate(info.dataType(), shape);
      } else if (!tensor.hasShape(shape)) {
        throw new InvalidArgumentException("the output " + name + " is "
            + Tensor.describe(info.dataType(), shape) + " at these inputs; the tensor is " + tensor);
      }
      set(name, tensor.address(), tensor.bytes(), tensor);
      results.put(name, tensor);
    }
    return Map.copyOf(results);
  }

  static void expectTensor(String name, Tensor tensor) {
    needed(tensor, "the tensor of " + name);
  }

  private void expect(String name, Tensor tensor, IoMode mode) {
    expectTensor(name, tensor);
    String kind = mode == IoMode.INPUT ? "input" : "output";
    TensorInfo info = infos.get(name);
    String wrong = null;
    if (info == null || info.mode() != mode) {
      wrong = name + " is no " + kind + " of the engine; its tensors are " + infos.values();
    } else if (info.format() != TensorFormat.LINEAR) {
      wrong = "the " + kind + " " + name + " is not laid out row by row: use setBuffer()";
    } else if (info.dataType() != tensor.dataType()) {
      wrong = "the " + kind + " " + info + " cannot be " + tensor;
    } else if (mode == IoMode.OUTPUT && tensor.isReadOnly()) {
      wrong = "the output " + name + " is to be written; the tensor is read-only";
    } else if (info.shape().size() != tensor.shape().length) {
      wrong = "the " + kind + " " + info + " cannot be " + tensor + ": the number of dims differs";
    }
    if (wrong != null) {
      throw new InvalidArgumentException(wrong);
    }
  }

  /** Lets go of what is bound, as far as Java keeps it: the next run must bind again. */
  void unbind() {
    if (isClosed()) {
      return;
    }
    for (String name : infos.keySet()) {
      try {
        set(name, 0, 0, "nothing");
      } catch (TenonException exception) {
        return; // closed or busy meanwhile: the memory is kept
      }
    }
    results.clear();
  }

  /** Prepares everything for the shapes that are set, so that the next run neither plans nor allocates. */
  public void prepare() {
    call(Raw::tn_execution_context_prepare);
  }

  /** Runs the network with what is bound, and returns when the outputs are there. It allocates nothing. */
  public void run() {
    long error = Raw.tn_execution_context_run(handle());
    Reference.reachabilityFence(this);
    if (error != 0) {
      check(error);
    }
  }

  /** {@link #bind} and {@link #run()}, with new memory for the outputs: the outputs by name. */
  public Map<String, Tensor> run(Map<String, Tensor> inputs) {
    return run(inputs, Map.of());
  }

  /** {@link #bind} and {@link #run()}: all outputs by name. */
  public Map<String, Tensor> run(Map<String, Tensor> inputs, Map<String, Tensor> outputs) {
    enter();
    try {
      Map<String, Tensor> made = bindAll(inputs, outputs);
      run();
      return made;
    } finally {
      inUse.set(false);
    }
  }

  /** Runs the network and gives the microseconds that the device took. */
  public double runMeasured() {
    return doubleOf(Raw::tn_execution_context_run_measured);
  }

  /** Runs the network one part after the other, and gives the times beside the device's own. */
  public Parts runInParts() {
    double[] input = new double[1];
    double[] enqueue = new double[1];
    double[] output = new double[1];
    call(handle -> Raw.tn_execution_context_run_in_parts(handle, input, enqueue, output));
    return new Parts(input[0], enqueue[0], output[0]);
  }

  /**
   * Microseconds of a run beside the device's own.
   *
   * @param input of copying inputs that do not lie on the device
   * @param enqueue that the host took to queue the network's work
   * @param output of copying outputs
   */
  public record Parts(double input, double enqueue, double output) {}

  /** Whether the next run is one replay of a recording that the device made of an earlier one. */
  public Replay replay() {
    int[] replayed = new int[1];
    long[] recordings = new long[1];
    call(handle -> Raw.tn_execution_context_get_replay(handle, replayed, recordings));
    return new Replay(replayed[0] != 0, recordings[0], textOf(Raw::tn_execution_context_get_replay_refusal));
  }

  /**
   * Of recordings.
   *
   * @param replayed whether the next run is a replay; never on the CPU
   * @param recordings how many the context has made
   * @param refusal why the next run is not a replay; empty if it is one
   */
  public record Replay(boolean replayed, long recordings, String refusal) {}

  /**
   * Starts a run, which {@link #await()} waits for. What is bound must not be touched until then.
   *
   * @param stream on a CUDA device, the cudaStream_t to work on; 0 on the CPU
   */
  public void enqueue(long stream) {
    call(handle -> Raw.tn_execution_context_enqueue(handle, stream));
  }

  /** Waits for the run that was enqueued and gives its result. Returns at once if there is none. */
  public void await() {
    call(Raw::tn_execution_context_wait);
  }

  /**
   * Starts a run with what is bound. Neither the context nor what is bound may be used until the future is complete; it
   * completes exceptionally as {@link #run()} fails, and cannot be cancelled.
   */
  public CompletableFuture<Map<String, Tensor>> runAsync() {
    return start(null);
  }

  /** {@link #bind}, with new memory for the outputs, and {@link #runAsync()}. */
  public CompletableFuture<Map<String, Tensor>> runAsync(Map<String, Tensor> inputs) {
    return start(needed(inputs, "inputs"));
  }

  private CompletableFuture<Map<String, Tensor>> start(Map<String, Tensor> inputs) {
    enter();
    Map<String, Tensor> outputs;
    try {
      outputs = inputs == null ? Map.copyOf(results) : bindAll(inputs, Map.of());
      enqueue(0);
    } catch (Throwable thrown) {
      inUse.set(false);
      throw thrown;
    }
    return CompletableFuture.supplyAsync(() -> {
      try {
        await();
        return outputs;
      } finally {
        inUse.set(false);
      }
    }, WAITERS);
  }

  /**
   * Who is told the time of each layer; null: nobody. It is kept until another is set or this object is closed: if it refers to
   * this object, close this object.
   */
  public ExecutionContext setProfiler(Profiler profiler) {
    Callbacks.Profiler table = profiler == null ? null : (index, name, kernel, origins, microseconds) -> profiler.layer(
        new LayerTime(index, name, kernel, origins.lines().toList(), microseconds));
    call(handle -> Raw.tn_execution_context_set_profiler(handle, table));
    return this;
  }
}
