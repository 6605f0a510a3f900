#!/usr/bin/env python3
"""Writes a C++ file with the texts of the headers that device code may include: the CUDA toolkit's and Tenon's own.

    embed_headers.py OUT.cpp TOOLKIT/include [OWN.cuh …]
"""
import pathlib
import re
import sys

# What NVRTC opens when it compiles an include of cuda_fp16.h, cuda_bf16.h and cuda_fp8.h; it holds the rest itself.
TOOLKIT = ["cuda_fp16.h", "cuda_bf16.h", "cuda_fp8.h", "cuda_fp8.hpp"]
TOKEN = re.compile(r"""//[^\n]*|/\*.*?\*/|("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')""", re.S)
CHUNK = 12000  # bytes: compilers limit the length of one literal


def without_comments(text):
    """All but the first comment, which says whose the text is."""
    licence = re.match(r"\s*(/\*.*?\*/)", text, re.S)
    body = TOKEN.sub(lambda m: m.group(1) or " ", text)
    body = re.sub(r"[ \t]+\n", "\n", body)
    return (licence.group(1) + "\n" if licence else "") + re.sub(r"\n{2,}", "\n", body)


def literal(text):
    parts = [text[i:i + CHUNK] for i in range(0, len(text), CHUNK)] or [""]
    return "\n".join(f'R"~tn~({part})~tn~"' for part in parts)


def main():
    out, include, own = sys.argv[1], pathlib.Path(sys.argv[2]), map(pathlib.Path, sys.argv[3:])
    missing = [name for name in TOOLKIT if not (include / name).is_file()]
    if missing:
        sys.exit(f"{include} has no {', '.join(missing)}")
    rows = [(name, "false", without_comments((include / name).read_text(errors="replace"))) for name in TOOLKIT]
    rows += [(path.name, "true", path.read_text()) for path in own]
    text = "\n".join(f'    {{"{name}", {is_own},\n{literal(body)}}},' for name, is_own, body in rows)
    pathlib.Path(out).write_text(f"""// Written by embed_headers.py.
#include "cuda/headers.h"

namespace tenon::cuda {{

std::span<const Header> headers() {{
  static const Header all[] = {{
{text}
  }};
  return all;
}}

}}  // namespace tenon::cuda
""")


main()
