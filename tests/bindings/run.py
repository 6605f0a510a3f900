#!/usr/bin/env python3
"""The raw layers of Python, Java, C# and Rust.

    tests/bindings/run.py --build DIR [--canary] [fresh|parsed|names|coverage|smoke|installed|growth ...]

fresh     what is committed and generated is what the public headers say
installed the Rust crate, away from the source tree, finds an installed library by pkg-config
parsed    SWIG reads the headers as libclang does: names, types, values
names     each raw layer has every C function and every constant, and no other
coverage  the layers above call every function, or have a reason not to
smoke     each raw layer builds, runs and destroys a network, fails as it should, and carries exceptions
growth    a function that is added to a header arrives in every raw layer, and the coverage names it

A language whose tools are absent is skipped by name. `--canary` plants a fault for every check and demands that it is found.
"""
import argparse
import pathlib
import re
import shutil
import sys
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(ROOT / "capi"), str(ROOT / "bindings"), str(ROOT / "tests" / "support")]
import api as public  # noqa: E402
import called  # noqa: E402
import coverage  # noqa: E402
import languages  # noqa: E402
from languages import Absent, need, need_file  # noqa: E402
import parsed  # noqa: E402
from report import Report, must_run, run, run_canaries  # noqa: E402
from small_model import small_model  # noqa: E402

STEPS = ("version", "build", "file", "run", "profile", "errors", "exception", "destroy")
NOT_OF_C = {"java": {"address", "buffer", "slot", "slot_release", "payload"}}


class Language:
    """How the raw layer of a language is compiled and run; raises Absent, which says why, where it cannot be."""

    def __init__(self, name, build, folder):
        self.name, self.build, self.command, self.environment = name, build, None, {}
        self.output = build / "bindings" / name
        getattr(self, f"prepare_{name}")(folder)

    def prepare_python(self, folder):
        package = self.output / "tenon"
        need_file(package / "_raw.abi3.so", "Python's headers were not there when the build was configured")
        self.environment = {"PYTHONPATH": str(package), "PYTHONDONTWRITEBYTECODE": "1"}
        self.command = [sys.executable, HERE / "raw_smoke.py"]

    def prepare_java(self, folder):
        need("javac", "java")
        sources = [path for path in languages.java_sources(self.build) if path.parent.name != "tenon"]
        self.classes = folder / "classes"
        must_run(["javac", "-encoding", "UTF-8", "-Xlint:all", "-Werror", "-d", self.classes, *sources, HERE / "RawSmoke.java"])
        self.command = ["java", "-Xcheck:jni", f"-Dtenon.library.path={self.output}", "-cp", self.classes, "RawSmoke"]

    def prepare_csharp(self, folder):
        need("mcs", "mono")
        sources = [path for path in languages.csharp_sources(self.build) if path.parent.name != "src"]
        must_run(["mcs", "-langversion:latest", "-unsafe", "-warnaserror", f"-out:{folder / 'RawSmoke.exe'}", *sources,
                      HERE / "RawSmoke.cs"])
        self.environment = {"LD_LIBRARY_PATH": str(self.output)}
        self.command = ["mono", folder / "RawSmoke.exe"]

    def prepare_rust(self, folder):
        need("cargo")
        crate = ["--manifest-path", ROOT / "bindings/rust/Cargo.toml", "-p", "tenon-sys"]
        settings = languages.cargo_settings(self.build)
        must_run(["cargo", "test", "-q", "--locked", "--no-run", *crate], settings)
        found = run(["cargo", "test", "-q", "--locked", "--no-run", "--message-format=json", *crate], settings)
        self.command = [re.search(r'"executable":"([^"]*raw_smoke[^"]*)"', found.stdout).group(1)]

    def smoke(self, data, extra=None):
        """(lines that the program printed, what else it said)"""
        environment = {**self.environment, "TENON_SMOKE": str(data), **(extra or {})}
        done = run([*self.command, data], environment, timeout=300)
        text = done.stderr + ("" if done.returncode == 0 else f"status {done.returncode}\n")
        return done.stdout.splitlines(), text


LANGUAGES = ("python", "java", "csharp", "rust")


def each_language(report, check, build, folder):
    for name in LANGUAGES:
        try:
            (folder / name).mkdir()
            language = Language(name, build, folder / name)
        except Absent as reason:
            report.skip(f"{check}: {name}", reason)
        except RuntimeError as error:
            report.check(False, f"{check}: {name}", error)
        else:
            yield language


# --- fresh ---------------------------------------------------------------------------------------------------------------
def check_fresh(report, build, root=ROOT):
    done = run([sys.executable, root / "bindings" / "update.py", "--check", "--build", build])
    report.check(done.returncode == 0, "fresh: a generated file is not what the public headers say; run `make bindings`",
                 done.stdout[-1500:] + done.stderr[-1500:])
    if "left as it is" in done.stdout:
        report.skip("fresh: bindings.rs", "Cargo is not installed")


# --- parsed --------------------------------------------------------------------------------------------------------------
def check_parsed(report, build, api):
    with tempfile.TemporaryDirectory() as folder:
        for name in parsed.OWN:
            if not parsed.SWIG.exists() or not (build / "bindings/grammar.i").exists():
                report.skip(f"parsed: {name}", "swig is not installed")
                continue
            found = parsed.differences(name, build, pathlib.Path(folder), api)
            report.check(not found, f"parsed: {name}: {len(found)} differences", "\n".join(found[:20]))
            print(f"  {name:8} {len(parsed.wanted(api)) - len(found)} functions, members and constants")


# --- names ---------------------------------------------------------------------------------------------------------------
def number(text):
    return eval(text) if re.fullmatch(r"[\d\s()+*-]+", text) else text.strip('"')


def raw_names(language):
    """({function}, {constant: value}) of a raw layer, read off what was compiled where there is such a thing."""
    if language.name == "python":
        done = run([sys.executable, "-c", "import _raw\nfor n in dir(_raw):\n    v = getattr(_raw, n)\n"
                    "    print(n, v if n.startswith('TN_') else '')"], language.environment)
        rows = [line.split(" ", 1) for line in done.stdout.splitlines()]
        return ({n for n, _ in rows if n.startswith("tn_")},
                {n: number(v) for n, v in rows if n.startswith("TN_")})
    if language.name == "java":
        done = run(["javap", "-p", "-cp", language.classes, "dev.tenon.internal.RawJNI"])
        functions = set(re.findall(r" native [\w.\[\]]+ (\w+)\(", done.stdout))
        text = (language.output / "RawConstants.java").read_text()
        constants = re.findall(r"final static \w+ (TN_\w+) = (.*);", text)
        return functions - NOT_OF_C["java"], {n: number(v) for n, v in constants}
    if language.name == "csharp":
        text = (language.output / "RawPINVOKE.cs").read_text()
        entries = dict(re.findall(r'EntryPoint="(\w+)"\)\]\s+public static extern \S+ (\w+)\(', text))
        exported = run(["nm", "-D", "--defined-only", language.output / "libtenon_csharp.so"]).stdout
        functions = {name for entry, name in entries.items() if re.search(rf" T {entry}$", exported, re.M)}
        constants = re.findall(r"public const \w+ (TN_\w+) = (.*);", (language.output / "Raw.cs").read_text())
        return functions, {n: number(v) for n, v in constants}
    source = ROOT / "bindings/rust/tenon-sys/src"
    functions = set(re.findall(r"pub fn (tn_\w+)\(", (source / "bindings.rs").read_text()))
    constants = re.findall(r"pub const (TN_\w+): [&\w]+ = (.*);", (source / "constants.rs").read_text())
    return functions, {n: number(v) for n, v in constants}


def check_names(report, build, api):
    functions = {f.name for f in api.functions}
    constants = {c.name: c.value for group in [api.constants, *(e.constants for e in api.enums)] for c in group}
    with tempfile.TemporaryDirectory() as folder:
        for language in each_language(report, "names", build, pathlib.Path(folder)):
            has, values = raw_names(language)
            report.check(has == functions, f"names: {language.name} lacks {sorted(functions - has)}, has besides "
                                           f"{sorted(has - functions)}")
            different = sorted(n for n in constants.keys() | values.keys() if constants.get(n) != values.get(n))
            report.check(not different, f"names: constants of {language.name} that differ: {different}")
            if not different and has == functions:
                print(f"  {language.name:8} {len(has)} functions, {len(values)} constants")


# --- coverage --------------------------------------------------------------------------------------------------------------
def check_coverage(report, root=ROOT):
    for language in coverage.LAYERS:
        done, excused, wrong = coverage.judge(language, root)
        print(f"  {language:8} {len(done)} functions called, {len(excused)} with a reason, {len(wrong)} wrong")
        for failure in wrong:
            report.check(False, f"coverage: {failure}")
        report.check(not wrong, f"coverage: {language}")


# --- smoke -----------------------------------------------------------------------------------------------------------------
def write_data(folder, shift=0.0):
    """A network, an input, and the output that another runtime computes."""
    import onnxruntime
    model = small_model()
    x = (np.arange(48, dtype=np.float32) % 7 - 3).reshape(3, 1, 4, 4) / 4
    expected = onnxruntime.InferenceSession(model).run(None, {"x": x})[0] + np.float32(shift)
    for name, data in (("model.onnx", model), ("input.bin", x.tobytes()), ("expected.bin", expected.tobytes())):
        (folder / name).write_bytes(data)


def other_pythons():
    """Interpreters of other versions, which one binary serves too."""
    return [path for minor in range(11, 16) if minor != sys.version_info.minor and (path := shutil.which(f"python3.{minor}"))
            and run([path, "-c", ""]).returncode == 0]


def check_smoke(report, build, api, shift=0.0):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "data").mkdir()
        write_data(folder / "data", shift)
        shim = called.make_shim(folder, build)
        for language in each_language(report, "smoke", build, folder):
            calls = folder / f"{language.name}.called"
            lines, said = language.smoke(folder / "data", called.environment(shim, calls))
            for step in STEPS:
                failed = next((line for line in lines if line.startswith(f"FAILED {step}:")), f" no word of {step}").partition(" ")[2]
                report.check(f"passed {step}" in lines, f"smoke: {language.name}: {step}", f"{failed}\n{said[-2000:]}")
            report.check("WARNING in native method" not in "".join(lines) + said, f"smoke: {language.name}: JNI's rules are kept",
                         "\n".join(lines)[-2000:])
            names = called.names(calls)
            report.check({"tn_builder_build", "tn_execution_context_run", "tn_error_create"} <= names,
                         f"smoke: {language.name}: the calls are counted", str(sorted(names)))
            print(f"  {language.name:8} {len(names)} functions called")
            for interpreter in other_pythons() if language.name == "python" else []:
                language.command[0] = interpreter
                lines, said = language.smoke(folder / "data")
                report.check(lines == [f"passed {step}" for step in STEPS], f"smoke: the same binary with {interpreter}",
                             "\n".join(lines).replace("FAILED", "failed") + said)
            for struct in api.structs if language.name == "csharp" else []:
                wanted = f"layout {struct.name} {struct.size} " + " ".join(f"{m.name}={m.offset}" for m in struct.members)
                report.check(wanted in lines, f"smoke: csharp: {wanted}", "\n".join(lines))


# --- installed -------------------------------------------------------------------------------------------------------------
def check_installed(report, build, sabotage=None):
    if not shutil.which("cargo"):
        report.skip("installed: rust", "Cargo is not installed")
        return
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        prefix = folder / "prefix"
        meson = pathlib.Path(sys.executable).with_name("meson")
        done = run([meson, "install", "-C", build, "--no-rebuild", "--quiet", "--destdir", folder / "stage"])
        pc = next((folder / "stage").rglob("tenon.pc"), None)
        report.check(done.returncode == 0 and pc is not None, "installed: tenon.pc", done.stderr[-1500:])
        if pc is None:
            return
        libraries = pc.parent.parent
        shutil.copytree(libraries, prefix / "lib", symlinks=True)
        shutil.copytree(next((folder / "stage").rglob("tenon.h")).parent, prefix / "include" / "tenon")
        text = re.sub(r"^prefix=.*$", f"prefix={prefix}", (prefix / "lib/pkgconfig/tenon.pc").read_text(), flags=re.M)
        (prefix / "lib/pkgconfig/tenon.pc").write_text(re.sub(r"^libdir=.*$", "libdir=${prefix}/lib", text, flags=re.M))
        if sabotage:
            sabotage(prefix)
        (folder / "data").mkdir()
        write_data(folder / "data")
        shutil.copytree(ROOT / "bindings/rust", folder / "rust", ignore=shutil.ignore_patterns("target"))
        settings = {"CARGO_TARGET_DIR": str(build / "bindings" / "rust-installed"), "TENON_SMOKE": str(folder / "data"),
                    "PKG_CONFIG_PATH": str(prefix / "lib/pkgconfig"), "LD_LIBRARY_PATH": str(prefix / "lib")}
        done = run(["cargo", "test", "-q", "--locked", "--manifest-path", folder / "rust/Cargo.toml", "-p", "tenon-sys", "--test",
                    "raw_smoke"], settings, timeout=600)
        good = all(f"passed {step}" in done.stdout for step in STEPS)
        report.check(good, "installed: tenon-sys with the installed library", done.stdout[-1500:] + done.stderr[-1500:])


# --- growth ----------------------------------------------------------------------------------------------------------------
NEW = """
/**
 * Whether two blobs have the same bytes.
 *
 * @param blob        One.
 * @param other       The other.
 * @param weights     Numbers.
 * @param weights_size  Their number.
 * @param out_equal   Receives 0 or 1.
 * @return Fails with INVALID_HANDLE.
 */
TN_API TN_SINCE(0, 2) TN_MUST_USE tn_error_t
tn_blob_find_same(tn_blob_t blob, tn_blob_t other, TN_LEN(weights_size) const double *weights, size_t weights_size,
                  TN_OUT int32_t *out_equal) TN_NOEXCEPT;

TN_END_DECLS
"""


def check_growth(report, build, update=True):
    """In a copy: the header gets a function, one command runs, and it is everywhere."""
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder)
        for part in ("include", "capi", "bindings"):
            shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("target", "__pycache__"))
        header = copy / "include/tenon/blob.h"
        header.write_text(header.read_text().replace("\nTN_END_DECLS\n", NEW))
        if update:
            done = run([sys.executable, copy / "bindings/update.py", "--build", build])
            report.check(done.returncode == 0, "growth: bindings/update.py", done.stdout + done.stderr)
        made = copy / "made"
        run([sys.executable, copy / "bindings/generate", "--out", made])
        name = "tn_blob_find_same"
        api = public.load(copy / "capi/api.json")
        report.check(any(f.name == name for f in api.functions), "growth: api.json has the new function")
        report.check(f"    {name};" in (copy / "capi/tenon.map").read_text(), "growth: the version script has it")
        swig = pathlib.Path(sys.executable).with_name("swig")
        for language, options, output in (("python", ["-threads"], "raw.c"), ("java", ["-module", "Raw"], "RawJNI.java"),
                                          ("csharp", ["-module", "Raw"], "RawPINVOKE.cs")):
            if not swig.exists():
                report.skip(f"growth: {language}", "swig is not installed")
                continue
            (made / language).mkdir(exist_ok=True)
            done = run([swig, "-Wall", "-Werror", f"-{language}", *options, f"-I{copy / 'bindings/swig'}", f"-I{made}",
                        f"-I{copy / 'include'}", "-outdir", made / language, "-o", made / language / "raw.c",
                        copy / "bindings/swig/tenon.i"])
            text = (made / language / output).read_text() if done.returncode == 0 else ""
            report.check(re.search(rf"\b(_wrap_)?{name}\b", text) is not None, f"growth: {language} has it", done.stderr[-1500:])
        if shutil.which("cargo"):
            text = (copy / "bindings/rust/tenon-sys/src/bindings.rs").read_text()
            report.check(f"pub fn {name}(" in text, "growth: rust has it")
        else:
            report.skip("growth: rust", "Cargo is not installed")
        for language in coverage.LAYERS:
            if "*" in coverage.reasons_of(language, copy):
                report.skip(f"growth: the coverage of {language}", "there is no layer above the raw one yet")
                continue
            _, _, wrong = coverage.judge(language, copy)
            report.check(f"{language}: the idiomatic layer lacks {name}" in wrong, f"growth: the coverage of {language} names it",
                         str(wrong))


# --- planted faults ----------------------------------------------------------------------------------------------------------
def canaries(build, api):
    blind = []

    def planted(name, check):
        report = Report()
        print(f"-- a planted fault for {name}:")
        check(report)
        if not report.failures:
            blind.append(name)
        return report

    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder)
        for part in ("include", "capi", "bindings"):
            shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("target", "__pycache__"))
        constants = copy / "bindings/rust/tenon-sys/src/constants.rs"
        constants.write_text(constants.read_text().replace("TN_ERROR_BUSY: tn_error_code = 9", "TN_ERROR_BUSY: tn_error_code = 8"))
        planted("fresh", lambda report: check_fresh(report, build, copy))
        hpp = copy / "include/tenon/tenon.hpp"
        hpp.write_text(hpp.read_text().replace("tn_blob_save(", "/* tn_blob_save */ ("))
        planted("coverage", lambda report: check_coverage(report, copy))
    more = public.load()
    more.functions.append(public.Function("tn_blob_find_same", "blob.h", "blob", "find", "0.2", "void", "none", False, False, [], "",
                                          "", []))
    more.enums[0].constants[0].value += 1
    planted("parsed: a function and a value", lambda report: check_parsed(report, build, more))
    typed = public.load()
    next(f for f in typed.functions if f.name == "tn_blob_save").parameters[1].type = "char *"
    report = planted("parsed: a type", lambda report: check_parsed(report, build, typed))
    blind += [f"parsed: {n}" for n in parsed.OWN if f"parsed: {n}: 1 differences" not in report.failures and f"parsed: {n}" not in report.skips]
    named = public.load()
    next(f for f in named.functions if f.name == "tn_blob_save").parameters[1].name = "another"
    planted("parsed: a parameter's name", lambda report: check_parsed(report, build, named))
    report = planted("names", lambda report: check_names(report, build, more))
    for name in set(LANGUAGES) - {skip.removeprefix("names: ") for skip in report.skips}:
        for start in (f"names: {name} lacks", f"names: constants of {name}"):
            blind += [] if any(failure.startswith(start) for failure in report.failures) else [start]
    report = planted("smoke", lambda report: check_smoke(report, build, api, shift=1.0))
    blind += [f"smoke: {n}" for n in LANGUAGES if f"smoke: {n}: run" not in report.failures and f"smoke: {n}" not in report.skips]
    planted("the installed library", lambda report: check_installed(
        report, build, lambda prefix: (prefix / "lib/pkgconfig/tenon.pc").write_text("Name: tenon\n")))
    planted("growth", lambda report: check_growth(report, build, update=False))
    return blind


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", type=pathlib.Path)
    parser.add_argument("--canary", action="store_true")
    checks = ["fresh", "parsed", "names", "coverage", "smoke", "installed", "growth"]
    parser.add_argument("checks", nargs="*", choices=[[], *checks])
    arguments = parser.parse_args()
    build, api = arguments.build.resolve(), public.load()
    if arguments.canary:
        return run_canaries(lambda: canaries(build, api))
    report = Report()
    for check in arguments.checks or checks:
        print(f"-- {check}", flush=True)
        if check == "fresh":
            check_fresh(report, build)
        elif check == "parsed":
            check_parsed(report, build, api)
        elif check == "names":
            check_names(report, build, api)
        elif check == "coverage":
            check_coverage(report)
        elif check == "smoke":
            check_smoke(report, build, api)
        elif check == "installed":
            check_installed(report, build)
        else:
            check_growth(report, build)
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
