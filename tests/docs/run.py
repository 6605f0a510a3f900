#!/usr/bin/env python3
"""The pages hold together: every relative link leads to a file, and the README names its two commands.

    tests/docs/run.py [--canary]
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROOTS = ("docs", "src", "kernels", "capi", "include", "bindings", "examples", "tests", "bench")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def main():
    canary = "--canary" in sys.argv
    passed, failures = 0, []
    pages = sorted([*ROOT.glob("*.md"), *(p for room in ROOTS for p in (ROOT / room).rglob("*.md"))])
    for page in pages:
        name = page.relative_to(ROOT)
        text = page.read_text() + ("[planted](no/such/page.md)" if canary else "")
        for link in LINK.findall(text):
            if re.match(r"[a-z]+:", link):
                continue
            if (page.parent / link).exists():
                passed += 1
            else:
                failures.append(f"{name}: {link} does not exist{' (planted)' if canary else ''}")
    readme = (ROOT / "README.md").read_text()
    for command in ("make demo", "make test"):
        if command in readme:
            passed += 1
        else:
            failures.append(f"README.md does not name `{command}`")
    for failure in failures:
        print(f"FAILED {failure}")
    print(f"{passed} passed, {len(failures)} failed, 0 skipped")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
