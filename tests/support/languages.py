"""The layers of the languages: what they need, what they are compiled from, whether they name all of C's numbers."""
import pathlib
import re
import shutil

import api

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Where an enumeration is written, and how one of its constants looks.
ENUMS = {"java": ("java/src/main/java/dev/tenon/{}.java", r"^  \w+\((\d+)\),"), "csharp": ("csharp/src/{}.cs", r"^    \w+ = (\d+),")}


class Absent(Exception):
    """Why a language cannot be tried here."""


def need(*tools):
    for tool in tools:
        if not shutil.which(tool):
            raise Absent(f"{tool} is not installed")


def need_file(path, why):
    if not path.exists():
        raise Absent(why)


def java_sources(build):
    need_file(build / "bindings/java/libtenon_java.so", "the raw layer of Java is not built (make bindings)")
    return [*(build / "bindings").glob("*.java"), *(build / "bindings/java").glob("*.java"),
            *(ROOT / "bindings/java/src/main/java").rglob("*.java")]


def csharp_sources(build):
    need_file(build / "bindings/csharp/libtenon_csharp.so", "the raw layer of C# is not built (make bindings)")
    return [*(build / "bindings").glob("*.cs"), *(build / "bindings/csharp").glob("*.cs"), *(ROOT / "bindings/csharp/src").rglob("*.cs")]


def linked(build):
    """For compilers of C and C++."""
    return ["-I", ROOT / "include", "-L", build, "-ltenon", "-lpthread", f"-Wl,-rpath,{build}"]


def python_settings(build):
    package = build / "bindings/python"
    need_file(package / "tenon/_raw.abi3.so", "the raw layer of Python is not built (make bindings)")
    return {"PYTHONPATH": str(package), "PYTHONDONTWRITEBYTECODE": "1"}


def cargo_settings(build):
    return {"CARGO_TARGET_DIR": str(build / "bindings" / "rust"), "TENON_LIB_DIR": str(build)}


def wrong_enums(language, enums=None):
    """Enumerations of a language that have not the numbers of C's."""
    place, constant = ENUMS[language]
    wrong = []
    for enum in enums or api.load().enums:
        name = "".join(part.capitalize() for part in enum.name.removeprefix("tn_").split("_"))
        text = (ROOT / "bindings" / place.format(name)).read_text()
        if {int(number) for number in re.findall(constant, text, re.M)} != {c.value for c in enum.constants}:
            wrong.append(name)
    return wrong
