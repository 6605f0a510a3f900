"""Writes the calls of misuse.c from capi/api.json: every function × bad handles, NULL pointers, boundary numbers."""
import sys
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "capi"))
import api as public  # noqa: E402

BAD_HANDLES = ["NULL_HANDLE", "FREED", "WRONG_TYPE", "RANDOM", "STALE_SLOT"]
NUMBERS = {
    "int32_t": ["INT32_MIN", "-1", "0", "1", "INT32_MAX"],
    "int64_t": ["INT64_MIN", "-1", "0", "1", "INT64_MAX"],
    "size_t": ["0", "1", "SIZE_MAX / 2", "SIZE_MAX"],
    "uint32_t": ["0", "UINT32_MAX"],
    "uint64_t": ["0", "UINT64_MAX"],
    "double": ["0.0"],
}
# Texts that are good for a parameter of that name.
TEXTS = {"name": '"x"', "input": '"x"', "tensor": '"y"', "path": '"/dev/null"', "key": '"timer"', "value": '"fake"',
         "message": '"m"', "type": '"engine"', "weights_location": '"w"', "domain": '""', "op_type": '"Relu"'}
# Arrays and pointers that are good, with their sizes.
ARRAYS = {"dims": ("dims", "4"), "data": ("test_model", "sizeof test_model"), "plan": ("plan_data", "plan_size"),
          "buffer": ("buffer", "64"), "report": ('"{}"', "2")}
EXCEPTIONS = {  # functions that answer otherwise than by an error, and what they give for a bad handle
    "tn_error_get_code": "tn_error_get_code({h}) != ({h} ? TN_ERROR_INVALID_HANDLE : TN_ERROR_NONE)",
    "tn_error_get_payload": "tn_error_get_payload({h}) != NULL",
}


class Call:
    """One call of a function; `changes` replaces arguments by parameter name."""

    def __init__(self, api, function, changes=None):
        self.api, self.function, self.changes = api, function, changes or {}

    def arguments(self):
        out, sizes, outs = [], {}, []
        for p in self.function.parameters:
            if p.name in self.changes:
                out.append(self.changes[p.name])
                continue
            if p.role in ("array", "out_array"):
                if p.role == "out_array":
                    out.append(f"({p.type})(void *)outs[{len(outs)}]")
                    outs.append((len(outs), "char" if p.type == "char *" else "array"))
                    sizes[p.length] = "16" if p.type == "char *" else "8"
                else:
                    array, size = ARRAYS[p.name]
                    out.append(array)
                    sizes[p.length] = size
            elif p.role == "size":
                out.append(sizes[p.name])
            else:
                out.append(self.argument(p, outs))
        return out, outs

    def argument(self, p, outs):
        if p.role == "handle":
            return "good_" + self.api.handle(p.type).noun
        if p.role == "out":
            outs.append((len(outs), p.type.removesuffix("*").strip()))
            return f"({p.type})(void *)outs[{len(outs) - 1}]"
        if p.role == "callbacks":
            return "&" + p.element.removeprefix("tn_")
        if p.role == "text":
            return TEXTS[p.name]
        if p.role == "enum":
            return "1"
        if p.role in ("pointer", "function"):
            return "NULL"
        if p.name == "struct_size":
            return "sizeof(tn_logger_callbacks)"
        return "0"

    def body(self):
        arguments, outs = self.arguments()
        call = f"{self.function.name}({', '.join(arguments)})"
        if self.function.returns != "tn_error_t":
            return f"  (void)expected;\n  {'(void)' if self.function.returns != 'void' else ''}{call};\n  return NULL;\n"
        zero = "".join(f"  if (failed && !all_zero(outs[{i}], {'1' if t == 'char' else f'sizeof({t})'})) return \"left an out parameter set after a failure\";\n"
                       for i, t in outs if t != "array")
        return (f"  tn_error_t error = {call};\n  int failed = error != NULL;\n  const char *wrong = judge(expected, error);\n"
                f"  if (wrong) return wrong;\n{zero}  (void)failed;\n  return NULL;\n")


def cases_of(api, function):
    """(what, expected, C body)"""
    fallible = function.returns == "tn_error_t"
    makes_error = function.name == "tn_error_create"  # returns an error whatever it is given
    yield "good arguments", "ANY", Call(api, function).body()
    for p in function.parameters:
        if p.role == "handle":
            noun = api.handle(p.type).noun
            other = "good_blob" if noun != "blob" else "good_device"
            for kind in BAD_HANDLES:
                bad = f"({p.type})pick({kind}, (void *)good_{noun}, (void *)freed_{noun}, (void *){other})"
                if kind == "NULL_HANDLE" and p.nullable and fallible:
                    yield f"{p.name} = {kind}", "ANY", Call(api, function, {p.name: bad}).body()
                elif function.name in EXCEPTIONS:
                    check = EXCEPTIONS[function.name].format(h="handle")
                    yield f"{p.name} = {kind}", "ANY", (f"  {p.type} handle = {bad};\n  (void)expected;\n"
                                                        f"  return {check} ? \"gave no neutral value\" : NULL;\n")
                else:
                    yield f"{p.name} = {kind}", "INVALID_HANDLE" if fallible else "ANY", Call(
                        api, function, {p.name: bad}).body()
        elif p.role in ("text", "callbacks", "out"):
            expected = "ANY" if p.nullable or not fallible or makes_error else "ERROR"
            yield f"{p.name} = NULL", expected, Call(api, function, {p.name: "NULL"}).body()
        elif p.role in ("array", "out_array"):
            expected = "ERROR" if fallible else "ANY"
            if fallible or p.role == "array":
                yield f"{p.name} = NULL with a size", expected, Call(api, function,
                                                                    {p.name: "NULL", p.length: "7"}).body()
            yield f"{p.name} = NULL without a size", "ANY", Call(api, function,
                                                                {p.name: "NULL", p.length: "0"}).body()
            if p.type.endswith("int64_t *") and p.role == "array":
                for value in ("INT64_MIN", "-1", "INT64_MAX"):
                    body = Call(api, function).body()
                    fill = f"  {{ int i; for (i = 0; i < 4; ++i) dims[i] = {value}; }}\n"
                    # A declaration after a statement is C99.
                    yield f"{p.name} full of {value}", "ANY", fill + body
        if p.role == "number":
            for value in NUMBERS[p.type]:
                yield f"{p.name} = {value}", "ANY", Call(api, function, {p.name: value}).body()
        if p.role == "enum":
            known = {c.value for c in api.enum(p.type).constants}
            for value in ("INT32_MIN", "-1", "INT32_MAX", str(max(known) + 1)):
                expected = "ERROR" if fallible and not makes_error else "ANY"
                yield f"{p.name} = {value}", expected, Call(api, function, {p.name: value}).body()


def write(path):
    api = public.load()
    functions, table = [], []
    for function in api.functions:
        for what, expected, body in cases_of(api, function):
            name = f"case_{len(table)}"
            functions.append(f"static const char *{name}(int expected) {{\n{body}}}\n")
            table.append(f'  {{"{function.name}: {what}", {expected}, {name}}},')
    pathlib.Path(path).write_text("\n".join(functions) + "\nstatic const test_case cases[] = {\n" + "\n".join(table)
                                  + "\n};\n")
    return len(table)


if __name__ == "__main__":
    print(write(sys.argv[1]), "cases")
