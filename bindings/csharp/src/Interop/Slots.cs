using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;

namespace Tenon.Interop {
  /// <summary>Exceptions that lie in errors: each under an address of its own. Addresses that others have put into errors are
  /// no slots, and are never followed.</summary>
  internal static class Slots {
    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    private delegate void ReleaseFunction(IntPtr slot);

    private static readonly Dictionary<IntPtr, object> objects = new Dictionary<IntPtr, object>();
    private static readonly ReleaseFunction release = Drop;

    /// <summary>For tn_error_create().</summary>
    internal static readonly IntPtr Release = Marshal.GetFunctionPointerForDelegate(release);

    internal static IntPtr Put(object kept) {
      IntPtr slot = Marshal.AllocHGlobal(1);
      lock (objects) objects[slot] = kept;
      return slot;
    }

    /// <summary>Null if the address is no slot.</summary>
    internal static object Get(IntPtr slot) {
      lock (objects) return objects.TryGetValue(slot, out object kept) ? kept : null;
    }

    private static void Drop(IntPtr slot) {
      try {
        bool there;
        lock (objects) there = objects.Remove(slot);
        if (there) Marshal.FreeHGlobal(slot);
      } catch (Exception) {
        // Nothing may leave a function that C calls.
      }
    }
  }
}
