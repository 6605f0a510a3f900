using System;
using System.Collections.Generic;
using System.Buffers;
using System.Runtime.InteropServices;
using System.Text;
using Tenon.Interop;

namespace Tenon {
  internal delegate void Destroy(IntPtr handle);

  /// <summary>A handle, and the memory that stays pinned until it is destroyed.</summary>
  internal sealed class NativeHandle : SafeHandle {
    private readonly Destroy destroy;

    /// <summary>By tensor. Guarded by itself.</summary>
    internal readonly Dictionary<string, MemoryHandle> Pins = new Dictionary<string, MemoryHandle>();

    internal NativeHandle(IntPtr handle, Destroy destroy) : base(IntPtr.Zero, true) {
      this.destroy = destroy;
      SetHandle(handle);
    }

    public override bool IsInvalid => handle == IntPtr.Zero;

    protected override bool ReleaseHandle() {
      destroy(handle);
      foreach (MemoryHandle pin in Pins.Values) pin.Dispose();
      Pins.Clear();
      return true;
    }
  }

  /// <summary>The right to use a handle: it is not destroyed before this ends.</summary>
  internal struct Use : IDisposable {
    private readonly NativeHandle owner;
    internal readonly IntPtr Handle;

    internal Use(NativeObject of) {
      owner = of == null ? null : of.Owned;
      Handle = IntPtr.Zero;
      if (owner == null) return;
      bool added = false;
      try {
        owner.DangerousAddRef(ref added);
      } catch (ObjectDisposedException) {
        throw new InvalidHandleException("the " + of.GetType().Name + " is disposed");
      }
      Handle = owner.DangerousGetHandle();
    }

    public void Dispose() {
      if (owner != null) owner.DangerousRelease();
    }
  }

  /// <summary>An object of the library. It ends with Dispose(), or when it is collected: in any order, on any thread, any number of
  /// times. A call that is under way on another thread ends first. What still needs the thing behind it keeps that alive: a context
  /// its engine, an engine its allocator. A disposed object answers every call with <see cref="ErrorCode.InvalidHandle"/>.</summary>
  public abstract unsafe class NativeObject : IDisposable {
    internal readonly NativeHandle Owned;

    internal NativeObject(IntPtr handle, Destroy destroy) {
      Owned = new NativeHandle(handle, destroy);
    }

    /// <summary>Ends the object. A second call does nothing.</summary>
    public virtual void Dispose() {
      Owned.Dispose();
    }

    /// <summary>Whether Dispose() was called.</summary>
    public bool IsDisposed => Owned.IsClosed;

    // --- calls ------------------------------------------------------------------------------------------------------------

    internal delegate IntPtr Call(IntPtr handle);
    internal delegate IntPtr CallWith(IntPtr handle, IntPtr other);
    internal delegate IntPtr IntOut(IntPtr handle, int* value);
    internal delegate IntPtr LongOut(IntPtr handle, long* value);
    internal delegate IntPtr ULongOut(IntPtr handle, ulong* value);
    internal delegate IntPtr SizeOut(IntPtr handle, UIntPtr* value);
    internal delegate IntPtr DoubleOut(IntPtr handle, double* value);
    internal delegate IntPtr HandleOut(IntPtr handle, IntPtr* value);
    internal delegate IntPtr Creator(IntPtr* made);
    internal delegate IntPtr TextOut(IntPtr handle, byte* buffer, UIntPtr bufferSize, UIntPtr* size);
    internal delegate IntPtr DimsOut(IntPtr handle, long* dims, UIntPtr dimsSize, UIntPtr* size);

    /// <summary>An argument that must not be null.</summary>
    internal static T Needed<T>(T argument, string name) where T : class {
      return argument ?? throw new ArgumentNullException(name);
    }

    internal void Do(Call call) {
      using (Use use = new Use(this)) TenonException.Check(call(use.Handle));
    }

    /// <summary>With another object, whose handle is zero if it is null.</summary>
    internal void DoWith(NativeObject other, CallWith call) {
      using (Use use = new Use(this))
      using (Use with = new Use(other)) TenonException.Check(call(use.Handle, with.Handle));
    }

    internal int IntOf(IntOut get) {
      int value = 0;
      using (Use use = new Use(this)) TenonException.Check(get(use.Handle, &value));
      return value;
    }

    internal long LongOf(LongOut get) {
      long value = 0;
      using (Use use = new Use(this)) TenonException.Check(get(use.Handle, &value));
      return value;
    }

    internal long ULongOf(ULongOut get) {
      ulong value = 0;
      using (Use use = new Use(this)) TenonException.Check(get(use.Handle, &value));
      return (long)value;
    }

    internal long SizeOf(SizeOut get) {
      UIntPtr value = UIntPtr.Zero;
      using (Use use = new Use(this)) TenonException.Check(get(use.Handle, &value));
      return (long)value;
    }

    internal double DoubleOf(DoubleOut get) {
      double value = 0;
      using (Use use = new Use(this)) TenonException.Check(get(use.Handle, &value));
      return value;
    }

    internal IntPtr HandleOf(HandleOut get) {
      IntPtr value = IntPtr.Zero;
      using (Use use = new Use(this)) TenonException.Check(get(use.Handle, &value));
      return value;
    }

    internal string TextOf(TextOut get) {
      using (Use use = new Use(this)) return Text(use.Handle, get);
    }

    internal long[] DimsOf(DimsOut get) {
      long[] dims = new long[Raw.TN_MAX_RANK];
      UIntPtr size = UIntPtr.Zero;
      using (Use use = new Use(this))
        fixed (long* room = dims) TenonException.Check(get(use.Handle, room, (UIntPtr)dims.Length, &size));
      Array.Resize(ref dims, (int)size);
      return dims;
    }

    internal static IntPtr Made(Creator create) {
      IntPtr made = IntPtr.Zero;
      TenonException.Check(create(&made));
      return made;
    }

    /// <summary>A text of at most 256 bytes takes one call, a longer one as many as it needs.</summary>
    internal static string Text(IntPtr handle, TextOut get) {
      for (byte[] buffer = new byte[257];;) {
        UIntPtr size = UIntPtr.Zero;
        fixed (byte* room = buffer) TenonException.Check(get(handle, room, (UIntPtr)buffer.Length, &size));
        if ((ulong)size < (ulong)buffer.Length) return Encoding.UTF8.GetString(buffer, 0, (int)size);
        buffer = new byte[(int)size + 1];
      }
    }
  }
}
