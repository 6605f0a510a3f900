#!/usr/bin/env python3
"""The assembly Tenon: its tests, also under constant collection, every function called, ends of processes, the documentation's
form, the example, the project file.

    tests/csharp/run.py --build DIR [--canary]
"""
import argparse
import pathlib
import re
import sys
import tempfile
import xml.etree.ElementTree as xml

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(ROOT / part) for part in ("bindings", "capi", "tests/support", "tests/conformance")]
import api as public  # noqa: E402
import called  # noqa: E402
import classification  # noqa: E402
import coverage  # noqa: E402
import languages  # noqa: E402
import models  # noqa: E402
from report import Report, run  # noqa: E402

PACKAGE = ROOT / "bindings/csharp"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", type=pathlib.Path)
    parser.add_argument("--canary", action="store_true")
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    report = Report()
    check = report.check
    try:
        languages.need("mcs", "mono")
        sources = languages.csharp_sources(build)
    except languages.Absent as reason:
        report.skip("csharp", reason)
        return report.end()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        models.write(folder)
        mcs = ["mcs", "-langversion:latest", "-unsafe", "-warnaserror"]
        # 1591: constants of enumerations whose names say it.
        done = run([*mcs, "-nowarn:1591", "-target:library", f"-doc:{folder / 'Tenon.xml'}", f"-out:{folder / 'Tenon.dll'}", *sources])
        good = check(done.returncode == 0, "the assembly compiles without a warning", done.stdout + done.stderr)
        for program, source in (("Tests", HERE / "Tests.cs"), ("Classify", ROOT / "examples/csharp/Classify.cs")):
            done = run([*mcs, f"-r:{folder / 'Tenon.dll'}", f"-out:{folder / program}.exe", source])
            good = check(done.returncode == 0, f"{program} compiles", done.stdout + done.stderr) and good
        libraries = {"LD_LIBRARY_PATH": str(build / "bindings/csharp")}
        program = ["mono", "Tests.exe"]
        if good and arguments.canary:
            done = run(program, {"TENON_CANARY": "1", **libraries}, cwd=folder)
            for how, test in re.findall(r"^(passed|FAILED) (\w+)", done.stdout, re.M):
                check(how == "passed", f"{test} (planted)")
        elif good:
            shim = called.make_shim(folder, build)
            done = run(program, {**libraries, **called.environment(shim, folder / "names")}, cwd=folder)
            tests = re.findall(r"^(passed|FAILED) (\w+)", done.stdout, re.M)
            for how, test in tests:
                check(how == "passed", test, done.stdout + done.stderr)
            wrong = languages.wrong_enums("csharp")
            check(not wrong, f"enumerations have the numbers of C: {wrong}")
            check(done.returncode == 0 and len(tests) > 10, "the tests end", done.stdout + done.stderr)
            wanted = coverage.named_in("csharp", ROOT)[0] & {f.name for f in public.load().functions}
            missed = sorted(wanted - called.names(folder / "names"))
            print(f"  {len(wanted) - len(missed)} of {len(wanted)} functions called")
            check(not missed, f"no test calls {', '.join(missed)}")
            # A collection at every tenth allocation: what is freed too early is freed while it is used.
            done = run(program, {**libraries, "MONO_GC_DEBUG": "collect-before-allocs=10"}, cwd=folder)
            stressed = re.findall(r"^(passed|FAILED) (\w+)", done.stdout, re.M)
            check(done.returncode == 0 and stressed == [("passed", test) for how, test in tests], "the tests under constant collection",
                  done.stdout + done.stderr)
            for how in ("alive", "running", "enqueued", "exit"):
                done = run([*program, how], libraries, cwd=folder)
                check(done.returncode == 0 and done.stdout == "ended 12\n", f"a process ends: {how}", done.stdout + done.stderr)
            documents = xml.parse(folder / "Tenon.xml").getroot()
            check(len(documents.findall(".//summary")) > 100, "the documentation is there")
            version = re.search(r'TN_VERSION_STRING "(.*)"', (ROOT / "include/tenon/version.h").read_text()).group(1)
            check(xml.parse(PACKAGE / "Tenon.csproj").findtext(".//Version") == version, "the project's version is the library's")
            classification.check(report, "examples/csharp",
                                 run(["mono", "Classify.exe", *classification.arguments(folder)], libraries, cwd=folder))
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
