"""grammar.i: of which kind (see tenon.i) each parameter of each function is."""
import re

import api as public
from callbacks import WRITTEN, camel


def kind_of(api, function, p):
    """(kind as in tenon.i, pattern in C); None for what C's own type says."""
    if p.role == "handle" or p.role == "enum" or p.role == "number" or p.role in ("pointer", "function", "callbacks"):
        return None
    if p.role == "text":
        return "const char *TN_TEXT", f"const char *{p.name}"
    if p.role == "size":
        return None  # part of its array
    if p.role == "array":
        if p.owned or p.borrowed:
            return None  # an address and a size
        kind = "const void *TN_BYTES" if p.element == "void" else f"const {p.element} *TN_ARRAY"
        return f"({kind}, size_t TN_SIZE)", f"({p.type}{p.name}, size_t {p.length})"
    if p.role == "out_array":
        kind = "char *TN_OUT_TEXT" if p.element == "char" else f"{p.element} *TN_OUT_ARRAY"
        return f"({kind}, size_t TN_SIZE)", f"({p.type}{p.name}, size_t {p.length})"
    if p.role == "out":
        if api.struct(p.element):
            return None
        if api.handle(p.element):
            return ("TN_HANDLE *TN_OUT_WANTED" if p.nullable else "TN_HANDLE *TN_OUT"), f"{p.type}{p.name}"
        element = "int32_t" if api.enum(p.element) else p.type.removesuffix("*").strip()
        return f"{element} *TN_OUT", f"{p.type}{p.name}"
    raise SystemExit(f"{function.name}: no kind for {p.role}")


def source(api):
    lines = [f"// {WRITTEN}", "", "%apply TN_HANDLE {" + ", ".join(h.name for h in api.handles if h.noun != "error") + "};",
             "%apply TN_ERROR {tn_error_t};", ""]
    kinds, seen = {}, {}
    for function in api.functions:
        for p in function.parameters:
            if found := kind_of(api, function, p):
                kind, pattern = found
                if seen.setdefault(pattern, kind) != kind:
                    raise SystemExit(f"{function.name}: `{pattern}` is `{kind}` here and `{seen[pattern]}` in another function: "
                                     "parameters that cross in different ways need different names")
                kinds.setdefault(kind, dict.fromkeys([]))[pattern] = None
    for kind, patterns in kinds.items():
        lines.append(f"%apply {kind} {{" + ", ".join(patterns) + "};")
    lines += ["", *(f"TN_CALLBACKS({s.name}, {camel(s.noun)}, {s.noun})" for s in api.structs),
              *(f"%ignore {s.name};" for s in api.structs), ""]
    order = re.findall(r'#include "(tenon/\w+\.h)"', (public.INCLUDE / "tenon.h").read_text())
    lines += [f'%include "{header}"' for header in order]
    return "\n".join(lines) + "\n"
