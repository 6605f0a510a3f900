#!/usr/bin/env python3
"""The package dev.tenon: its tests under the JVM's checks, every function called, ends of processes, documentation, a jar with the
natives inside, the example in it, the pom.

    tests/java/run.py --build DIR [--canary]
"""
import argparse
import pathlib
import re
import shutil
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

PACKAGE = ROOT / "bindings/java"
TOOLS = ("java", "javac", "javadoc", "jar")


def make_jar(build, folder, sources):
    """What the pom makes, by the JDK's own tools: (the jar, what is wrong)."""
    classes = folder / "classes"
    done = run(["javac", "--release", "17", "-encoding", "UTF-8", "-Xlint:all", "-Werror", "-parameters", "-d", classes, *sources])
    if done.returncode:
        return None, done.stdout + done.stderr
    natives = classes / "dev/tenon/native/linux-x86_64"
    natives.mkdir(parents=True)
    for library in (build / "libtenon.so.0", build / "bindings/java/libtenon_java.so", build / "libtenon_onednn.so"):
        if library.exists():
            shutil.copy(library, natives)
    done = run(["jar", "--create", "--file", folder / "tenon.jar", "-C", classes, "."])
    return folder / "tenon.jar", done.stderr


def wrong_in_pom():
    names = {"m": "http://maven.apache.org/POM/4.0.0"}
    pom = xml.parse(PACKAGE / "pom.xml").getroot()
    version = re.search(r'TN_VERSION_STRING "(.*)"', (ROOT / "include/tenon/version.h").read_text()).group(1)
    included = {one.text for one in pom.iterfind(".//m:resource/m:includes/m:include", names)}
    loaded = set(re.findall(r'"(lib\w+\.so[\w.]*)"', (PACKAGE / "src/main/java/dev/tenon/internal/Library.java").read_text()))
    return [why for good, why in ((pom.find("m:version", names).text == version, "its version is not the library's"),
                                  (included == loaded, f"its natives {included} are not those that are loaded, {loaded}")) if not good]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", type=pathlib.Path)
    parser.add_argument("--canary", action="store_true")
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    report = Report()
    check = report.check
    try:
        languages.need(*TOOLS)
        sources = languages.java_sources(build)
    except languages.Absent as reason:
        report.skip("java", reason)
        return report.end()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        data = folder / "data"
        data.mkdir()
        models.write(data)
        jar, wrong = make_jar(build, folder, sources)
        check(jar and not wrong, "the package compiles without a warning", wrong)
        if jar:
            done = run(["javac", "-encoding", "UTF-8", "-Xlint:all,-try", "-Werror", "-cp", jar, "-d", folder / "tests", HERE / "Tests.java"])
            check(done.returncode == 0, "the tests compile", done.stderr)
            program = ["java", "-Xcheck:jni", f"-Dtenon.library.path={build / 'bindings/java'}", "-cp", f"{jar}:{folder / 'tests'}", "Tests"]
            if arguments.canary:
                done = run(program, {"TENON_CANARY": "1"}, cwd=data)
                for how, test in re.findall(r"^(passed|FAILED) (\w+)", done.stdout, re.M):
                    check(how == "passed", f"{test} (planted)")
            else:
                shim = called.make_shim(folder, build)
                done = run(program, called.environment(shim, folder / "names"), cwd=data)
                tests = re.findall(r"^(passed|FAILED) (\w+)", done.stdout, re.M)
                for how, test in tests:
                    check(how == "passed", test, done.stdout + done.stderr)
                wrong = languages.wrong_enums("java")
                check(not wrong, f"enumerations have the numbers of C: {wrong}")
                check(done.returncode == 0 and len(tests) > 10, "the tests end", done.stdout + done.stderr)
                check("in native method" not in done.stdout, "the rules of JNI are kept", done.stdout)
                wanted = coverage.named_in("java", ROOT)[0] & {f.name for f in public.load().functions}
                missed = sorted(wanted - called.names(folder / "names"))
                print(f"  {len(wanted) - len(missed)} of {len(wanted)} functions called")
                check(not missed, f"no test calls {', '.join(missed)}")
                for how in ("alive", "running", "enqueued", "exit"):
                    done = run([*program, how], cwd=data)
                    check(done.returncode == 0 and done.stdout == "ended 12.0\n", f"a process ends: {how}", done.stdout + done.stderr)
                done = run(["javadoc", "-quiet", "-Xdoclint:all,-missing", "-Werror", "-encoding", "UTF-8", "-d", folder / "doc", *sources])
                check(done.returncode == 0, "the documentation has no warning", done.stderr)
                for why in wrong_in_pom() or [""]:
                    check(not why, f"pom.xml: {why}")
                scratch = folder / "scratch"
                scratch.mkdir()
                classification.check(report, "examples/java", run(["java", f"-Djava.io.tmpdir={scratch}", "-cp", jar,
                                                                   ROOT / "examples/java/Classify.java", *classification.arguments(folder)]))
                check(not list(scratch.iterdir()), "what was written out of the jar goes", list(scratch.iterdir()))
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
