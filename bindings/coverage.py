#!/usr/bin/env python3
"""What the layers above the raw ones lack: of each language, the C functions that its idiomatic layer does not call.

    bindings/coverage.py           prints the table, and each function that is missing or wrongly excused; status 1 if any

A function counts as called when the sources of the layer name it outside comments, so names are written out there, never put
together. A function that a layer has a reason not to call stands in the language's `not_called.txt`, one a line, as
`tn_x_y: reason`; `*: reason` stands for all of them while there is no layer at all.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "capi"))
import api as public  # noqa: E402

# Language: the sources of its idiomatic layer, what is raw beneath them, the file of reasons.
LAYERS = {
    "cpp": (["include/tenon/tenon.hpp"], None, "include/tenon/not_called.txt"),
    "python": (["bindings/python/tenon/**/*.py"], None, "bindings/python/not_called.txt"),
    "java": (["bindings/java/src/main/java/dev/tenon/**/*.java"], "internal", "bindings/java/not_called.txt"),
    "csharp": (["bindings/csharp/src/**/*.cs"], "Interop", "bindings/csharp/not_called.txt"),
    "rust": (["bindings/rust/tenon/src/**/*.rs"], None, "bindings/rust/not_called.txt"),
}
COMMENTS = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
PYTHON_COMMENTS = re.compile(r'""".*?"""|(?m:^\s*#[^\n]*)', re.S)


def named_in(language, root):
    """(the C functions that the layer's sources name, whether there are sources)"""
    globs, raw, _ = LAYERS[language]
    files = [path for pattern in globs for path in root.glob(pattern) if raw not in path.relative_to(root).parts]
    comments = PYTHON_COMMENTS if language == "python" else COMMENTS
    return {name for path in files for name in re.findall(r"\btn_\w+", comments.sub(" ", path.read_text()))}, bool(files)


def reasons_of(language, root):
    path = root / LAYERS[language][2]
    lines = path.read_text().splitlines() if path.exists() else []
    return dict(re.fullmatch(r"(\S+): (\S.*)", line).groups() for line in lines if line.strip() and not line.startswith("#"))


def judge(language, root=ROOT):
    """(functions that are called, functions with a reason, what is wrong)"""
    functions = {f.name for f in public.load(root / "capi" / "api.json").functions}
    named, there = named_in(language, root)
    reasons = reasons_of(language, root)
    called, wrong = functions & named, []
    if "*" in reasons:
        if there:
            return called, set(), [f"{language}: there is a layer: `*` in {LAYERS[language][2]} gives way to single functions"]
        return called, functions, []
    for name in sorted(functions - called - set(reasons)):
        wrong.append(f"{language}: the idiomatic layer lacks {name}")
    for name in sorted(set(reasons) & called):
        wrong.append(f"{language}: {name} is called, and stands in {LAYERS[language][2]} all the same")
    for name in sorted(set(reasons) - functions):
        wrong.append(f"{language}: {name} in {LAYERS[language][2]} is no function")
    return called, set(reasons) & functions, wrong


def main():
    total = len(public.load().functions)
    failures = []
    for language in LAYERS:
        called, excused, wrong = judge(language)
        failures += wrong
        print(f"{language:8} {len(called):4} of {total} functions called, {len(excused)} with a reason, {len(wrong)} wrong")
    for failure in failures:
        print(f"FAILED {failure}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
