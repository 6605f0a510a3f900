using System;
using System.Buffers;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Tenon.Interop;

namespace Tenon {
  /// <summary>The time that a layer took.</summary>
  public sealed class LayerTime {
    /// <summary>The layer's number in the context's profile.</summary>
    public long Index { get; internal set; }
    /// <summary>The layer's name.</summary>
    public string Name { get; internal set; }
    /// <summary>What computed it.</summary>
    public string Kernel { get; internal set; }
    /// <summary>The nodes of the ONNX model that it computes, wholly or in part.</summary>
    public IReadOnlyList<string> Origins { get; internal set; }
    /// <summary>The time.</summary>
    public double Microseconds { get; internal set; }
  }

  /// <summary>One run of an engine at a time. Make one per thread: a second caller gets Busy, and so does every call but
  /// <see cref="Wait"/> and Dispose() between <see cref="Enqueue"/> and <see cref="Wait"/>. It keeps its engine alive, and the memory
  /// that is bound pinned until other memory is bound, or the object is disposed or collected.</summary>
  public sealed unsafe class ExecutionContext : NativeObject {
    private readonly IReadOnlyDictionary<string, TensorInfo> infos;
    private readonly Dictionary<string, Tensor> results = new Dictionary<string, Tensor>();
    private int inUse;

    /// <summary>Of a profile of an engine, with its own memory for intermediate results.</summary>
    public ExecutionContext(Engine engine, int profile = 0)
        : base(Needed(engine, nameof(engine)).HandleOf((handle, made) => Raw.tn_execution_context_create(handle, profile, made)),
            Raw.tn_execution_context_destroy) {
      infos = engine.Infos;
    }

    /// <summary>The profile that is in use. When it is changed, shapes and memory must be set again.</summary>
    public int Profile {
      get => IntOf(Raw.tn_execution_context_get_profile);
      set {
        Enter();
        try {
          using (Use use = new Use(this))
            lock (Owned.Pins) {
              TenonException.Check(Raw.tn_execution_context_set_profile(use.Handle, value));
              foreach (MemoryHandle pin in Owned.Pins.Values) pin.Dispose(); // C has let go of it
              Owned.Pins.Clear();
            }
          results.Clear();
        } finally {
          inUse = 0;
        }
      }
    }

    /// <summary>The dims of an input. Needed for inputs with dynamic dims.</summary>
    public ExecutionContext SetInputShape(string input, params long[] shape) {
      using (Use use = new Use(this))
        fixed (long* dims = Needed(shape, nameof(shape)))
          TenonException.Check(Raw.tn_execution_context_set_input_shape(use.Handle, input, dims, (UIntPtr)shape.Length));
      return this;
    }

    /// <summary>The dims of an input or output at the input shapes that are set.</summary>
    public long[] GetShape(string tensor) {
      return DimsOf((handle, dims, room, size) => Raw.tn_execution_context_get_shape(handle, tensor, dims, room, size));
    }

    /// <summary>The memory of one input or output, in the tensor's format, as bytes. It is pinned and used by every later run until another
    /// is set. Type and shape are not looked at; the size is, when the network runs.</summary>
    public ExecutionContext SetBuffer(string tensor, Memory<byte> memory) {
      return Replace(tensor, memory.Pin(), memory.Length);
    }

    /// <summary>Memory by its address, such as that of a GPU. It must stay valid until another is set or the object is disposed.</summary>
    public ExecutionContext SetBuffer(string tensor, IntPtr address, long size) {
      if (size < 0) throw new ArgumentOutOfRangeException(nameof(size), size, "a size is not negative");
      return Replace(tensor, new MemoryHandle((void*)address), size);
    }

    private ExecutionContext Replace(string tensor, MemoryHandle pin, long size) {
      try {
        Enter();
      } catch {
        pin.Dispose();
        throw;
      }
      try {
        Set(tensor, pin, size);
        results.Remove(tensor);
      } finally {
        inUse = 0;
      }
      return this;
    }

    /// <summary>Owns the pin from now on, also when it fails.</summary>
    private void Set(string tensor, MemoryHandle pin, long size) {
      bool kept = false;
      try {
        using (Use use = new Use(this))
          lock (Owned.Pins) { // what C has and what is pinned are the same
            TenonException.Check(Raw.tn_execution_context_set_buffer(use.Handle, tensor, size == 0 ? IntPtr.Zero : (IntPtr)pin.Pointer,
                (UIntPtr)size));
            Owned.Pins.TryGetValue(tensor, out MemoryHandle old);
            Owned.Pins[tensor] = pin;
            kept = true;
            old.Dispose();
          }
      } finally {
        if (!kept) pin.Dispose();
      }
    }

    /// <summary>Sets shapes and memory of inputs and outputs. <see cref="Run()"/> then uses them, again and again: nothing is copied, nothing
    /// is allocated. Fails with InvalidArgument (no such input or output, another type or shape), OutOfRange (outside the profile), Busy.
    /// </summary>
    /// <param name="inputs">By name.</param>
    /// <param name="outputs">By name; those that are not named get new memory.</param>
    /// <returns>All outputs by name.</returns>
    public Dictionary<string, Tensor> Bind(IReadOnlyDictionary<string, Tensor> inputs,
        IReadOnlyDictionary<string, Tensor> outputs = null) {
      Enter();
      try {
        return BindAll(inputs, outputs);
      } finally {
        inUse = 0;
      }
    }

    private void Enter() {
      if (IsDisposed) throw new InvalidHandleException("the ExecutionContext is disposed");
      if (Interlocked.CompareExchange(ref inUse, 1, 0) != 0)
        throw new BusyException("the execution context is used by another call: make one for each thread");
    }

    private Dictionary<string, Tensor> BindAll(IReadOnlyDictionary<string, Tensor> inputs, IReadOnlyDictionary<string, Tensor> outputs) {
      // Everything is looked at before the first call into the library.
      foreach (KeyValuePair<string, Tensor> input in Needed(inputs, nameof(inputs))) Expect(input.Key, input.Value, IoMode.Input);
      if (outputs != null)
        foreach (KeyValuePair<string, Tensor> output in outputs) Expect(output.Key, output.Value, IoMode.Output);
      foreach (KeyValuePair<string, Tensor> input in inputs) {
        SetInputShape(input.Key, input.Value.Dims);
        Set(input.Key, input.Value.Pin(), input.Value.Bytes);
      }
      foreach (TensorInfo info in infos.Values) {
        if (info.Mode != IoMode.Output) continue;
        long[] shape = GetShape(info.Name);
        if (outputs == null || !outputs.TryGetValue(info.Name, out Tensor tensor)) {
          tensor = Tensor.Allocate(info.DataType, shape);
        } else if (string.Join(",", tensor.Dims) != string.Join(",", shape)) {
          throw new InvalidArgumentException("the output " + info.Name + " has the shape ["
              + string.Join(", ", shape) + "] at these inputs; the tensor is " + tensor);
        }
        Set(info.Name, tensor.Pin(), tensor.Bytes);
        results[info.Name] = tensor;
      }
      return new Dictionary<string, Tensor>(results);
    }

    private void Expect(string name, Tensor tensor, IoMode mode) {
      if (tensor == null) throw new ArgumentNullException(name);
      string kind = mode == IoMode.Input ? "input" : "output", wrong = null;
      if (!infos.TryGetValue(name, out TensorInfo info) || info.Mode != mode) {
        wrong = name + " is no " + kind + " of the engine; its tensors are " + string.Join(", ", infos.Values);
      } else if (info.Format != TensorFormat.Linear) {
        wrong = "the " + kind + " " + name + " is not laid out row by row: use SetBuffer()";
      } else if (info.DataType != tensor.DataType || info.Shape.Count != tensor.Dims.Length) {
        wrong = "the " + kind + " " + info + " cannot be " + tensor;
      }
      if (wrong != null) throw new InvalidArgumentException(wrong);
    }

    /// <summary>Lets go of what is bound: the next run must bind again.</summary>
    internal void Unbind() {
      foreach (string name in infos.Keys) {
        try {
          Set(name, default(MemoryHandle), 0);
        } catch (TenonException) {
          return; // disposed or busy meanwhile: the memory stays pinned as long as it may be used
        }
      }
      results.Clear();
    }

    /// <summary>Prepares everything for the shapes that are set, so that the next run neither plans nor allocates.</summary>
    public void Prepare() {
      Do(Raw.tn_execution_context_prepare);
    }

    /// <summary>Runs the network with what is bound, and returns when the outputs are there. It allocates nothing.</summary>
    public void Run() {
      using (Use use = new Use(this)) TenonException.Check(Raw.tn_execution_context_run(use.Handle));
    }

    /// <summary><see cref="Bind"/> and <see cref="Run()"/>: all outputs by name.</summary>
    public Dictionary<string, Tensor> Run(IReadOnlyDictionary<string, Tensor> inputs, IReadOnlyDictionary<string, Tensor> outputs = null) {
      Enter();
      try {
        Dictionary<string, Tensor> made = BindAll(inputs, outputs);
        Run();
        return made;
      } finally {
        inUse = 0;
      }
    }

    /// <summary>Runs the network and gives the microseconds that the device took.</summary>
    public double RunMeasured() {
      return DoubleOf(Raw.tn_execution_context_run_measured);
    }

    /// <summary>Runs the network one part after the other, and gives microseconds beside the device's own: of copying inputs that do not lie
    /// on the device, that the host took to queue the network's work, of copying outputs.</summary>
    public void RunInParts(out double input, out double enqueue, out double output) {
      double a = 0, b = 0, c = 0;
      using (Use use = new Use(this)) TenonException.Check(Raw.tn_execution_context_run_in_parts(use.Handle, &a, &b, &c));
      input = a;
      enqueue = b;
      output = c;
    }

    /// <summary>Whether the next run is one replay of a recording that the device made of an earlier one; never on the CPU.</summary>
    /// <param name="recordings">How many the context has made.</param>
    public bool GetReplay(out long recordings) {
      int replayed = 0;
      ulong count = 0;
      using (Use use = new Use(this)) TenonException.Check(Raw.tn_execution_context_get_replay(use.Handle, &replayed, &count));
      recordings = (long)count;
      return replayed != 0;
    }

    /// <summary>Why the next run is not a replay; empty if it is one.</summary>
    public string ReplayRefusal => TextOf(Raw.tn_execution_context_get_replay_refusal);

    /// <summary>Starts a run, which <see cref="Wait"/> waits for. What is bound must not be touched until then.</summary>
    /// <param name="stream">On a CUDA device, the cudaStream_t to work on; zero on the CPU.</param>
    public void Enqueue(IntPtr stream = default(IntPtr)) {
      Do(handle => Raw.tn_execution_context_enqueue(handle, stream));
    }

    /// <summary>Waits for the run that was enqueued and gives its result. Returns at once if there is none.</summary>
    public void Wait() {
      Do(Raw.tn_execution_context_wait);
    }

    /// <summary>Starts a run with what is bound, or, with inputs, binds them before. Neither the context nor what is bound may be used until
    /// the task is complete; it fails as <see cref="Run()"/> does, and cannot be cancelled.</summary>
    public Task<Dictionary<string, Tensor>> RunAsync(IReadOnlyDictionary<string, Tensor> inputs = null) {
      Enter();
      Dictionary<string, Tensor> outputs;
      try {
        outputs = inputs == null ? new Dictionary<string, Tensor>(results) : BindAll(inputs, null);
        Enqueue();
      } catch {
        inUse = 0;
        throw;
      }
      return Task.Run(() => {
        try {
          Wait();
          return outputs;
        } finally {
          inUse = 0;
        }
      });
    }

    /// <summary>Who is told the time of each layer, in order, on the thread that runs the network, which it holds up; null: nobody. It must
    /// not call the context, or another one of its engine. What it throws comes out of the run, once that has ended. It is kept until
    /// another is set or this object goes: if it refers to this object, dispose this object.</summary>
    public ExecutionContext SetProfiler(Action<LayerTime> profiler) {
      using (Use use = new Use(this)) {
        if (profiler == null) {
          TenonException.Check(Raw.tn_execution_context_set_profiler(use.Handle, null));
        } else {
          tn_profiler_callbacks table = tn_profiler_callbacks.Of(new Profiler { Layer = profiler });
          TenonException.Check(Raw.tn_execution_context_set_profiler(use.Handle, &table));
        }
      }
      return this;
    }

    private sealed class Profiler : IProfiler {
      internal Action<LayerTime> Layer;

      public void layer(UIntPtr index, string name, string kernel, string origins, double microseconds) {
        Layer(new LayerTime { Index = (long)index, Name = name, Kernel = kernel, Origins = Lines(origins), Microseconds = microseconds });
      }

      public void release() {}
    }

    internal static IReadOnlyList<string> Lines(string text) {
      return text.Split(new[] { '\n' }, StringSplitOptions.RemoveEmptyEntries);
    }
  }
}
