#!/usr/bin/env python3
"""The C API from outside: headers, exported symbols, misuse, the installed library.

    tests/abi/run.py --build DIR [--canary] [--sanitize address,undefined|thread] [headers|symbols|binary|misuse|installed ...]

`--canary` plants a fault for every check and demands that it is found.
"""
import argparse
import itertools
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "capi"))
sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent), str(ROOT / "tests" / "support")]
import abi  # noqa: E402
import api as public  # noqa: E402
import instrumented  # noqa: E402
import misuse  # noqa: E402
from report import Report, run, run_canaries  # noqa: E402
from small_model import small_model  # noqa: E402

WARNINGS = ["-Wall", "-Wextra", "-Werror", "-pedantic"]
C_COMPILERS = {"gcc": "gcc", "clang": "clang-14"}
CPP_COMPILERS = {"gcc": "g++", "clang": "clang++-14"}
CHECKS = ["headers", "symbols", "binary", "misuse", "installed"]


def found(compilers, report, what):
    there = {name: program for name, program in compilers.items() if shutil.which(program)}
    for name in compilers.keys() - there.keys():
        report.skip(f"headers: {what} with {name}", f"{compilers[name]} is not installed")
    return there


# --- headers compile alone and twice, in every standard ------------------------------------------------------------
def check_headers(report, include=ROOT / "include", quick=False):
    c = [(p, f"-std={s}", "c") for p, s in itertools.product(found(C_COMPILERS, report, "C").values(),
                                                            ["c99"] if quick else ["c99", "c11", "c17"])]
    cpp = [(p, f"-std={s}", "c++") for p, s in itertools.product(
        found(CPP_COMPILERS, report, "C++").values(), ["c++11"] if quick else ["c++11", "c++14", "c++17", "c++20"])]
    jobs = []
    for header in sorted((include / "tenon").iterdir()):
        if header.suffix not in (".h", ".hpp"):
            continue
        for program, standard, language in c + cpp:
            if header.suffix == ".hpp" and (language == "c" or standard in ("-std=c++11", "-std=c++14")):
                continue
            jobs.append((header.name, program, standard, language))

    def compile_one(job):
        name, program, standard, language = job
        source = f'#include "tenon/{name}"\n#include "tenon/{name}"\nint tn_nothing(void);\nint tn_nothing(void) {{ return 0; }}\n'
        return job, run([program, standard, *WARNINGS, "-I", include, "-x", language, "-fsyntax-only", "-"], input=source)

    with ThreadPoolExecutor(2) as pool:
        for (name, program, standard, _), done in pool.map(compile_one, jobs):
            report.check(done.returncode == 0, f"headers: {name} with {program} {standard}", done.stderr[:1500])


# --- declared = api.json = version script = exported --------------------------------------------------------------
def exported(library):
    done = run(["nm", "-D", "--defined-only", library])
    names = {line.split()[-1].split("@")[0] for line in done.stdout.splitlines()}
    return {n for n in names if not re.fullmatch(r"TENON_\d+", n)}


def check_symbols(report, build, include=ROOT / "include" / "tenon", library=None):
    try:
        headers = public.read_headers(include)
    except public.GrammarError as error:
        report.check(False, f"symbols: the headers' grammar: {error}")
        return
    report.check(True, "grammar")
    declared = {f.name for f in headers.functions}
    library = library or build / "libtenon.so"
    symbols = exported(library)
    report.check(declared <= symbols, f"symbols: declared but not exported: {sorted(declared - symbols)}")
    report.check(symbols <= declared, f"symbols: exported but not declared: {sorted(symbols - declared)}")
    old = public.stale(headers)
    report.check(not old, f"symbols: {', '.join(old)}: not what the headers say; run `make bindings`")
    soname = re.search(r"SONAME.*\[(.*)\]", run(["readelf", "-d", library]).stdout)
    report.check(soname is not None and soname.group(1) == "libtenon.so.0", f"symbols: soname is {soname and soname.group(1)}")


# --- every function with every wrong argument -----------------------------------------------------------------------
def check_misuse(report, build, extra_source=None, sanitize=None):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        misuse.write(folder / "misuse_calls.inc")

        def compile_with(*more):
            return instrumented.compile_c(folder / "misuse", [ROOT / "tests" / "abi" / "misuse.c", *more], build, sanitize,
                                          ["-O0", "-I", ROOT / "tests", "-I", folder])
        instrumented.check_faults(report, "misuse", sanitize, folder, compile_with, lambda: run([folder / "misuse"]))
        wrong = compile_with(*([extra_source] if extra_source else []))
        if not report.check(not wrong, "misuse: the generated calls compile", wrong):
            return
        done = run([folder / "misuse"])
        closing = re.search(r"^(\d+) passed, (\d+) failed", done.stdout, re.M)
        if not closing:
            report.check(False, "misuse: the program ended early", done.stdout[-2000:] + done.stderr[-2000:])
            return
        report.passed += int(closing.group(1))
        for line in re.findall(r"^FAILED (.*)$", done.stdout, re.M):
            report.check(False, line)


# --- what compiled programs count on ---------------------------------------------------------------------------------
def check_binary(report, include=ROOT / "include"):
    """The types of parameters and results, layouts and values of enumerations are those of capi/tenon.abi."""
    missing = [tool for tool in abi.TOOLS if not shutil.which(tool)]
    if missing:
        report.skip("binary: against capi/tenon.abi", f"{missing[0]} is not installed")
        return
    try:
        changed = abi.difference(include)
    except subprocess.CalledProcessError as error:
        changed = f"the headers do not compile:\n{error.stderr}"
    report.check(not changed, "binary: the interface is not that of capi/tenon.abi (before 0.1: make bless-abi)", changed[-3000:])


# --- a user's program against the installed library ----------------------------------------------------------------
CMAKE = """cmake_minimum_required(VERSION 3.16)
project(consumer LANGUAGES C CXX)
find_package(Tenon 0.1 REQUIRED)
add_executable(classify_c {c})
target_link_libraries(classify_c PRIVATE tenon::tenon)
add_executable(classify_cpp {cpp})
target_compile_features(classify_cpp PRIVATE cxx_std_17)
target_link_libraries(classify_cpp PRIVATE tenon::tenon)
add_executable(classify_static {c})
target_link_libraries(classify_static PRIVATE tenon::tenon_static)
"""


def check_installed(report, build, sabotage=None):
    c, cpp = ROOT / "examples" / "c" / "classify.c", ROOT / "examples" / "cpp" / "classify.cpp"
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        prefix = folder / "prefix"
        stage = folder / "stage"
        done = run(["make", "-C", ROOT, "install", f"BUILD={build}", f"PREFIX={stage}",
                    f"VENV={pathlib.Path(sys.executable).parents[1]}"])
        installed = done.returncode == 0 and (stage / "include" / "tenon").is_dir() and (stage / "bin" / "tenon").exists()
        report.check(installed, "installed: make install PREFIX=…", done.stdout[-1500:] + done.stderr[-1500:])
        if not installed:
            return
        done = run([stage / "bin" / "tenon", "--version"])
        report.check(done.returncode == 0, "installed: the command-line tool runs", done.stderr)
        shutil.move(stage, prefix)  # the files must work wherever they are
        if sabotage:
            sabotage(prefix)
        pc = next(prefix.rglob("tenon.pc"))
        environment = {"PKG_CONFIG_PATH": str(pc.parent), "LD_LIBRARY_PATH": str(pc.parent.parent)}
        model = folder / "model.onnx"
        model.write_bytes(small_model())
        outputs = {}

        def try_program(name, command):
            done = run(command, environment, timeout=300)
            best = re.findall(r"^class \d+: \S+$", done.stdout, re.M)
            report.check(done.returncode == 0 and len(best) == 3, f"installed: {name} runs", done.stdout + done.stderr)
            outputs[name] = best

        for name, compiler, source in (("classify.c", ["gcc", "-std=c99"], c), ("classify.cpp", ["g++", "-std=c++17"], cpp)):
            flags = run(["pkg-config", f"--define-variable=prefix={prefix}", "--cflags", "--libs", "tenon"], environment)
            program = folder / name.replace(".", "_")
            done = run([*compiler, *WARNINGS, source, "-o", program, *flags.stdout.split()])
            report.check(done.returncode == 0, f"installed: {name} compiles with pkg-config", flags.stderr + done.stderr)
            if done.returncode == 0:
                try_program(name, [program, model])
        version = run(["pkg-config", "--modversion", "tenon"], environment).stdout.strip()
        report.check(f'"{version}"' in (prefix / "include" / "tenon" / "version.h").read_text(),
                     f"installed: pkg-config says version {version}")
        if shutil.which("cmake"):
            (folder / "cmake").mkdir()
            (folder / "cmake" / "CMakeLists.txt").write_text(CMAKE.format(c=c, cpp=cpp))
            done = run(["cmake", "-S", folder / "cmake", "-B", folder / "cmake" / "build", f"-DCMAKE_PREFIX_PATH={prefix}",
                        "-DCMAKE_BUILD_TYPE=Release"])
            built = run(["cmake", "--build", folder / "cmake" / "build"]) if done.returncode == 0 else done
            report.check(built.returncode == 0, "installed: a CMake project finds and links Tenon",
                         done.stderr[-1500:] + built.stdout[-1500:] + built.stderr[-1500:])
            if built.returncode == 0:
                for name in ("classify_c", "classify_cpp", "classify_static"):
                    try_program(f"CMake's {name}", [folder / "cmake" / "build" / name, model])
        else:
            report.skip("installed: CMake", "cmake is not installed")
        # Each builds a plan of its own, whose kernels may sum in another order.
        parsed = [[(line.split(":")[0], float(line.split(":")[1])) for line in lines] for name, lines in outputs.items() if "cpp" not in name]
        agree = bool(parsed) and all([c for c, _ in other] == [c for c, _ in parsed[0]] and all(abs(p - q) <= 1e-5 for (_, p), (_, q) in zip(other, parsed[0]))
                    for other in parsed)
        report.check(agree, f"installed: the C programs agree: {outputs}")


# --- planted faults --------------------------------------------------------------------------------------------------
def canaries(build):
    """Each check with a fault of its own; returns the checks that did not find theirs."""
    blind = []
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)

        def planted(name, check):
            report = Report()
            print(f"-- a planted fault for {name}:")
            check(report)
            if not report.failures:
                blind.append(name)

        include = folder / "include"
        shutil.copytree(ROOT / "include", include)
        blob = include / "tenon" / "blob.h"
        good = blob.read_text()
        blob.write_text(good.replace('#include "tenon/error.h"', ""))
        planted("headers", lambda report: check_headers(report, include, quick=True))
        blob.write_text(good + "\nTN_BEGIN_DECLS\n/** Nobody wrote its body. */\nTN_API TN_SINCE(0, 1) void "
                        "tn_blob_destroy_all(void) TN_NOEXCEPT;\nTN_END_DECLS\n")
        planted("symbols", lambda report: check_symbols(report, build, include / "tenon"))
        blob.write_text(good.replace("Destroys a handle;", "Drops a handle;"))
        planted("api.json", lambda report: check_symbols(report, build, include / "tenon"))
        if all(shutil.which(tool) for tool in abi.TOOLS):
            allocator = include / "tenon" / "allocator.h"
            table = allocator.read_text()
            for name, changed in (("a parameter's type", good.replace("size_t data_size", "int data_size")),
                                  ("a function that is gone", good.replace("tn_blob_save(", "tn_blob_persist("))):
                blob.write_text(changed)
                planted(f"the binary interface: {name}", lambda report: check_binary(report, include))
            blob.write_text(good)
            allocator.write_text(re.sub(r"(size_t struct_size;)", r"\1 int more;", table, count=1))
            planted("the binary interface: a table's layout", lambda report: check_binary(report, include))
            allocator.write_text(table)
        blob.write_text(good.replace("tn_blob_save(", "tn_blob_persist("))
        planted("the grammar", lambda report: check_symbols(report, build, include / "tenon"))
        # A function that takes bad handles for good ones, before the library's.
        careless = folder / "careless.c"
        careless.write_text('#include "tenon/tenon.h"\ntn_error_t tn_blob_get_data(tn_blob_t blob, const void **out_data, '
                            "size_t *out_size) { *out_data = *(void **)blob; *out_size = 1; return NULL; }\n")
        planted("misuse", lambda report: check_misuse(report, build, careless))
        planted("the installed library",
                lambda report: check_installed(report, build, lambda prefix: (prefix / "include/tenon/types.h").unlink()))
    return blind


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", type=pathlib.Path)
    parser.add_argument("--canary", action="store_true")
    parser.add_argument("checks", nargs="*", choices=[[], *CHECKS])
    instrumented.add_option(parser)
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    if arguments.canary:
        return run_canaries(lambda: canaries(build))
    report = Report()
    wanted = arguments.checks or CHECKS
    if "headers" in wanted:
        check_headers(report)
    if "symbols" in wanted:
        check_symbols(report, build)
    if "binary" in wanted:
        check_binary(report)
    if "misuse" in wanted:
        check_misuse(report, build, sanitize=arguments.sanitize)
    if "installed" in wanted:
        check_installed(report, build)
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
