#!/usr/bin/env python3
"""The languages agree: every scenario's transcript, as docs/conformance.md describes it.

    tests/conformance/run.py --build DIR [--bless] [--canary] [--only LANGUAGE] [--sanitize address,undefined|thread]
                             [--device NAME] [--models DIR] [SCENARIO ...]

`--bless` lets C write the transcripts anew. `--canary` changes one character of every transcript, and demands that each
language is found to differ. `--sanitize` runs C alone, compiled like DIR with sanitizers. `--device`: every network is
built for that device, and the others must print what C prints; where C differs from the transcript, which is the CPU's, it
is shown. `--models`: they are there (tests/conformance/models.py DIR), for a machine that cannot write them. A language whose
tools or layer are absent is skipped by name.
"""
import argparse
import concurrent.futures
import difflib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT / "tests" / "support"), str(ROOT / "bindings"), str(ROOT / "capi")]
import api as public  # noqa: E402
import called  # noqa: E402
import instrumented  # noqa: E402
from languages import Absent, cargo_settings, csharp_sources, java_sources, linked, need, python_settings  # noqa: E402
from report import Report, must_run, run  # noqa: E402

WARNINGS = ["-O1", "-g", "-Wall", "-Wextra", "-Werror"]


# Each gives (command, environment) of its runner, compiled into `folder`; raises Absent if it cannot be there.
def c(build, folder):
    need("gcc")
    must_run(["gcc", "-std=gnu11", *WARNINGS, HERE / "runner.c", "-o", folder / "runner_c", *linked(build)])
    return [folder / "runner_c"], {}


def c_with(sanitize):
    def prepare(build, folder):
        wrong = instrumented.compile_c(folder / "runner_c", [HERE / "runner.c"], build, sanitize, WARNINGS)
        if wrong:
            raise RuntimeError(wrong)
        return [folder / "runner_c"], {}
    return prepare


def python(build, folder):
    return [sys.executable, HERE / "runner.py"], python_settings(build)


def cpp(build, folder, compiler="g++"):
    need(compiler)
    program = folder / f"runner_{compiler}"
    must_run([compiler, "-std=c++17", *WARNINGS, "-pedantic", HERE / "runner.cpp", "-o", program, *linked(build)])
    return [program], {}


def cpp_clang(build, folder):
    return cpp(build, folder, "clang++-14")


def rust(build, folder):
    need("cargo")
    must_run(["cargo", "build", "-q", "--locked", "--manifest-path", ROOT / "bindings/rust/Cargo.toml", "-p", "tenon-conformance"],
            cargo_settings(build))
    return [build / "bindings" / "rust" / "debug" / "tenon-conformance"], {}


def java(build, folder):
    need("javac", "java")
    must_run(["javac", "-encoding", "UTF-8", "-nowarn", "-d", folder / "classes", *java_sources(build), HERE / "Runner.java"])
    return ["java", f"-Dtenon.library.path={build / 'bindings/java'}", "-cp", folder / "classes", "Runner"], {}


def csharp(build, folder):
    need("mcs", "mono")
    must_run(["mcs", "-langversion:latest", "-unsafe", "-nowarn:1591", f"-out:{folder / 'Runner.exe'}", *csharp_sources(build), HERE / "Runner.cs"])
    return ["mono", folder / "Runner.exe"], {"LD_LIBRARY_PATH": str(build / "bindings/csharp")}


LANGUAGES = {
    "c": c,
    "python": python,
    "rust": rust,
    "cpp": cpp,
    "cpp-clang": cpp_clang,
    "java": java,
    "csharp": csharp,
}


def write_models(folder, source):
    """The models into a new folder: from `source`, or None to write them."""
    if source:
        shutil.copytree(source, folder)
        return
    import models  # needs the onnx package
    folder.mkdir(parents=True)
    models.write(folder)


def for_device(scenario, device, folder):
    """The scenario with every network built for the device, without the steps "busy": a profiler's callback that holds a run
    holds the caller's own enqueue there, as tn_execution_context_set_profiler() says."""
    steps = [step for step in json.loads(scenario.read_text()) if step["do"] != "busy"]
    for step in steps:
        if step["do"] == "device":
            step["name"] = device
        if step["do"] == "config":
            step["device"] = device
    folder.mkdir(exist_ok=True)
    (folder / scenario.name).write_text(json.dumps(steps, ensure_ascii=False), encoding="utf-8")
    return folder / scenario.name


def difference(expected, got, name):
    return "\n".join(list(difflib.unified_diff(expected.splitlines(), got.splitlines(), "transcript", name, lineterm=""))[:40])


def transcript(command, environment, scenario, folder, models):
    """What a runner printed for a scenario, in a folder of models of its own."""
    write_models(folder, models)
    try:
        done = run([*command, scenario], environment, cwd=folder, timeout=300)
    except subprocess.TimeoutExpired:
        return "stopped after 300 s\n"
    return done.stdout if done.returncode == 0 else f"{done.stdout}status {done.returncode}: {done.stderr[-2000:]}\n"


def check_rest(source, build, folder, environment, sanitize, models):
    """What is wrong with a program that calls what the scenarios do not."""
    program = folder / source.name.replace(".", "_")
    if source.suffix == ".c":
        wrong = instrumented.compile_c(program, [source], build, sanitize, WARNINGS)
    else:
        done = run(["g++", "-std=c++17", "-pedantic", *WARNINGS, source, "-o", program, *linked(build)])
        wrong = done.stderr if done.returncode else ""
    if wrong:
        return wrong
    data = folder / f"{source.name}.models"
    write_models(data, models)
    done = run([program], environment, cwd=data, timeout=300)
    return "" if done.returncode == 0 else f"status {done.returncode} {done.stderr[-1000:]}".replace("\n", " ")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", type=pathlib.Path)
    parser.add_argument("--bless", action="store_true")
    parser.add_argument("--canary", action="store_true")
    parser.add_argument("--only", choices=LANGUAGES)
    instrumented.add_option(parser)
    parser.add_argument("--device")
    parser.add_argument("--models", type=pathlib.Path)
    parser.add_argument("scenarios", nargs="*")
    arguments = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)  # what was found is told even if it is stopped
    build = arguments.build.resolve()
    scenarios = [path for path in sorted((HERE / "scenarios").glob("*.json"))
                 if not arguments.scenarios or path.stem in arguments.scenarios]
    report, blind, printed_by_c = Report(), [], {}
    planted = ' (planted)' if arguments.canary else ''
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        shim = None if arguments.sanitize else called.make_shim(folder, build)
        languages = {"c": c_with(arguments.sanitize)} if arguments.sanitize else LANGUAGES
        if arguments.sanitize:
            write_models(folder / "faults", arguments.models)
            program = folder / "faults" / "runner"
            instrumented.check_faults(
                report, "c", arguments.sanitize, folder,
                lambda source: instrumented.compile_c(program, [HERE / "runner.c", source], build, arguments.sanitize, ["-O1"]),
                lambda: run([program, HERE / "scenarios" / "load.json"], cwd=folder / "faults"))
        total = len(public.load().functions)
        for name, prepare in languages.items():
            if arguments.only not in (None, name) or (arguments.bless and name != "c"):
                continue
            try:
                command, environment = prepare(build, folder)
            except Absent as reason:
                report.skip(name, reason)
                continue
            except RuntimeError as error:
                report.check(False, f"{name}: the runner does not compile", error)
                continue
            good = 0
            if shim:
                environment = {**environment, **called.environment(shim, folder / f"{name}.called")}

            def transcript_of(scenario):
                path = for_device(scenario, arguments.device, folder / "scenarios") if arguments.device else scenario
                return transcript(command, environment, path, folder / name / scenario.stem, arguments.models)

            with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
                transcripts = list(pool.map(transcript_of, scenarios))
            for scenario, got in zip(scenarios, transcripts):
                golden = HERE / "transcripts" / f"{scenario.stem}.txt"
                if arguments.bless:
                    golden.write_text(got)
                expected = golden.read_text() if golden.exists() else ""
                if arguments.device and name == "c":
                    print(f"  c: {scenario.stem}\n{difference(expected, got, arguments.device)}" if got != expected else "", end="")
                    printed_by_c[scenario.stem] = got
                    expected = "" if "\nstatus " in got else got
                elif arguments.device:
                    expected = printed_by_c.get(scenario.stem, "")
                if arguments.canary:
                    expected = expected.replace("1", "2", 1)
                same = report.check(got == expected and got, f"{name}: {scenario.stem}: the transcript differs{planted}",
                                    "" if planted else difference(expected, got, name))
                good += same
                blind += [f"{name}: {scenario.stem}"] if same and planted else []
            rest = HERE / {"c": "rest.c", "cpp": "rest.cpp"}.get(name, "none")
            if rest.exists() and not (arguments.bless or arguments.canary or arguments.scenarios or arguments.device):
                wrong = check_rest(rest, build, folder, environment, arguments.sanitize, arguments.models)
                report.check(not wrong, f"{name}: {rest.name}: {wrong}")
                if shim:
                    uncalled = sorted({f.name for f in public.load().functions} - called.names(folder / f"{name}.called"))
                    report.check(not uncalled, f"{name}: nothing calls {', '.join(uncalled)}")
            if shim:
                print(f"  {name:9} {good} of {len(scenarios)} scenarios, {len(called.names(folder / f'{name}.called'))} of {total} functions called")
    for one in blind:
        print(f"does not differ from a changed transcript: {one}")
    if blind:
        print(f"{report.passed} passed, 0 failed, {len(report.skips)} skipped")
        return 0
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
