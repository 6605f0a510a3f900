"""trampolines_python.h: callback tables over Python objects, whose methods have the names of the callbacks."""
from callbacks import WRITTEN, callbacks_of

FORMATS = {"int32_t": ("i", "(int)"), "uint32_t": ("I", "(unsigned int)"), "int64_t": ("L", "(long long)"),
           "uint64_t": ("K", "(unsigned long long)"), "size_t": ("K", "(unsigned long long)"), "double": ("d", "")}


def trampoline(callback):
    formats, values = "", []
    for a in callback.inputs:
        if a.kind == "number":
            formats += FORMATS[a.base][0]
            values.append(FORMATS[a.base][1] + a.name)
        else:
            formats += "N"
            values.append({"text": f"tenon_python_text({a.name}, {a.name} ? strlen({a.name}) : 0)",
                           "sized": f"tenon_python_text({a.name}, {a.name}_size)",
                           "address": f"PyLong_FromVoidPtr((void *){a.name})"}[a.kind])
    call = ", ".join(["(PyObject *)user_data", f'"{callback.name}"', f'"{formats}"' if formats else "NULL", *values])
    out = f"*{callback.result.name}" if callback.result else ""
    lines = [f"static {'tn_error_t' if callback.fallible else 'void'} tenon_python_{callback.struct.noun}_{callback.name}"
             f"({callback.c_parameters()}) {{", "  PyGILState_STATE state;", "  PyObject *result;"]
    if callback.fallible:
        lines.append("  tn_error_t error = NULL;")
    if out:
        lines.append(f"  {out} = NULL;")
    lines += [f"  if (!tenon_python_enter(&state)) return{' tenon_python_gone()' if callback.fallible else ''};",
              f"  result = PyObject_CallMethod({call});"]
    if out:
        lines += [f"  if (!result || !tenon_python_address(result, {callback.result.name})) error = tenon_python_error();"]
    elif callback.fallible:
        lines += ["  if (!result) error = tenon_python_error();"]
    else:
        lines += ["  if (!result) PyErr_WriteUnraisable((PyObject *)user_data);"]
    lines += ["  Py_XDECREF(result);", "  PyGILState_Release(state);"]
    return "\n".join(lines + (["  return error;"] if callback.fallible else []) + ["}"])


def table(api, struct):
    """The table of an object: None gives NULL; a method that the object lacks is NULL, which the library judges."""
    lines = [f"static void tenon_python_{struct.noun}_callbacks(PyObject *object, {struct.name} *table) {{",
             f"  {struct.init}(table, sizeof *table);", "  table->user_data = object;"]
    for callback in callbacks_of(api, struct):
        lines.append(f'  if (PyObject_HasAttrString(object, "{callback.name}")) '
                     f"table->{callback.name} = tenon_python_{struct.noun}_{callback.name};")
    return "\n".join(lines + ["  table->release = tenon_python_release;", "}"])


def source(api):
    parts = [f"/* {WRITTEN} */"]
    for struct in api.structs:
        parts += [trampoline(c) for c in callbacks_of(api, struct)]
        parts.append(table(api, struct))
    return "\n\n".join(parts) + "\n"
