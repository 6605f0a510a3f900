"""trampolines_python.h: callback tables over Python objects, whose methods have the names of the callbacks.
_raw.pyi: the types of the raw module's functions."""
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


# --- _raw.pyi ------------------------------------------------------------------------------------------------------------
PASSED = {"handle": "int | None", "pointer": "int | None", "function": "int | None", "callbacks": "object", "enum": "int",
          "text": "str | None", "array": "ReadableBuffer | None", "out_array": "WriteableBuffer | None"}
GIVEN = {"none": "None", "text": "str"}


def number(element):
    return "float" if element in ("double", "float") else "int"


def declaration(api, function):
    passed, given = [], []
    for p in function.parameters:
        if p.role == "size" and not any(q.name == p.length_of and (q.owned or q.borrowed) for q in function.parameters):
            continue  # part of its array
        if p.role == "array" and (p.owned or p.borrowed):
            passed.append(f"{p.name}: int | None")
        elif p.role == "out" and api.struct(p.element):
            passed.append(f"{p.name}: int | None")
        elif p.role == "out" and api.handle(p.element) and p.nullable:
            passed.append(f"{p.name}: bool")
            given.append("int")
        elif p.role == "out":
            given.append(number(p.element))
        else:
            passed.append(f"{p.name}: {PASSED.get(p.role, number(p.type))}")
    result = GIVEN.get(function.returns_role, "int")
    if function.returns_role == "none" and given:
        result = given.pop(0)
    if given:
        types = dict.fromkeys([result, *given])
        result = f"list[{result}]" if len(types) == 1 else "list[Any]"
    return f"def {function.name}({', '.join(passed)}) -> {result}: ..."


def stub(api):
    constants = [c for group in [api.constants, *(e.constants for e in api.enums)] for c in group]
    return "\n".join([
        f"# {WRITTEN}", "from typing import Any", "", "from _typeshed import ReadableBuffer, WriteableBuffer", "",
        *(f"{c.name}: {type(c.value).__name__}" for c in constants), "",
        "class Memory:",
        "    def __init__(self, address: int | None, size: int, readonly: bool = True, owner: object = None) -> None: ...",
        "    def __buffer__(self, flags: int, /) -> memoryview: ...", "",
        "def address(buffer: ReadableBuffer, writable: bool = False) -> tuple[int, int]: ...",
        "def keep(object: object) -> tuple[int, int]: ...",
        "def payload(address: int | None) -> BaseException | None: ...", "",
        *(declaration(api, f) for f in api.functions)]) + "\n"
