#!/usr/bin/env python3
"""Builds the documentation's site: the repository's pages and the reference of the public headers, searchable.

    docs/site/build.py [--build DIR]      writes DIR/site/html/index.html

A link that leads nowhere, in a page or to a heading, fails the build. Files that pages link to are there beside them.
"""
import argparse
import json
import pathlib
import re
import shutil
import subprocess
import sys

import reference

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bindings"))
import coverage  # noqa: E402

PAGES = ("README.md", "CONTRIBUTING.md", "bindings/README.md", "docs/**/*.md")
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)#\s]+)((?:#[^)]*)?)\)")


def called_by():
    """C function: {language: the files of its layer that call it}"""
    out = {}
    for language, (globs, raw, _) in coverage.LAYERS.items():
        for path in sorted(p for pattern in globs for p in ROOT.glob(pattern) if raw not in p.relative_to(ROOT).parts):
            for name in set(re.findall(r"\btn_\w+", path.read_text())):
                out.setdefault(name, {}).setdefault(language, []).append(path.relative_to(ROOT))
    return out


def take(page, pages, stage):
    """Copies a page, and what it links to: files as they are; folders become their README, or their name alone."""
    def link(match):
        text, target, rest = match.groups()
        if re.match(r"[a-z]+:", target):
            return match.group(0)
        path = (page.parent / target).resolve()
        inside = path.relative_to(ROOT) if path.is_relative_to(ROOT) else None
        if path.is_dir():
            readme = path / "README.md"
            return f"[{text}]({target.rstrip('/')}/README.md{rest})" if readme in pages else text
        if inside and path.is_file() and path not in pages:
            (stage / inside).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, stage / inside)
        return match.group(0)

    to = stage / page.relative_to(ROOT)
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_text(LINK.sub(link, page.read_text()))


def listed(names):
    return "[" + ", ".join(names) + "]"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    arguments = parser.parse_args()
    site = arguments.build.resolve() / "site"
    shutil.rmtree(site, ignore_errors=True)
    stage = site / "pages"
    pages = {p for pattern in PAGES for p in ROOT.glob(pattern)}
    for page in sorted(pages):
        take(page, pages, stage)
    callers = called_by()
    for path in {p for languages in callers.values() for paths in languages.values() for p in paths}:
        (stage / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, stage / path)
    (stage / "reference").mkdir()
    headers = reference.write(json.loads((ROOT / "capi" / "api.json").read_text()), stage / "reference", callers)

    def rooms(folder):
        return [str(p.relative_to(ROOT)) for p in sorted((ROOT / folder).glob("*.md"), key=lambda p: (p.name != "README.md", p.name))]

    text = (ROOT / "docs/site/mkdocs.yml").read_text()
    for word, names in (("LANGUAGES", rooms("docs/languages")), ("REFERENCE", [f"reference/{h}.md" for h in headers]), ("RESULTS", rooms("docs/results"))):
        text = text.replace(f"[{word}]", listed(names))
    config = site / "mkdocs.yml"
    config.write_text(text + f"docs_dir: {json.dumps(str(stage))}\nsite_dir: {json.dumps(str(site / 'html'))}\n")
    done = subprocess.run([sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(config)], cwd=site)
    if done.returncode == 0:
        print(f"{site / 'html' / 'index.html'}: {len(pages)} pages, {len(headers)} headers")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
