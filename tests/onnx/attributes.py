#!/usr/bin/env python3
"""src/ops/onnx_attributes.def says what the operators' schemas say, for every operator that Tenon has a row for.

    tests/onnx/attributes.py [--write] [--canary]

A line gives an operator's attributes from an op set on; a version with the same attributes as the one before it has none.
The schemas are those of the onnx package, and ONNX Runtime's of the operators that it adds to ONNX's.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
TABLE = ROOT / "src" / "ops" / "onnx_attributes.def"
LETTERS = {"INT": "i", "FLOAT": "f", "STRING": "s", "TENSOR": "t", "GRAPH": "g", "SPARSE_TENSOR": "p", "TYPE_PROTO": "y",
           "INTS": "I", "FLOATS": "F", "STRINGS": "S", "TENSORS": "T", "GRAPHS": "G", "SPARSE_TENSORS": "P",
           "TYPE_PROTOS": "Y"}
# {"Conv", 1, expand_conv} or {"Gelu", 1, expand_gelu, "com.microsoft"}
ROW = re.compile(r'\{"([A-Z]\w*)",\s*\d+,\s*(?!\d)(?:\w+,\s*"([\w.]+)"\s*\})?')
LINE = re.compile(r'^TN_ONNX_ATTRIBUTES\(([\w.]+), (\d+), "([^"]*)"\)$', re.M)
HEAD = """\
// The attributes of operators: operator (with its domain, unless that is ai.onnx), the first op set that the line holds
// for, attribute:type. Types: i integer, f float, s text, t tensor, g graph, p sparse tensor, y type; capital letters: lists
// of them. Sorted. Written by `tests/onnx/attributes.py --write` from the schemas of the onnx package and, of operators that
// ONNX Runtime adds, from its own; a test compares them.
"""


def schemas():
    """Of all versions; ONNX's own come first, and the first of a name and version holds."""
    import onnx.defs
    import onnxruntime.capi.onnxruntime_pybind11_state as runtime
    yield from onnx.defs.get_all_schemas_with_history()
    yield from runtime.get_all_operator_schema()


def expected():
    """(operator, op set) → attributes, for the operators of the rows in src/ops."""
    names = {((domain or "") and domain + ".") + name
             for file in (ROOT / "src" / "ops").rglob("*.cpp") for name, domain in ROW.findall(file.read_text())}
    versions, of_onnx = {}, set()
    for schema in schemas():
        name = (schema.domain and schema.domain + ".") + schema.name
        if type(schema).__module__.startswith("onnx."):
            of_onnx.add(name)
        elif name in of_onnx:
            continue
        if name in names:
            attributes = sorted((name, LETTERS[a.type.name]) for name, a in schema.attributes.items())
            versions.setdefault(name, {})[schema.since_version] = " ".join(":".join(a) for a in attributes)
    missing = sorted(names - set(versions))
    if missing:
        raise SystemExit(f"no schema of {', '.join(missing)}")
    table = {}
    for name in sorted(versions):
        before = None
        for since, attributes in sorted(versions[name].items()):
            if attributes != before:
                table[name, since] = before = attributes
    return table


def main():
    table = expected()
    if "--write" in sys.argv:
        lines = [f'TN_ONNX_ATTRIBUTES({name}, {since}, "{attributes}")' for (name, since), attributes in table.items()]
        TABLE.write_text(HEAD + "\n".join(lines) + "\n")
        return 0
    written = [((name, int(since)), attributes) for name, since, attributes in LINE.findall(TABLE.read_text())]
    if "--canary" in sys.argv:
        written[0] = (written[0][0], "planted:i")  # an attribute that the schema lacks
    found, failures = dict(written), []
    if [key for key, _ in written] != sorted(found):
        failures.append("the lines are not sorted, or one is given twice")
    for key in sorted({*table, *found}):
        if table.get(key) != found.get(key):
            failures.append(f"{key[0]} from op set {key[1]} on: {found.get(key, 'no line')!r}; "
                            f"the schemas say {table.get(key, 'no line')!r}: run tests/onnx/attributes.py --write")
    for failure in failures:
        print(f"FAILED {failure}")
    print(f"{len(table) - min(len(failures), len(table))} passed, {len(failures)} failed, 0 skipped")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
