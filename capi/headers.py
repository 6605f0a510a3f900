#!/usr/bin/env python3
"""Reads the public headers, whose grammar is strict: what they declare, as data.

    capi/headers.py --map     writes capi/tenon.map, the linker's list of exported symbols
    capi/headers.py --json    prints everything that was read

The grammar, which parse() enforces: a function is `TN_API TN_SINCE(a, b) [TN_MUST_USE] [TN_OWNED|TN_BORROWED] type
name(parameters) TN_NOEXCEPT;`, with a comment that names every parameter; its name is tn_<noun>_<verb>[_<what>] with a
verb of VERBS; handles come first, out parameters last and named out_… unless they are a buffer and its size.
"""
import argparse
import dataclasses
import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
INCLUDE = ROOT / "include" / "tenon"
VERBS = {"create", "destroy", "get", "set", "add", "find", "count", "at", "init", "load", "merge", "save", "serialize",
         "build", "prepare", "run", "enqueue", "wait", "apply"}
# Nouns that have no handle, and functions without a noun.
PLAIN_NOUNS = {"data_type", "error_code", "debug"}
BARE = {"tn_version", "tn_abi_version", "tn_build_info"}
ANNOTATIONS = ("TN_OUT", "TN_OWNED", "TN_BORROWED", "TN_NULLABLE")


class GrammarError(Exception):
    pass


@dataclasses.dataclass
class Parameter:
    name: str
    type: str            # as in C, annotations left out
    role: str            # handle, callbacks, enum, number, text, buffer, array, pointer, function, out
    nullable: bool = False
    owned: bool = False
    borrowed: bool = False
    length: str = ""     # the parameter that holds its length


@dataclasses.dataclass
class Function:
    name: str
    header: str
    noun: str
    verb: str
    returns: str
    must_use: bool
    since: str
    parameters: list
    doc: str


def split_parameters(text):
    parts, depth, current = [], 0, ""
    for character in text:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append(current)
            current = ""
        else:
            current += character
    return [" ".join(p.split()) for p in parts + [current] if p.split() not in ([], ["void"])]


class Headers:
    """Everything that the headers declare."""

    def __init__(self, include=INCLUDE):
        self.functions, self.handles, self.enums, self.structs = [], {}, {}, {}
        texts = {path.name: path.read_text() for path in sorted(include.glob("*.h"))}
        for name, text in texts.items():
            self._types(name, text)
        for name, text in texts.items():
            self._functions(name, text)

    def _types(self, header, text):
        for tag, handle in re.findall(r"^typedef struct (tn_\w+) \*(tn_\w+);", text, re.M):
            if handle != tag + "_t":
                raise GrammarError(f"{header}: the handle of {tag} must be {tag}_t")
            self.handles[handle] = tag.removeprefix("tn_")
        for name, body in re.findall(r"^TN_ENUM\((\w+)\) \{(.*?)^\};", text, re.M | re.S):
            if f"typedef int32_t {name};" not in text:
                raise GrammarError(f"{header}: TN_ENUM({name}) without its typedef")
            body = re.sub(r"/\*.*?\*/", "", body, flags=re.S)
            constants = re.findall(r"(TN_\w+) = (-?\d+)", body)
            if len(constants) != len([c for c in body.split(",") if c.strip()]):
                raise GrammarError(f"{header}: every constant of {name} needs a number")
            self.enums[name] = {constant: int(number) for constant, number in constants}
        for name, body in re.findall(r"^typedef struct (tn_\w+) \{(.*?)^\} \1;", text, re.M | re.S):
            body = re.sub(r"/\*.*?\*/", "", body, flags=re.S)
            self.structs[name] = [" ".join(member.split()) for member in body.split(";") if member.strip()]
            if self.structs[name][0] != "size_t struct_size":
                raise GrammarError(f"{header}: {name} must begin with size_t struct_size")

    def _functions(self, header, text):
        pattern = re.compile(r"/\*\*((?:(?!\*/).)*?)\*/\s*^TN_API (.*?);\n", re.M | re.S)
        found = 0
        for doc, declaration in pattern.findall(text):
            self.functions.append(self._function(header, " ".join(declaration.split()), doc))
            found += 1
        if found != len(re.findall(r"^TN_API", text, re.M)):
            raise GrammarError(f"{header}: a function has no comment of its own")

    def _function(self, header, declaration, doc):
        match = re.fullmatch(r"TN_SINCE\((\d+), (\d+)\) (TN_MUST_USE )?(TN_OWNED |TN_BORROWED )?"
                             r"(const char \*|void \*|[\w]+ )(tn_\w+)\((.*)\) TN_NOEXCEPT", declaration)
        if not match:
            raise GrammarError(f"{header}: cannot read `{declaration}`")
        major, minor, must_use, _, returns, name, parameters = match.groups()
        noun, verb = self._split_name(name)
        function = Function(name, header, noun, verb, returns.strip(), bool(must_use), f"{major}.{minor}",
                            [self._parameter(name, p) for p in split_parameters(parameters)], doc)
        self._check(function)
        return function

    def _split_name(self, name):
        if name in BARE:
            return name.removeprefix("tn_"), ""
        nouns = set(self.handles.values()) | PLAIN_NOUNS | {s.removeprefix("tn_") for s in self.structs}
        for noun in sorted(nouns, key=len, reverse=True):
            rest = name.removeprefix(f"tn_{noun}_")
            if rest != name and rest.split("_")[0] in VERBS:
                return noun, rest.split("_")[0]
        raise GrammarError(f"{name} is not tn_<noun>_<verb>")

    def _parameter(self, function, text):
        marks = set()
        length = ""
        while True:
            mark = re.match(r"(TN_\w+)(?:\((\w+)\))? ", text)
            if not mark:
                break
            if mark.group(1) == "TN_LEN":
                length = mark.group(2)
            elif mark.group(1) in ANNOTATIONS:
                marks.add(mark.group(1))
            else:
                raise GrammarError(f"{function}: {mark.group(1)} is no annotation of a parameter")
            text = text[mark.end():]
        pointer = re.fullmatch(r"void \(\*(\w+)\)\(void \*\w+\)", text)
        if pointer:
            return Parameter(pointer.group(1), "void (*)(void *)", "function", "TN_NULLABLE" in marks)
        match = re.fullmatch(r"(.*?[ *])(\w+)", text)
        if not match:
            raise GrammarError(f"{function}: cannot read the parameter `{text}`")
        type_, name = match.group(1).strip(), match.group(2)
        parameter = Parameter(name, type_, "", "TN_NULLABLE" in marks, "TN_OWNED" in marks, "TN_BORROWED" in marks,
                              length)
        parameter.role = self._role(function, parameter, "TN_OUT" in marks)
        return parameter

    def _role(self, function, parameter, is_out):
        type_ = parameter.type
        if is_out:
            return "out_array" if parameter.length else "out"
        if type_ in self.handles:
            return "handle"
        if type_ in self.enums:
            return "enum"
        if type_.startswith("const ") and type_.split()[1] in self.structs:
            return "callbacks"
        if parameter.length:
            return "array"
        if type_ == "const char *":
            return "text"
        if type_.endswith("*"):
            return "pointer"
        if type_ in ("int32_t", "int64_t", "uint32_t", "uint64_t", "size_t", "double"):
            return "number"
        raise GrammarError(f"{function}: {type_} is not allowed in the interface")

    def _check(self, function):
        names = [p.name for p in function.parameters]
        for p in function.parameters:
            if p.length and p.length not in names:
                raise GrammarError(f"{function.name}: TN_LEN({p.length}) names no parameter")
            if p.length and p.length != f"{p.name}_size":
                raise GrammarError(f"{function.name}: the length of {p.name} must be {p.name}_size")
            if p.role == "out" and not p.name.startswith("out_"):
                raise GrammarError(f"{function.name}: {p.name} is an out parameter and must begin with out_")
        fallible = any(p.role == "handle" for p in function.parameters) and function.verb != "destroy" and \
            function.noun not in ("error",)
        if fallible and function.returns != "tn_error_t":
            raise GrammarError(f"{function.name} takes a handle and must return tn_error_t")
        if function.returns == "tn_error_t" and not function.must_use:
            raise GrammarError(f"{function.name} must be TN_MUST_USE")
        ranks = [{"handle": 0}.get(p.role, 1 if not p.name.startswith("out_") else 2) for p in function.parameters]
        if ranks and 0 in ranks and ranks[0] != 0:
            raise GrammarError(f"{function.name}: its handle must come first")
        if any(a == 2 and b != 2 for a, b in zip(ranks, ranks[1:])) and function.verb != "init":
            raise GrammarError(f"{function.name}: out parameters must come last")
        documented = set(re.findall(r"@param (\w+)", function.doc))
        expected = set(names)
        short = "@param" not in function.doc  # one sentence says all of a function with one parameter
        if not (short and len(names) <= 1) and documented != expected:
            raise GrammarError(f"{function.name}: documented parameters {sorted(documented)}, declared {sorted(expected)}")
        if function.returns == "tn_error_t" and "@return" not in function.doc:
            raise GrammarError(f"{function.name}: its comment does not say how it fails")


def version_script(headers):
    lines = ["/* Written by capi/headers.py --map from the public headers. */", "TENON_0 {", "  global:"]
    lines += [f"    {name};" for name in sorted(f.name for f in headers.functions)]
    return "\n".join(lines + ["  local:", "    *;", "};", ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--map", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    try:
        headers = Headers()
    except GrammarError as error:
        sys.exit(f"headers: {error}")
    if arguments.map:
        (ROOT / "capi" / "tenon.map").write_text(version_script(headers))
    if arguments.json:
        print(json.dumps({"functions": [dataclasses.asdict(f) for f in headers.functions], "handles": headers.handles,
                          "enums": headers.enums, "structs": headers.structs}, indent=1))


if __name__ == "__main__":
    main()
