#!/usr/bin/env python3
"""The public interface as data. Reads the headers with a C parser (libclang), checks their grammar, and writes what
everything else is made from or checked against:

    capi/api.py --write    capi/api.json (functions, types, docs) and capi/tenon.map (the linker's list of symbols)
    capi/api.py --check    says whether both are what the headers say

A tool that only wants the data calls load(), which needs no parser.

The grammar, which read_headers() enforces: a function is `TN_API TN_SINCE(a, b) [TN_MUST_USE] [TN_OWNED|TN_BORROWED]
type name(parameters) TN_NOEXCEPT;`, with a comment that names every parameter; its name is tn_<noun>_<verb>[_<what>] with
a verb of VERBS; handles come first, out parameters last and named out_… unless they are a buffer and its size; an array
`x` has its length in `x_size`, and is named buffer if the library keeps its address. A table of callbacks begins with
struct_size and user_data and ends with release; other structures are ELEMENTS.
"""
import argparse
import dataclasses
import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
INCLUDE = ROOT / "include" / "tenon"
API_JSON = ROOT / "capi" / "api.json"
MAP = ROOT / "capi" / "tenon.map"

VERBS = {"create", "destroy", "get", "set", "add", "find", "count", "at", "init", "load", "merge", "save", "serialize",
         "build", "prepare", "run", "enqueue", "wait", "apply"}
# Elements of tensors that no language has: memory that functions take as bytes, no tables of callbacks.
ELEMENTS = {"tn_string"}
# Nouns that have no handle, and functions without a noun.
PLAIN_NOUNS = {"data_type", "error_code", "debug", "onnx_operator"}
BARE = {"tn_version", "tn_abi_version", "tn_build_info"}
NUMBERS = {"int32_t", "int64_t", "uint32_t", "uint64_t", "size_t", "double"}


class GrammarError(Exception):
    pass


# --- the model ---------------------------------------------------------------------------------------------------------
@dataclasses.dataclass
class Parameter:
    name: str
    type: str              # as in C, annotations left out
    role: str              # handle, callbacks, enum, number, text, array, size (of an array), pointer, function, out, out_array
    element: str = ""      # of pointers: the type of what they point to, without const
    length: str = ""       # of arrays: the parameter that holds the number of elements
    length_of: str = ""    # of sizes: the array
    nullable: bool = False
    owned: bool = False
    borrowed: bool = False
    doc: str = ""


@dataclasses.dataclass
class Function:
    name: str
    header: str
    noun: str
    verb: str
    since: str
    returns: str           # type as in C
    returns_role: str      # error, none, number, enum, text, pointer
    returns_owned: bool
    must_use: bool
    parameters: list
    doc: str
    returns_doc: str
    fails_with: list       # names of error codes, without prefix; further ones may come from callbacks


@dataclasses.dataclass
class Member:
    name: str
    type: str
    offset: int
    size: int
    doc: str
    returns: str = ""      # of functions: the type they return, and their parameters
    parameters: list | None = None


@dataclasses.dataclass
class Struct:
    """A table of callbacks."""
    name: str
    header: str
    noun: str              # "logger" of tn_logger_callbacks
    size: int
    alignment: int
    init: str              # function that does what the macro does
    init_macro: str
    members: list
    doc: str

    @property
    def functions(self):
        return [m for m in self.members if m.parameters is not None]


@dataclasses.dataclass
class Handle:
    name: str
    noun: str
    header: str
    destroy: str
    doc: str


@dataclasses.dataclass
class Enum:
    name: str
    header: str
    constants: list        # of Constant
    doc: str


@dataclasses.dataclass
class Constant:
    name: str
    value: int | str
    doc: str
    header: str = ""         # of a macro; an enumeration's has its enumeration's


@dataclasses.dataclass
class Header:
    name: str
    brief: str
    doc: str
    thread_rule: str


@dataclasses.dataclass
class Api:
    version: str
    abi_version: int
    headers: list
    constants: list
    handles: list
    enums: list
    structs: list
    functions: list

    def handle(self, type_):
        return next((h for h in self.handles if h.name == type_), None)

    def enum(self, type_):
        return next((e for e in self.enums if e.name == type_), None)

    def struct(self, type_):
        return next((s for s in self.structs if s.name == type_), None)

    def to_json(self):
        """Empty fields are left out, so that the file reads well."""
        def fields(value):
            if isinstance(value, list):
                return [fields(v) for v in value]
            if dataclasses.is_dataclass(value):
                return {f.name: fields(getattr(value, f.name)) for f in dataclasses.fields(value)
                        if not any(getattr(value, f.name) is empty for empty in ("", False, None))}
            return value
        return json.dumps(fields(self), indent=1, ensure_ascii=False) + "\n"

    @staticmethod
    def from_json(text):
        def build(kind, data, **nested):
            values = {f.name: data.get(f.name, default_of(f)) for f in dataclasses.fields(kind)}
            for name, make in nested.items():
                values[name] = None if values[name] is None else [make(item) for item in values[name]]
            return kind(**values)

        def default_of(field):
            if field.default is not dataclasses.MISSING:
                return field.default
            return {"str": "", "bool": False, "list": [], "int": 0}.get(getattr(field.type, "__name__", ""), "")

        def parameter(d):
            return build(Parameter, d)

        return build(Api, json.loads(text), headers=lambda d: build(Header, d), constants=lambda d: build(Constant, d),
                     handles=lambda d: build(Handle, d),
                     enums=lambda d: build(Enum, d, constants=lambda c: build(Constant, c)),
                     structs=lambda d: build(Struct, d, members=lambda m: build(Member, m, parameters=parameter)),
                     functions=lambda d: build(Function, d, parameters=parameter))

    def version_script(self):
        lines = ["/* Written by capi/api.py from the public headers. */", "TENON_0 {", "  global:"]
        lines += [f"    {name};" for name in sorted(f.name for f in self.functions)]
        return "\n".join(lines + ["  local:", "    *;", "};", ""])


def load(path=API_JSON):
    return Api.from_json(pathlib.Path(path).read_text())


# --- comments ----------------------------------------------------------------------------------------------------------
def comment_text(raw):
    """A comment without its stars, paragraphs and lists kept."""
    if not raw:
        return ""
    body = re.sub(r"^/\*\*<?|\*/$", "", raw.strip())
    return "\n".join(re.sub(r"^\s*\* ?", "", line).rstrip() for line in body.splitlines()).strip()


def one_line(text):
    return " ".join(text.split())


def comment_parts(raw):
    """(prose, {parameter: text}, what @return says)"""
    prose, *tags = re.split(r"^(?=@)", comment_text(raw), flags=re.M)
    parameters, returns = {}, ""
    for tag in tags:
        if match := re.match(r"@param (\w+)\s+(.*)", tag, re.S):
            parameters[match.group(1)] = one_line(match.group(2))
        elif match := re.match(r"@return\s+(.*)", tag, re.S):
            returns = one_line(match.group(1))
    return prose.strip(), parameters, returns


# --- reading -----------------------------------------------------------------------------------------------------------
# What the headers need of the C library: the result depends on no file of this machine.
STUBS = {"stddef.h": "typedef __SIZE_TYPE__ size_t;\n#define NULL ((void *)0)\n",
         "stdint.h": "".join(f"typedef __{n.upper()}_TYPE__ {n}_t;\n" for n in ("int32", "int64", "uint32", "uint64"))}
NO_ANNOTATIONS = {"TN_ENUM", "TN_BEGIN_DECLS", "TN_END_DECLS"}


def speaking_annotations(text):
    """annotations.h, with each macro that means nothing to a compiler expanding to an attribute that the parser shows."""
    lines = []
    for name, parameters in re.findall(r"^#define (TN_\w+)(\([^)]*\))?", text, re.M):
        if name not in NO_ANNOTATIONS:
            shown = "".join(f' #{p.strip()} ","' for p in parameters.strip("()").split(",")) if parameters else ' ""'
            lines.append(f'#undef {name}\n#define {name}{parameters} __attribute__((annotate("{name}:"{shown})))')
    head, guard, _ = text.rpartition("#endif")
    return head + "\n".join(dict.fromkeys(lines)) + "\n" + guard + "\n"


class Reader:
    def __init__(self, include):
        try:
            from clang import cindex
        except ImportError:
            sys.exit("capi/api.py needs libclang's Python module, which `make setup` installs into .venv")
        self.kinds = cindex.CursorKind
        self.type_kinds = cindex.TypeKind
        self.include = include.resolve()
        root = self.include.parent
        overlay = [(str(root / name), text) for name, text in STUBS.items()]
        annotations = self.include / "annotations.h"
        overlay.append((str(annotations), speaking_annotations(annotations.read_text())))
        unit = cindex.Index.create().parse(
            str(self.include / "tenon.h"), args=["-x", "c", "-std=c99", "-nostdinc", "-target", "x86_64-linux-gnu", f"-I{root}"],
            unsaved_files=overlay, options=cindex.TranslationUnit.PARSE_DETAILED_PROCESSING_RECORD)
        for diagnostic in unit.diagnostics:
            if diagnostic.severity >= cindex.Diagnostic.Warning:
                raise GrammarError(f"{diagnostic.location.file}:{diagnostic.location.line}: {diagnostic.spelling}")
        self.cursors = {}
        for cursor in unit.cursor.get_children():
            file = cursor.location.file
            if file and pathlib.Path(file.name).resolve().parent == self.include:
                self.cursors.setdefault(pathlib.Path(file.name).name, []).append(cursor)
        present = {path.name for path in self.include.glob("*.h")}
        if missing := present - {pathlib.Path(i.include.name).name for i in unit.get_includes()} - {"tenon.h"}:
            raise GrammarError(f"tenon.h does not include {', '.join(sorted(missing))}")
        self.texts = {name: (self.include / name).read_text() for name in sorted(present)}
        self.handles, self.enums, self.structs = {}, {}, {}

    def each(self, *kinds):
        for header in self.texts:
            for cursor in self.cursors.get(header, []):
                if cursor.kind in kinds:
                    yield header, cursor

    def read(self):
        constants, macros = self.read_macros()
        typedefs = {}
        for header, cursor in self.each(self.kinds.TYPEDEF_DECL):
            typedefs[cursor.spelling] = (header, cursor)
            self.read_handle(header, cursor)
        for header, cursor in self.each(self.kinds.ENUM_DECL):
            self.read_enum(header, cursor, typedefs)
        for header, cursor in self.each(self.kinds.STRUCT_DECL):
            if cursor.is_definition() and cursor.spelling not in ELEMENTS:
                self.read_struct(header, cursor, macros)
        functions = [self.read_function(header, cursor) for header, cursor in self.each(self.kinds.FUNCTION_DECL)]
        names = {f.name for f in functions}
        for thing in [*self.handles.values(), *self.structs.values()]:
            needed = thing.destroy if isinstance(thing, Handle) else thing.init
            if needed not in names:
                raise GrammarError(f"{thing.header}: {thing.name} has no {needed}()")
        values = {c.name: c.value for c in constants}
        return Api(values["TN_VERSION_STRING"], values["TN_ABI_VERSION"], [self.read_header(n) for n in self.texts], constants,
                   list(self.handles.values()), list(self.enums.values()), list(self.structs.values()), functions)

    def read_header(self, name):
        match = re.search(r"/\*\*\s*\n \* @file (\S+)\n(.*?)\*/", self.texts[name], re.S)
        if not match or match.group(1) != name:
            raise GrammarError(f"{name} does not begin with a comment `@file {name}`")
        text = comment_text("/**" + match.group(2) + "*/")
        brief, _, doc = text.partition("\n\n")
        rule = re.search(r"^Thread rule: (.*?)(?:\n\n|\Z)", text, re.S | re.M)
        return Header(name, one_line(brief), doc.strip(), one_line(rule.group(1)) if rule else "")

    def read_macros(self):
        tokens = {}
        for header, cursor in self.each(self.kinds.MACRO_DEFINITION):
            spelled = [t.spelling for t in cursor.get_tokens()][1:]
            if cursor.spelling.startswith("TN_") and header != "annotations.h" and spelled:
                tokens[cursor.spelling] = (header, spelled)

        def value_of(name):
            parts = []
            for token in tokens[name][1]:
                parts.append(str(value_of(token)) if token in tokens else token)
            text = " ".join(parts)
            if re.fullmatch(r'"[^"\\]*"', text):
                return text[1:-1]
            if not re.fullmatch(r"[\d\s()+*-]+", text):
                raise GrammarError(f"{tokens[name][0]}: the macro {name} is neither a number nor a text")
            return eval(text)  # digits and operators only

        constants, initialisers = [], {}
        for name, (header, spelled) in tokens.items():
            if spelled[0] == "{":
                initialisers[name] = spelled
                continue
            doc = re.search(r"/\*\*((?:(?!\*/).)*)\*/\n#define " + name + r"\b", self.texts[header], re.S)
            constants.append(Constant(name, value_of(name), one_line(comment_text("/**" + doc.group(1) + "*/")) if doc else "", header))
        return constants, initialisers

    def read_handle(self, header, cursor):
        under = cursor.underlying_typedef_type
        if under.kind != self.type_kinds.POINTER:
            return
        tag = under.get_pointee().get_declaration().spelling
        if cursor.spelling != tag + "_t":
            raise GrammarError(f"{header}: the handle of {tag} must be {tag}_t")
        if not cursor.raw_comment:
            raise GrammarError(f"{header}: {cursor.spelling} has no comment of its own")
        noun = tag.removeprefix("tn_")
        self.handles[cursor.spelling] = Handle(cursor.spelling, noun, header, f"tn_{noun}_destroy",
                                               one_line(comment_text(cursor.raw_comment)))

    def read_enum(self, header, cursor, typedefs):
        name = cursor.spelling.removesuffix("_constants")
        if name == cursor.spelling or name not in typedefs or typedefs[name][1].underlying_typedef_type.spelling != "int32_t":
            raise GrammarError(f"{header}: {cursor.spelling} must be `typedef int32_t tn_x; TN_ENUM(tn_x) {{ … }};`")
        constants = []
        for item in cursor.get_children():
            if item.kind == self.kinds.ENUM_CONSTANT_DECL:
                if not list(item.get_children()):
                    raise GrammarError(f"{header}: {item.spelling} needs a number")
                constants.append(Constant(item.spelling, item.enum_value, one_line(comment_text(item.raw_comment))))
        self.enums[name] = Enum(name, header, constants, comment_text(typedefs[name][1].raw_comment))

    def read_struct(self, header, cursor, macros):
        name, members = cursor.spelling, []
        for field in cursor.get_children():
            if field.kind != self.kinds.FIELD_DECL:
                continue
            member = Member(field.spelling, field.type.spelling, field.get_field_offsetof() // 8, field.type.get_size(),
                            one_line(comment_text(field.raw_comment)))
            pointee = field.type.get_pointee()
            if field.type.kind == self.type_kinds.POINTER and pointee.kind == self.type_kinds.FUNCTIONPROTO:
                member.returns = pointee.get_result().spelling
                member.parameters = self.parameters(f"{name}.{field.spelling}", field)
                if [p.name for p in member.parameters][:1] != ["user_data"]:
                    raise GrammarError(f"{header}: user_data must be the first parameter of {name}.{field.spelling}")
                if member.returns not in ("void", "tn_error_t"):
                    raise GrammarError(f"{header}: {name}.{field.spelling} must return void or tn_error_t")
            members.append(member)
        names = [m.name for m in members]
        if names[:2] != ["struct_size", "user_data"] or names[-1] != "release" or not name.endswith("_callbacks"):
            raise GrammarError(f"{header}: {name} must be …_callbacks {{struct_size, user_data, functions, release}}")
        macro = f"TN_{name.removeprefix('tn_').upper()}_INIT"
        if [t for t in macros.get(macro, []) if t == "NULL"] != ["NULL"] * (len(members) - 1):
            raise GrammarError(f"{header}: {macro} must give NULL to every member of {name} but struct_size")
        self.structs[name] = Struct(name, header, name.removeprefix("tn_").removesuffix("_callbacks"), cursor.type.get_size(),
                                    cursor.type.get_align(), f"{name}_init", macro, members, comment_text(cursor.raw_comment))

    def annotations(self, cursor):
        """{macro: its arguments} of a declaration."""
        found = {}
        for child in cursor.get_children():
            if child.kind == self.kinds.ANNOTATE_ATTR:
                name, _, arguments = child.spelling.partition(":")
                found[name] = [a for a in arguments.split(",") if a]
        return found

    def parameters(self, function, cursor):
        found = [self.parameter(function, c) for c in cursor.get_children() if c.kind == self.kinds.PARM_DECL]
        by_name = {p.name: p for p in found}
        for p in found:
            if p.length and p.length not in by_name:
                raise GrammarError(f"{function}: TN_LEN({p.length}) names no parameter")
            if p.length and p.length != f"{p.name}_size":
                raise GrammarError(f"{function}: the length of {p.name} must be {p.name}_size")
            if p.length:
                by_name[p.length].role, by_name[p.length].length_of = "size", p.name
        for p in found:
            if p.role == "array" and (p.owned or p.borrowed) != (p.name == "buffer"):
                raise GrammarError(f"{function}: an array is named buffer if the library keeps it (TN_OWNED, TN_BORROWED), "
                                   "and only then")
            if p.name.endswith("_size") and p.role == "number" and p.name.removesuffix("_size") in by_name:
                raise GrammarError(f"{function}: {p.name.removesuffix('_size')} must be TN_LEN({p.name})")
            if p.role == "out" and not p.name.startswith("out_"):
                raise GrammarError(f"{function}: {p.name} is an out parameter and must begin with out_")
            if p.name.startswith("out_") and p.role not in ("out", "out_array"):
                raise GrammarError(f"{function}: {p.name} must be TN_OUT")
        return found

    def parameter(self, function, cursor):
        marks = self.annotations(cursor)
        if unknown := set(marks) - {"TN_OUT", "TN_OWNED", "TN_BORROWED", "TN_NULLABLE", "TN_LEN"}:
            raise GrammarError(f"{function}: {', '.join(unknown)} is no annotation of a parameter")
        element = ""
        if cursor.type.kind == self.type_kinds.POINTER:
            element = cursor.type.get_pointee().spelling.removeprefix("const ")
        p = Parameter(cursor.spelling, cursor.type.spelling, "", element, (marks.get("TN_LEN") or [""])[0], "",
                      "TN_NULLABLE" in marks, "TN_OWNED" in marks, "TN_BORROWED" in marks)
        p.role = self.role(function, p, "TN_OUT" in marks)
        if p.role == "function":
            p.element = ""
        return p

    def role(self, function, p, is_out):
        if is_out:
            return "out_array" if p.length else "out"
        if p.type in self.handles:
            return "handle"
        if p.type in self.enums:
            return "enum"
        if p.element in self.structs:
            return "callbacks"
        if p.length:
            return "array"
        if p.type == "const char *":
            return "text"
        if p.type == "void (*)(void *)":
            return "function"
        if p.type == "void *":
            return "pointer"
        if p.type in NUMBERS:
            return "number"
        raise GrammarError(f"{function}: {p.type} is not allowed in the interface")

    def read_function(self, header, cursor):
        name, marks = cursor.spelling, self.annotations(cursor)
        if missing := {"TN_API", "TN_SINCE", "TN_NOEXCEPT"} - set(marks):
            raise GrammarError(f"{header}: {name} lacks {', '.join(sorted(missing))}")
        if unknown := set(marks) - {"TN_API", "TN_SINCE", "TN_NOEXCEPT", "TN_MUST_USE", "TN_OWNED", "TN_BORROWED"}:
            raise GrammarError(f"{header}: {', '.join(unknown)} is no annotation of {name}")
        if not cursor.raw_comment:
            raise GrammarError(f"{header}: {name} has no comment of its own")
        returns = cursor.result_type.spelling
        roles = {"tn_error_t": "error", "void": "none", "const char *": "text", "void *": "pointer",
                 **dict.fromkeys(NUMBERS, "number"), **dict.fromkeys(self.enums, "enum")}
        if returns not in roles:
            raise GrammarError(f"{header}: {name} returns {returns}, which is not allowed in the interface")
        noun, verb = self.split_name(name)
        doc, documented, returns_doc = comment_parts(cursor.raw_comment)
        parameters = self.parameters(name, cursor)
        for p in parameters:
            p.doc = documented.get(p.name, "")
        codes = {c.name.removeprefix("TN_ERROR_") for c in self.enums["tn_error_code"].constants}
        function = Function(name, header, noun, verb, ".".join(marks["TN_SINCE"]).replace(" ", ""), returns, roles[returns],
                            returns == "tn_error_t" or "TN_OWNED" in marks, "TN_MUST_USE" in marks, parameters, doc, returns_doc,
                            [w for w in dict.fromkeys(re.findall(r"[A-Z_]+", returns_doc)) if w in codes])
        self.check(header, function, documented)
        return function

    def split_name(self, name):
        if name in BARE:
            return name.removeprefix("tn_"), ""
        nouns = {h.noun for h in self.handles.values()} | PLAIN_NOUNS | {s.removeprefix("tn_") for s in self.structs}
        for noun in sorted(nouns, key=len, reverse=True):
            rest = name.removeprefix(f"tn_{noun}_")
            if rest != name and rest.split("_")[0] in VERBS:
                return noun, rest.split("_")[0]
        raise GrammarError(f"{name} is not tn_<noun>_<verb>")

    def check(self, header, function, documented):
        name, parameters = function.name, function.parameters
        fallible = any(p.role == "handle" for p in parameters) and function.verb != "destroy" and function.noun != "error"
        if fallible and function.returns != "tn_error_t":
            raise GrammarError(f"{header}: {name} takes a handle and must return tn_error_t")
        if function.returns == "tn_error_t" and not function.must_use:
            raise GrammarError(f"{header}: {name} must be TN_MUST_USE")
        ranks = [0 if p.role == "handle" else 2 if p.name.startswith("out_") else 1 for p in parameters]
        if 0 in ranks and ranks[0] != 0:
            raise GrammarError(f"{header}: {name}: its handle must come first")
        if any(a == 2 and b != 2 for a, b in zip(ranks, ranks[1:])) and function.verb != "init":
            raise GrammarError(f"{header}: {name}: out parameters must come last")
        if any(p.role == "out" and p.element in self.handles and not p.owned for p in parameters):
            raise GrammarError(f"{header}: {name} gives out a handle, which must be TN_OWNED")
        expected = {p.name for p in parameters}
        short = not documented and len(parameters) <= 1  # one sentence says all of a function with one parameter
        if not short and set(documented) != expected:
            raise GrammarError(f"{header}: {name}: documented parameters {sorted(documented)}, declared {sorted(expected)}")
        if function.returns == "tn_error_t" and not function.returns_doc:
            raise GrammarError(f"{header}: the comment of {name} does not say how it fails")


def read_headers(include=INCLUDE):
    return Reader(pathlib.Path(include)).read()


def stale(api):
    """Names of the written files that are not what `api` says."""
    return [str(path.relative_to(ROOT)) for path, text in ((API_JSON, api.to_json()), (MAP, api.version_script()))
            if not path.exists() or path.read_text() != text]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    try:
        api = read_headers()
    except GrammarError as error:
        sys.exit(f"capi/api.py: {error}")
    if arguments.write and (old := stale(api)):
        API_JSON.write_text(api.to_json())
        MAP.write_text(api.version_script())
        print("wrote " + ", ".join(old))
    if arguments.check and (old := stale(api)):
        sys.exit(f"{', '.join(old)}: not what the headers say; run `make bindings`")


if __name__ == "__main__":
    main()
