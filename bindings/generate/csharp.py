"""Callbacks.cs: a structure, an interface and trampolines for each table of callbacks. C# makes its own C functions."""
from callbacks import WRITTEN, camel, callbacks_of, indent

NUMBERS = {"int32_t": "int", "uint32_t": "uint", "int64_t": "long", "uint64_t": "ulong", "size_t": "UIntPtr", "double": "double"}


def raw_type(type_, api):
    if api.enum(type_):
        return "int"
    if type_ in NUMBERS:
        return NUMBERS[type_]
    return {"const char *": "byte*", "void **": "IntPtr*"}.get(type_, "IntPtr")


def public_type(a):
    return NUMBERS[a.base] if a.kind == "number" else "IntPtr" if a.kind == "address" else "string"


def xml(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def summary(text, by):
    return indent(f"<summary>{xml(text)}</summary>", by, "/// ")


def structure(struct):
    members = "\n".join(f"    internal {'UIntPtr' if m.type == 'size_t' else 'IntPtr'} {m.name};" for m in struct.members)
    return f"""  [StructLayout(LayoutKind.Sequential)]
  internal unsafe struct {struct.name} {{
{members}

    /// <summary>A table over an object, which is kept until the table is released. Give it to one function, once.</summary>
    internal static {struct.name} Of(I{camel(struct.noun)} target) {{
      return {camel(struct.noun)}Trampolines.Table(target);
    }}
  }}"""


def interface(api, struct):
    lines = [summary(struct.doc, 2), f"  internal interface I{camel(struct.noun)} : ICallbacks {{"]
    for c in callbacks_of(api, struct):
        parameters = ", ".join(f"{public_type(a)} {a.name}" for a in c.inputs)
        lines += [summary(c.member.doc, 4), f"    {'IntPtr' if c.result else 'void'} {c.name}({parameters});"]
    return "\n".join(lines + ["  }"])


def trampoline(api, c):
    name = camel(c.struct.noun)
    parameters = ", ".join(["IntPtr user_data", *(f"{raw_type(p.type, api)} {p.name}" for p in c.all)])
    values = []
    for a in c.inputs:
        values.append({"number": a.name, "address": a.name, "text": f"Text.Of({a.name})",
                       "sized": f"Text.Of({a.name}, (int){a.name}_size)"}[a.kind])
    call = f"(({'I' + name})GCHandle.FromIntPtr(user_data).Target).{c.name}({', '.join(values)})"
    returns = "IntPtr" if c.fallible else "void"
    lines = ["    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]",
             f"    private delegate {returns} {c.name}_function({parameters});",
             f"    private static readonly {c.name}_function {c.name}_delegate = {c.name};", "",
             f"    private static {returns} {c.name}({parameters}) {{", "      try {",
             f"        {'*' + c.result.name + ' = ' if c.result else ''}{call};"]
    lines += ["        return IntPtr.Zero;"] if c.fallible else []
    lines += ["      } catch (Exception thrown) {"]
    if c.result:
        lines.append(f"        *{c.result.name} = IntPtr.Zero;")
    lines += ["        return Callbacks.ErrorOf(thrown);" if c.fallible else "        Callbacks.Unraisable(thrown);", "      }", "    }"]
    return "\n".join(lines)


def trampolines(api, struct):
    every = callbacks_of(api, struct)
    fields = "\n".join(f"      table.{c.name} = Marshal.GetFunctionPointerForDelegate({c.name}_delegate);" for c in every)
    return "\n\n".join([f"  internal static unsafe class {camel(struct.noun)}Trampolines {{\n" + "\n\n".join(
        trampoline(api, c) for c in every), f"""    internal static {struct.name} Table(I{camel(struct.noun)} target) {{
      {struct.name} table = default({struct.name});
      table.struct_size = (UIntPtr)sizeof({struct.name});
{fields}
      table.release = Callbacks.Release;
      table.user_data = GCHandle.ToIntPtr(GCHandle.Alloc(target));
      return table;
    }}
  }}"""])


def source(api):
    parts = [f"""// {WRITTEN}
using System;
using System.Runtime.InteropServices;

namespace Tenon.Interop {{
  /// <summary>What every table of callbacks has.</summary>
  internal interface ICallbacks {{
    /// <summary>Called exactly once, when nothing needs the table any more.</summary>
    void release();
  }}

  /// <summary>An exception that says which code the error that carries it has; others have TN_ERROR_CALLBACK.</summary>
  internal interface IHasErrorCode {{
    int ErrorCode {{ get; }}
  }}

  internal static class Callbacks {{
    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    private delegate void ReleaseFunction(IntPtr user_data);

    private static readonly ReleaseFunction release = Drop;
    internal static readonly IntPtr Release = Marshal.GetFunctionPointerForDelegate(release);

    /// <summary>Hears of what callbacks throw that cannot fail.</summary>
    internal static Action<Exception> OnUnraisable = thrown => Console.Error.WriteLine("Exception in a callback: " + thrown);

    /// <summary>An error that carries what was thrown; ThrownIn() gives it back.</summary>
    internal static IntPtr ErrorOf(Exception thrown) {{
      try {{
        int code = thrown is IHasErrorCode coded ? coded.ErrorCode : Raw.TN_ERROR_CALLBACK;
        string message = (thrown.Message ?? "").Replace('\\0', ' ');
        return Raw.tn_error_create(code, message.Length > 0 ? message : thrown.GetType().FullName, Slots.Put(thrown), Slots.Release);
      }} catch (Exception) {{
        return Raw.tn_error_create(Raw.TN_ERROR_OUT_OF_MEMORY, "no memory for an exception", IntPtr.Zero, IntPtr.Zero);
      }}
    }}

    /// <summary>What a callback threw and an error carries; null if the error does not come from a callback in C#.</summary>
    internal static Exception ThrownIn(IntPtr error) {{
      return Slots.Get(Raw.tn_error_get_payload(error)) as Exception;
    }}

    internal static void Unraisable(Exception thrown) {{
      try {{
        OnUnraisable(thrown);
      }} catch (Exception) {{
        // There is nobody left to tell.
      }}
    }}

    private static void Drop(IntPtr user_data) {{
      GCHandle handle = GCHandle.FromIntPtr(user_data);
      try {{
        ((ICallbacks)handle.Target).release();
      }} catch (Exception thrown) {{
        Unraisable(thrown);
      }}
      handle.Free();
    }}
  }}
"""]
    for struct in api.structs:
        parts += ["\n\n".join([structure(struct), interface(api, struct), trampolines(api, struct)]), ""]
    return "\n".join(parts).rstrip() + "\n}\n"
