"""Callbacks.java: an interface for each table of callbacks, and what the trampolines in C call; and those trampolines."""
from callbacks import WRITTEN, camel, callbacks_of, indent

JAVA = {"int32_t": "int", "uint32_t": "int", "int64_t": "long", "uint64_t": "long", "size_t": "long", "double": "double"}
SIGNATURES = {"int": "I", "long": "J", "double": "D", "byte[]": "[B", "long[]": "[J"}


def java_type(a, raw=False):
    return JAVA[a.base] if a.kind == "number" else "long" if a.kind == "address" else "byte[]" if raw else "String"


def java_name(name):
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)


# --- in Java -----------------------------------------------------------------------------------------------------------
def interface(api, struct):
    lines = [indent("/**\n" + indent(struct.doc, 1, "* ").lstrip("\n") + "\n */", 2),
             f"  public interface {camel(struct.noun)} {{"]
    for c in callbacks_of(api, struct):
        parameters = ", ".join(f"{java_type(a)} {java_name(a.name)}" for a in c.inputs)
        lines += [f"    /** {c.member.doc} */",
                  f"    {'long' if c.result else 'void'} {c.name}({parameters}){' throws Throwable' if c.fallible else ''};", ""]
    lines += [f"    /** {next(m.doc for m in struct.functions if m.name == 'release')} */", "    default void release() {}",
              "  }"]
    return "\n".join(lines)


def dispatcher(c):
    """A static method that the trampoline calls: it catches everything."""
    parameters = ", ".join([f"{camel(c.struct.noun)} self", *(f"{java_type(a, True)} {java_name(a.name)}" for a in c.inputs),
                            *(["long[] result"] if c.result else [])])
    values = ", ".join(f"Text.of({java_name(a.name)})" if a.kind in ("text", "sized") else java_name(a.name) for a in c.inputs)
    call = f"self.{c.name}({values})"
    body = [f"      {'result[0] = ' if c.result else ''}{call};"] + (["      return 0;"] if c.fallible else [])
    caught = "      return errorOf(thrown);" if c.fallible else "      unraisable(thrown);"
    return "\n".join([f"  static {'long' if c.fallible else 'void'} {c.struct.noun}_{c.name}({parameters}) {{", "    try {",
                      *body, "    } catch (Throwable thrown) {", caught, "    }", "  }"])


def source(api):
    parts = [f"""// {WRITTEN}
package dev.tenon.internal;

/** What C calls in Java: one interface for each table of callbacks. */
public final class Callbacks {{
  private Callbacks() {{}}

  /** An exception that says which code the error that carries it has; others have TN_ERROR_CALLBACK. */
  public interface HasErrorCode {{
    int errorCode();
  }}

  /** An error that carries what was thrown; {{@link #thrownIn}} gives it back. */
  static long errorOf(Throwable thrown) {{
    String message = String.valueOf(thrown.getMessage() == null ? thrown : thrown.getMessage()).replace('\\0', ' ');
    int code = thrown instanceof HasErrorCode ? ((HasErrorCode) thrown).errorCode() : Raw.TN_ERROR_CALLBACK;
    long slot = Raw.slot(thrown);
    return Raw.tn_error_create(code, message.isEmpty() ? thrown.toString() : message, slot, slot == 0 ? 0 : Raw.slot_release());
  }}

  /** What a callback threw and an error carries; null if the error does not come from a callback in Java. */
  public static Throwable thrownIn(long error) {{
    return (Throwable) Raw.payload(Raw.tn_error_get_payload(error));
  }}

  /** For callbacks that cannot fail: the thread's handler hears of what they throw. */
  static void unraisable(Throwable thrown) {{
    try {{
      Thread thread = Thread.currentThread();
      thread.getUncaughtExceptionHandler().uncaughtException(thread, thrown);
    }} catch (Throwable ignored) {{
      // There is nobody left to tell.
    }}
  }}

  static void release(Object self) {{
    try {{"""]
    for index, struct in enumerate(api.structs):
        name = camel(struct.noun)
        parts.append(f"      if (self instanceof {name}) {{\n        (({name}) self).release();\n        return;\n      }}")
    parts.append("    } catch (Throwable thrown) {\n      unraisable(thrown);\n    }\n  }")
    for struct in api.structs:
        parts += ["", interface(api, struct)]
        for c in callbacks_of(api, struct):
            parts += ["", dispatcher(c)]
    return "\n".join(parts) + "\n}\n"


# --- in C --------------------------------------------------------------------------------------------------------------
def method_variable(c):
    return f"tenon_java_{c.struct.noun}_{c.name}_method"


def trampoline(c):
    fails = "return tenon_java_gone();" if c.fallible else "return;"
    lines = [f"static {'tn_error_t' if c.fallible else 'void'} tenon_java_{c.struct.noun}_{c.name}({c.c_parameters()}) {{",
             "  JNIEnv *env = tenon_java_enter();"]
    if c.fallible:
        lines.append("  jlong error;")
    if c.result:
        lines += ["  jlongArray result;", "  jlong value = 0;", f"  *{c.result.name} = NULL;"]
    lines += [f"  if (!env || (*env)->PushLocalFrame(env, 16) != 0) {fails}"]
    if c.result:
        lines.append("  result = (*env)->NewLongArray(env, 1);")
    values = []
    for a in c.inputs:
        values.append({"number": f"({ {'int': 'jint', 'long': 'jlong', 'double': 'jdouble'}[java_type(a)] if a.kind == 'number' else ''})"
                                 f"{a.name}",
                       "text": f"tenon_java_bytes(env, {a.name}, {a.name} ? strlen({a.name}) : 0)",
                       "sized": f"tenon_java_bytes(env, {a.name}, {a.name}_size)",
                       "address": f"(jlong)(uintptr_t){a.name}"}[a.kind])
    arguments = ", ".join(["env", "tenon_java_callbacks", method_variable(c), "(jobject)user_data", *values,
                           *(["result"] if c.result else [])])
    if c.fallible:
        lines += [f"  error = (*env)->CallStaticLongMethod({arguments});",
                  "  if ((*env)->ExceptionCheck(env)) error = (jlong)(uintptr_t)tenon_java_failed(env);"]
        if c.result:
            lines += ["  if (!error) (*env)->GetLongArrayRegion(env, result, 0, 1, &value);",
                      f"  *{c.result.name} = (void *)(uintptr_t)value;"]
        lines += ["  (*env)->PopLocalFrame(env, NULL);", "  return (tn_error_t)(uintptr_t)error;"]
    else:
        lines += [f"  (*env)->CallStaticVoidMethod({arguments});", "  (*env)->ExceptionClear(env);",
                  "  (*env)->PopLocalFrame(env, NULL);"]
    return "\n".join(lines + ["}"])


def signature(c):
    types = "".join(SIGNATURES[java_type(a, True)] for a in c.inputs) + ("[J" if c.result else "")
    return f"(Ldev/tenon/internal/Callbacks${camel(c.struct.noun)};{types}){'J' if c.fallible else 'V'}"


def c_source(api):
    every = [c for struct in api.structs for c in callbacks_of(api, struct)]
    parts = [f"/* {WRITTEN} */", "\n".join(["static jmethodID tenon_java_release_method;",
                                           *(f"static jmethodID {method_variable(c)};" for c in every)])]
    lines = ["static jmethodID tenon_java_resolve_callbacks(JNIEnv *env) {",
             '  tenon_java_release_method = (*env)->GetStaticMethodID(env, tenon_java_callbacks, "release", '
             '"(Ljava/lang/Object;)V");', "  if (!tenon_java_release_method) return NULL;"]
    for c in every:
        lines += [f"  {method_variable(c)} = (*env)->GetStaticMethodID(env, tenon_java_callbacks, "
                  f'"{c.struct.noun}_{c.name}", "{signature(c)}");', f"  if (!{method_variable(c)}) return NULL;"]
    parts.append("\n".join(lines + ["  return tenon_java_release_method;", "}"]))
    parts.append("""static void tenon_java_release(void *user_data) {
  JNIEnv *env = tenon_java_enter();
  if (!env) return;
  (*env)->CallStaticVoidMethod(env, tenon_java_callbacks, tenon_java_release_method, (jobject)user_data);
  (*env)->ExceptionClear(env);
  (*env)->DeleteGlobalRef(env, (jobject)user_data);
}""")
    for struct in api.structs:
        parts += [trampoline(c) for c in callbacks_of(api, struct)]
        lines = [f"static void tenon_java_{struct.noun}_callbacks({struct.name} *table) {{",
                 f"  {struct.init}(table, sizeof *table);"]
        lines += [f"  table->{c.name} = tenon_java_{struct.noun}_{c.name};" for c in callbacks_of(api, struct)]
        parts.append("\n".join(lines + ["  table->release = tenon_java_release;", "}"]))
    return "\n\n".join(parts) + "\n"
