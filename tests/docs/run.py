#!/usr/bin/env python3
"""The pages hold together: every relative link leads to a file, the README names its two commands, the guide's C code compiles,
and the site builds without a dead link.

    tests/docs/run.py [--canary]
"""
import pathlib
import re
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
from report import Report, run  # noqa: E402

ROOTS = ("docs", "src", "kernels", "capi", "include", "bindings", "examples", "tests", "bench")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


CODE = re.compile(r"^```c\n(.*?)^```$", re.S | re.M)


def compile_code(page):
    """What the compiler says of each piece of C code of a page; "" for none."""
    for code in CODE.findall(page.read_text()):
        done = run(["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", f"-I{ROOT / 'include'}", "-xc", "-"], input=code)
        yield done.stderr.strip() or ("" if done.returncode == 0 else "the compiler failed")


def build_site():
    with tempfile.TemporaryDirectory() as folder:
        done = run([sys.executable, ROOT / "docs/site/build.py", "--build", folder])
        index = pathlib.Path(folder) / "site/html/search/search_index.json"
        if done.returncode == 0 and "tn_engine_create" in index.read_text():
            return ""
        return (done.stdout + done.stderr).strip()[-2000:] or "the search index lacks tn_engine_create"


def main():
    canary = "--canary" in sys.argv
    report = Report()
    pages = sorted([*ROOT.glob("*.md"), *(p for room in ROOTS for p in (ROOT / room).rglob("*.md"))])
    for page in pages:
        name = page.relative_to(ROOT)
        text = page.read_text() + ("[planted](no/such/page.md)" if canary else "")
        for link in LINK.findall(text):
            if re.match(r"[a-z]+:", link):
                continue
            report.check((page.parent / link).exists(), f"{name}: {link} does not exist{' (planted)' if canary else ''}")
    for page in sorted((ROOT / "docs/guide").glob("*.md")):
        for said in compile_code(page):
            report.check(not said, f"{page.relative_to(ROOT)}: a piece of C code compiles", said)
    said = build_site()
    report.check(not said, "the site is built", said)
    readme = (ROOT / "README.md").read_text()
    for command in ("make demo", "make test"):
        report.check(command in readme, f"README.md names `{command}`")
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
