"""What the trampolines of all languages need to know of a callback."""
WRITTEN = "Written by bindings/generate from capi/api.json."


def camel(name):
    return "".join(part.capitalize() for part in name.split("_"))


def indent(text, by, prefix=""):
    return "\n".join((" " * by + prefix + line).rstrip() for line in text.splitlines())


class Argument:
    """A parameter of a callback but user_data: `kind` is number, text (terminated), sized (text with its size), address, or
    result (what the callback gives back)."""

    def __init__(self, api, p):
        self.name, self.type, self.parameter = p.name, p.type, p
        self.base = "int32_t" if api.enum(p.type) else p.type
        if p.role == "out":
            self.kind, self.base = "result", p.element
        elif p.role == "array":
            self.kind = "sized"
        elif p.role == "text":
            self.kind = "text"
        elif p.role in ("pointer", "handle"):
            self.kind = "address"
        elif p.role in ("number", "enum"):
            self.kind = "number"
        else:
            raise SystemExit(f"no trampoline for a callback with {p.role} {p.name}")
        if self.kind == "sized" and p.element != "char":
            raise SystemExit(f"no trampoline for a callback with an array of {p.element}")


class Callback:
    def __init__(self, api, struct, member):
        self.struct, self.member, self.name = struct, member, member.name
        self.all = member.parameters[1:]
        self.arguments = [Argument(api, p) for p in self.all if p.role != "size"]
        self.inputs = [a for a in self.arguments if a.kind != "result"]
        self.results = [a for a in self.arguments if a.kind == "result"]
        self.fallible = member.returns == "tn_error_t"
        if len(self.results) > 1 or self.results and not self.fallible:
            raise SystemExit(f"no trampoline for {struct.name}.{member.name}: a callback gives back one thing, or fails")

    @property
    def result(self):
        return self.results[0] if self.results else None

    def c_parameters(self):
        return ", ".join(["void *user_data", *(declare(p.type, p.name) for p in self.all)])


def declare(type_, name):
    return f"{type_}{name}" if type_.endswith("*") else f"{type_} {name}"


def callbacks_of(api, struct):
    return [Callback(api, struct, m) for m in struct.functions if m.name != "release"]
