#!/usr/bin/env python3
"""Writes device code as a C++ string literal: embed.py SOURCE OUTPUT."""
import sys

with open(sys.argv[1]) as source:
    text = source.read()
# Compilers bound the length of one literal; neighbours are joined.
parts = [text[i:i + 8000] for i in range(0, len(text), 8000)]
with open(sys.argv[2], "w") as output:
    output.writelines(f'R"device({part})device"\n' for part in parts)
