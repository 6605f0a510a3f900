#!/usr/bin/env python3
"""Writes a C++ file with the texts of headers: those of the CUDA toolkit that device code needs, with all that they
include, and Tenon's own device headers.

    embed_headers.py OUT.cpp TOOLKIT/include [OWN.cuh …]
"""
import pathlib
import re
import sys

ROOTS = ["cuda_fp16.h", "cuda_bf16.h", "cuda_fp8.h"]
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.M)
COMMENT = re.compile(r"/\*.*?\*/", re.S)
CHUNK = 12000  # bytes: compilers limit the length of one literal


def closure(folders):
    """The roots and what they include, by the name of the first #include that asks for it; what is in none of the
    folders is the host's and not included by device code."""
    found, open_names = {}, list(ROOTS)
    while open_names:
        name = open_names.pop()
        if name in found:
            continue
        path = next((f / name for f in folders if (f / name).is_file()), None)
        if path is None:
            continue
        text = COMMENT.sub("", path.read_text(errors="replace"))
        found[name] = text
        for included in INCLUDE.findall(text):
            beside = pathlib.PurePosixPath(name).parent / included
            open_names += [included, str(beside)]
    return found


def literal(text):
    parts = [text[i:i + CHUNK] for i in range(0, len(text), CHUNK)] or [""]
    return "\n".join(f'R"~tn~({part})~tn~"' for part in parts)


def main():
    out, include, own = sys.argv[1], pathlib.Path(sys.argv[2]), map(pathlib.Path, sys.argv[3:])
    texts = closure([include, include / "cccl"])
    missing = [name for name in ROOTS if name not in texts]
    if missing:
        sys.exit(f"{include} has no {', '.join(missing)}")
    for path in own:
        texts[path.name] = path.read_text()
    rows = "\n".join(f'    {{"{name}",\n{literal(text)}}},' for name, text in sorted(texts.items()))
    pathlib.Path(out).write_text(f"""// Written by embed_headers.py.
#include "cuda/headers.h"

namespace tenon::cuda {{

std::span<const Header> headers() {{
  static const Header all[] = {{
{rows}
  }};
  return all;
}}

}}  // namespace tenon::cuda
""")


main()
