using System;
using System.Buffers;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using System.Text;
using Tenon.Interop;

namespace Tenon {
  /// <summary>What concerns the library as a whole.</summary>
  public static unsafe class Library {
    /// <summary>10000 × major + 100 × minor + patch of the library that is loaded.</summary>
    public static int Version => (int)Raw.tn_version();

    /// <summary>Version of the binary interface of the library that is loaded.</summary>
    public static int AbiVersion => (int)Raw.tn_abi_version();

    /// <summary>One line about how the library was built: version, compiler, modules.</summary>
    public static string BuildInfo => Raw.tn_build_info();

    /// <summary>Names of the devices that can be used.</summary>
    public static IReadOnlyList<string> Devices {
      get {
        List<string> names = new List<string>();
        for (ulong i = 0; i < (ulong)Raw.tn_device_count(); ++i) {
          UIntPtr index = (UIntPtr)i;
          names.Add(NativeObject.Text(IntPtr.Zero, (_, buffer, room, size) => Raw.tn_device_at(index, buffer, room, size)));
        }
        return names;
      }
    }

    /// <summary>For tests: number of objects of a type ("engine", "blob"), "internal", or "all", that exist in this process.</summary>
    public static long LiveCount(string type) {
      long count = 0;
      TenonException.Check(Raw.tn_debug_get_live_count(type, &count));
      return count;
    }

    /// <summary>Hears of what callbacks throw that cannot fail, such as a logger's; at first the error output does.</summary>
    public static Action<Exception> OnUnraisable {
      get => Callbacks.OnUnraisable;
      set => Callbacks.OnUnraisable = value ?? throw new ArgumentNullException(nameof(value));
    }

    /// <summary>Short name of a type: "f32", "i64"; "?" for a number that names none.</summary>
    public static string NameOf(DataType type) {
      return Raw.tn_data_type_get_name((int)type);
    }

    /// <summary>Bytes of one element; 0 for types without a fixed size.</summary>
    public static int SizeOf(DataType type) {
      return (int)Raw.tn_data_type_get_size((int)type);
    }
  }

  /// <summary>Immutable bytes: plans, caches, documents, models. Any thread.</summary>
  public sealed unsafe class Blob : NativeObject {
    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    private delegate void ReleaseFunction(IntPtr pin);
    private static readonly ReleaseFunction unpin = Unpin;

    internal Blob(IntPtr handle) : base(handle, Raw.tn_blob_destroy) {}

    /// <summary>With a copy of the bytes.</summary>
    public Blob(ReadOnlySpan<byte> bytes) : this(Copy(bytes)) {}

    private static IntPtr Copy(ReadOnlySpan<byte> bytes) {
      IntPtr made = IntPtr.Zero;
      fixed (byte* data = bytes) TenonException.Check(Raw.tn_blob_create(data, (UIntPtr)bytes.Length, &made));
      return made;
    }

    /// <summary>Refers to the bytes, which are pinned and must not change while the blob, or what was made from it, lives. Nothing is
    /// copied.</summary>
    public static Blob Take(ReadOnlyMemory<byte> bytes) {
      MemoryHandle pin = bytes.Pin();
      GCHandle kept = GCHandle.Alloc(pin);
      return new Blob(Made(made => Raw.tn_blob_create_take(pin.Pointer, (UIntPtr)bytes.Length, GCHandle.ToIntPtr(kept),
          Marshal.GetFunctionPointerForDelegate(unpin), made)));
    }

    private static void Unpin(IntPtr address) {
      try {
        GCHandle kept = GCHandle.FromIntPtr(address);
        ((MemoryHandle)kept.Target).Dispose();
        kept.Free();
      } catch (Exception thrown) {
        Callbacks.Unraisable(thrown);
      }
    }

    /// <summary>With the contents of a file.</summary>
    public static Blob FromFile(string path) {
      return new Blob(Made(made => Raw.tn_blob_create_from_file(path, made)));
    }

    /// <summary>A second owner of the same bytes.</summary>
    public Blob Share() {
      return new Blob(HandleOf(Raw.tn_blob_create_shared));
    }

    /// <summary>Replaces the file as a whole: a reader finds the old contents or the new.</summary>
    public void Save(string path) {
      Do(handle => Raw.tn_blob_save(handle, path));
    }

    /// <summary>Number of bytes.</summary>
    public long Size {
      get {
        Locate(out void* _, out long size);
        return size;
      }
    }

    /// <summary>The bytes are there as long as the caller keeps the blob from being destroyed.</summary>
    internal void Locate(out void* data, out long size) {
      void* at = null;
      UIntPtr count = UIntPtr.Zero;
      using (Use use = new Use(this)) TenonException.Check(Raw.tn_blob_get_data(use.Handle, &at, &count));
      data = at;
      size = (long)count;
    }

    /// <summary>The bytes where they are. The memory keeps them alive, also when this object is disposed. A blob of 2 GiB or more has
    /// none: <see cref="Save"/> it.</summary>
    public ReadOnlyMemory<byte> Memory => new BlobMemory(Share()).Memory;

    private sealed class BlobMemory : MemoryManager<byte> {
      private readonly Blob owner;
      private readonly byte* data;
      private readonly int size;

      internal BlobMemory(Blob owner) {
        this.owner = owner;
        owner.Locate(out void* at, out long count);
        if (count > int.MaxValue) {
          owner.Dispose();
          throw new UnsupportedException("a memory holds less than 2 GiB; the blob has " + count + " bytes");
        }
        data = (byte*)at;
        size = (int)count;
      }

      public override Span<byte> GetSpan() {
        return new Span<byte>(data, size);
      }

      public override MemoryHandle Pin(int elementIndex = 0) {
        return new MemoryHandle(data + elementIndex, default(GCHandle), this);
      }

      public override void Unpin() {}

      protected override void Dispose(bool disposing) {
        if (disposing) owner.Dispose();
      }
    }

    /// <summary>A copy of the bytes.</summary>
    public byte[] ToArray() {
      byte[] copy;
      using (Blob held = Share()) {
        held.Locate(out void* data, out long size);
        copy = new ReadOnlySpan<byte>(data, checked((int)size)).ToArray();
      }
      return copy;
    }

    /// <summary>A document, as UTF-8.</summary>
    public string Text() {
      return Encoding.UTF8.GetString(ToArray());
    }
  }

  /// <summary>A device of this machine: "cpu", "cuda", "cuda:1". Immutable; any thread.</summary>
  public sealed unsafe class Device : NativeObject {
    /// <summary>A device by name. Fails with Unsupported (not on this machine), NotFound (unknown).</summary>
    public Device(string name) : base(Made(made => Raw.tn_device_create(name, made)), Raw.tn_device_destroy) {}

    /// <summary>Kind of the device.</summary>
    public DeviceType Type => (DeviceType)IntOf(Raw.tn_device_get_type);

    /// <summary>"cpu", "cuda".</summary>
    public string Name => TextOf(Raw.tn_device_get_name);

    /// <summary>Of a CPU its instruction sets, of a GPU its architecture and product.</summary>
    public IReadOnlyList<string> Features => TextOf(Raw.tn_device_get_features).Split(',');

    /// <summary>Threads that this process may run at once: what a thread count of 0 stands for. 0 for devices without a limit.</summary>
    public int ThreadCount => IntOf(Raw.tn_device_get_thread_count);
  }

  /// <summary>Where the library's messages go. Immutable; any thread. It lives on in what uses it.</summary>
  public sealed unsafe class Logger : NativeObject {
    /// <param name="sink">Takes one message, on any thread that works for an object that has the logger, perhaps on several at once.
    /// It may call the library, but not the object that is being used. What it throws, Library.OnUnraisable hears.</param>
    /// <param name="maxSeverity">Messages that matter less are not made.</param>
    public Logger(Action<Severity, string> sink, Severity maxSeverity = Severity.Warning)
        : base(Create(sink, maxSeverity), Raw.tn_logger_destroy) {}

    private static IntPtr Create(Action<Severity, string> sink, Severity maxSeverity) {
      tn_logger_callbacks table = tn_logger_callbacks.Of(new Sink { Take = sink ?? throw new ArgumentNullException(nameof(sink)) });
      IntPtr made = IntPtr.Zero;
      TenonException.Check(Raw.tn_logger_create(&table, (int)maxSeverity, &made));
      return made;
    }

    private sealed class Sink : ILogger {
      internal Action<Severity, string> Take;
      public void log(int severity, string message) { Take((Severity)severity, message); }
      public void release() {}
    }
  }

  /// <summary>Gives memory and takes it back: on any thread, perhaps on several at once. It must not call the library.</summary>
  public interface IMemorySource {
    /// <summary>The address of size &gt; 0 bytes at a multiple of alignment, a power of two; zero for lack of memory. What it throws
    /// comes out of the call that needed the memory.</summary>
    IntPtr Allocate(long size, long alignment);

    /// <summary>Takes memory back, with the numbers it was asked for. Must not throw.</summary>
    void Deallocate(IntPtr memory, long size, long alignment);
  }

  /// <summary>Where the large memory of engines comes from. Immutable; any thread. It lives on in what uses it.</summary>
  public sealed unsafe class Allocator : NativeObject {
    /// <summary>An allocator over a source of memory.</summary>
    public Allocator(IMemorySource source) : base(Create(source), Raw.tn_allocator_destroy) {}

    private static IntPtr Create(IMemorySource source) {
      tn_allocator_callbacks table = tn_allocator_callbacks.Of(
          new Source { Memory = source ?? throw new ArgumentNullException(nameof(source)) });
      IntPtr made = IntPtr.Zero;
      TenonException.Check(Raw.tn_allocator_create(&table, &made));
      return made;
    }

    private sealed class Source : IAllocator {
      internal IMemorySource Memory;
      public IntPtr allocate(UIntPtr size, UIntPtr alignment) { return Memory.Allocate((long)size, (long)alignment); }
      public void deallocate(IntPtr memory, UIntPtr size, UIntPtr alignment) {
        Memory.Deallocate(memory, (long)size, (long)alignment);
      }
      public void release() {}
    }
  }
}
