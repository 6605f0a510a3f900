package dev.tenon;

import dev.tenon.internal.Raw;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedDeque;

/**
 * A verified plan with its weights in memory, ready to run. Immutable but for what a refitter does; any thread. Its contexts
 * keep what they need of it alive.
 */
public final class Engine extends NativeObject {
  private final Map<String, TensorInfo> tensors = new LinkedHashMap<>();
  private final List<ConcurrentLinkedDeque<ExecutionContext>> idle = new ArrayList<>();

  /**
   * Loads a plan with the defaults of a {@link Runtime}.
   *
   * @throws TenonException INVALID_PLAN (damaged), INCOMPATIBLE_PLAN (for another machine; the message says which), …
   */
  public Engine(Blob plan) {
    this(needed(plan, "plan").buffer());
  }

  /** Loads a plan from the bytes of a buffer from position to limit; what is needed of them is copied. */
  public Engine(ByteBuffer plan) {
    this(load(plan));
  }

  /** Loads a plan with the settings of a runtime. */
  public Engine(Runtime runtime, Blob plan) {
    this(load(runtime, needed(plan, "plan").buffer()));
  }

  private Engine(long handle) {
    super(handle, Raw::tn_engine_destroy);
    long count = longOf(Raw::tn_engine_get_tensor_count);
    for (long index = 0; index < count; ++index) {
      TensorInfo info = tensor(index);
      tensors.put(info.name(), info);
    }
    int profiles = profileCount();
    for (int profile = 0; profile < profiles; ++profile) {
      idle.add(new ConcurrentLinkedDeque<>());
    }
  }

  private static long load(ByteBuffer plan) {
    try (Runtime runtime = new Runtime()) {
      return load(runtime, plan);
    }
  }

  private static long load(Runtime runtime, ByteBuffer plan) {
    ByteBuffer bytes = Blob.direct(plan, "plan");
    return madeOf(runtime, "runtime", (handle, out) -> Raw.tn_engine_create(handle, bytes, out));
  }

  /** Ends this object; contexts that were made of it go on. */
  @Override
  public void close() {
    super.close();
    idle.forEach(Engine::closeAll);
  }

  private static void closeAll(ConcurrentLinkedDeque<ExecutionContext> contexts) {
    for (ExecutionContext context; (context = contexts.poll()) != null;) {
      context.close();
    }
  }

  /**
   * Runs the network once. Any number of threads may do so: the engine keeps contexts for them. It takes the first profile that
   * the shapes fit.
   *
   * @param inputs by name, all of them; used where they are, without a copy
   * @return the outputs by name, in new memory
   * @throws TenonException INVALID_ARGUMENT (a type, a missing input), OUT_OF_RANGE (no profile takes the shapes), …
   */
  public Map<String, Tensor> run(Map<String, Tensor> inputs) {
    handle();
    needed(inputs, "inputs").forEach(ExecutionContext::expectTensor);
    for (TensorInfo info : tensors.values()) {
      if (info.mode() == IoMode.INPUT && !inputs.containsKey(info.name())) {
        throw new InvalidArgumentException("the input " + info + " is missing");
      }
    }
    int profile = profileFor(inputs);
    ConcurrentLinkedDeque<ExecutionContext> contexts = idle.get(profile);
    ExecutionContext context = contexts.poll();
    if (context == null) {
      context = new ExecutionContext(this, profile);
    }
    try {
      return context.run(inputs);
    } finally {
      context.unbind();
      contexts.push(context);
      if (isClosed()) {
        closeAll(contexts);
      }
    }
  }

  /** {@link #run} on another thread. The inputs must not change until it is done. */
  public CompletableFuture<Map<String, Tensor>> runAsync(Map<String, Tensor> inputs) {
    Map<String, Tensor> kept = new LinkedHashMap<>(needed(inputs, "inputs"));
    return CompletableFuture.supplyAsync(() -> run(kept), ExecutionContext.WAITERS);
  }

  private int profileFor(Map<String, Tensor> inputs) {
    int last = idle.size() - 1; // its context says what does not fit
    int profile = 0;
    while (profile < last && !takes(profile, inputs)) {
      ++profile;
    }
    return profile;
  }

  private boolean takes(int profile, Map<String, Tensor> inputs) {
    for (Map.Entry<String, Tensor> input : inputs.entrySet()) {
      if (!tensors.containsKey(input.getKey())) {
        return true; // the context says that there is no such input
      }
      long[] dims = input.getValue().shape();
      long[] min = profileShape(profile, input.getKey(), ShapeSelector.MIN);
      long[] max = profileShape(profile, input.getKey(), ShapeSelector.MAX);
      if (dims.length != min.length) {
        return true;
      }
      for (int i = 0; i < dims.length; ++i) {
        if (dims[i] < min[i] || dims[i] > max[i]) {
          return false;
        }
      }
    }
    return true;
  }

  /** A context of a profile, with its own memory for intermediate results. */
  public ExecutionContext createContext(int profile) {
    return new ExecutionContext(this, profile);
  }

  /** A context of profile 0. */
  public ExecutionContext createContext() {
    return createContext(0);
  }

  /** Name of the network; may be empty. */
  public String name() {
    return textOf(Raw::tn_engine_get_name);
  }

  /** Inputs, then outputs, both in the network's order. */
  public List<TensorInfo> tensors() {
    handle();
    return List.copyOf(tensors.values());
  }

  /** The inputs. */
  public List<TensorInfo> inputs() {
    return tensors().stream().filter(tensor -> tensor.mode() == IoMode.INPUT).toList();
  }

  /** The outputs. */
  public List<TensorInfo> outputs() {
    return tensors().stream().filter(tensor -> tensor.mode() == IoMode.OUTPUT).toList();
  }

  /**
   * A tensor by name.
   *
   * @throws TenonException NOT_FOUND; the message names what there is
   */
  public TensorInfo tensor(String name) {
    needed(name, "name");
    return tensor(longOf((handle, out) -> Raw.tn_engine_find_tensor(handle, name, out)));
  }

  private TensorInfo tensor(long index) {
    return new TensorInfo(
        textOf((handle, buffer, size) -> Raw.tn_engine_get_tensor_name(handle, index, buffer, size)),
        IoMode.of(intOf((handle, out) -> Raw.tn_engine_get_tensor_mode(handle, index, out))),
        DataType.of(intOf((handle, out) -> Raw.tn_engine_get_tensor_data_type(handle, index, out))),
        Tensor.list(dimsOf((handle, dims, size) -> Raw.tn_engine_get_tensor_shape(handle, index, dims, size))), List.of(),
        TensorFormat.of(intOf((handle, out) -> Raw.tn_engine_get_tensor_format(handle, index, out))),
        TensorLocation.of(intOf((handle, out) -> Raw.tn_engine_get_tensor_location(handle, index, out))));
  }

  /** Threads that work for the engine. */
  public int threadCount() {
    return intOf(Raw::tn_engine_get_thread_count);
  }

  /** Number of the plan's profiles, at least 1. */
  public int profileCount() {
    return intOf(Raw::tn_engine_get_profile_count);
  }

  /** One of the shapes of an input in a profile. */
  public long[] profileShape(int profile, String input, ShapeSelector selector) {
    needed(input, "input");
    int number = needed(selector, "selector").number();
    return dimsOf((handle, dims, size) -> Raw.tn_engine_get_profile_shape(handle, profile, input, number, dims, size));
  }

  /** Bytes that each context of a profile takes for intermediate results. */
  public long arenaSize(int profile) {
    return longOf((handle, out) -> Raw.tn_engine_get_arena_size(handle, profile, out));
  }

  /** Bytes that the weights take. */
  public long weightSize() {
    return longOf(Raw::tn_engine_get_weight_size);
  }

  /** What a profile runs, in order. */
  public List<LayerInfo> layers(int profile) {
    List<LayerInfo> layers = new ArrayList<>();
    long count = longOf((handle, out) -> Raw.tn_engine_get_layer_count(handle, profile, out));
    for (long i = 0; i < count; ++i) {
      long index = i;
      layers.add(new LayerInfo(
          textOf((handle, buffer, size) -> Raw.tn_engine_get_layer_name(handle, profile, index, buffer, size)),
          textOf((handle, buffer, size) -> Raw.tn_engine_get_layer_kernel(handle, profile, index, buffer, size)),
          textOf((handle, buffer, size) -> Raw.tn_engine_get_layer_origins(handle, profile, index, buffer, size)).lines().toList()));
    }
    return List.copyOf(layers);
  }

  /** The plan with the weights that are in force now. */
  public Blob serialize() {
    return new Blob(longOf(Raw::tn_engine_serialize));
  }

  /** Writes the plan; {@link Tenon#load} reads it. */
  public void save(Path path) {
    try (Blob plan = serialize()) {
      plan.save(path);
    }
  }

  Map<String, TensorInfo> infos() {
    return tensors;
  }

  @Override
  public String toString() {
    return isClosed() ? "Engine (closed)" : "Engine '" + name() + "' " + inputs() + " -> " + outputs();
  }
}
