"""Which C functions a program calls, whatever its language: a library to be loaded before libtenon, made from capi/api.json,
that hands every call on and writes down the functions' names.

    shim = called.make_shim(folder, build)
    subprocess.run(program, env={**os.environ, **called.environment(shim, folder / "names")})
    called.names(folder / "names")
"""
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "capi"))
import api as public  # noqa: E402


def declare(type_, name):
    if "(*)" in type_:
        return type_.replace("(*)", f"(*{name})")
    return f"{type_}{name}" if type_.endswith("*") else f"{type_} {name}"


def source(api):
    names = ", ".join(f'"{f.name}"' for f in api.functions)
    parts = ["#define _GNU_SOURCE\n#include <dlfcn.h>\n#include <fcntl.h>\n#include <stdlib.h>\n#include <string.h>\n"
             "#include <unistd.h>\n#include \"tenon/tenon.h\"\n"
             f"static const char *const names[] = {{{names}}};\nstatic volatile char called[sizeof names / sizeof *names];\n"
             "__attribute__((destructor)) static void write_down(void) {\n  const char *path = getenv(\"TENON_CALLED\");\n"
             "  int file = path ? open(path, O_WRONLY | O_CREAT | O_APPEND, 0666) : -1;\n  size_t i;\n"
             "  for (i = 0; file >= 0 && i < sizeof called; ++i) {\n    char line[256];\n    if (!called[i]) continue;\n"
             "    strcpy(line, names[i]);\n    strcat(line, \"\\n\");\n"
             "    if (write(file, line, strlen(line)) < 0) abort();\n  }\n}\n"]
    for index, f in enumerate(api.functions):
        parameters = ", ".join(declare(p.type, p.name) for p in f.parameters) or "void"
        types = ", ".join(p.type for p in f.parameters) or "void"
        arguments = ", ".join(p.name for p in f.parameters)
        parts.append(f"{f.returns} {f.name}({parameters}) {{\n  static {f.returns} (*next)({types});\n  called[{index}] = 1;\n"
                     f"  if (!next) *(void **)&next = dlsym(RTLD_NEXT, \"{f.name}\");\n"
                     f"  {'return ' if f.returns != 'void' else ''}next({arguments});\n}}\n")
    return "\n".join(parts)


def make_shim(folder, build):
    text, library = pathlib.Path(folder) / "called.c", pathlib.Path(folder) / "libcalled.so"
    text.write_text(source(public.load()))
    # It brings libtenon along, so that the real functions come next whoever loads the library later.
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", f"-I{ROOT / 'include'}", str(text), "-o", str(library), f"-L{build}",
                    "-Wl,--no-as-needed", "-ltenon", f"-Wl,-rpath,{build}", "-ldl"], check=True)
    return library


def environment(shim, path):
    return {"LD_PRELOAD": str(shim), "TENON_CALLED": str(path)}


def names(path):
    path = pathlib.Path(path)
    return set(path.read_text().split()) if path.exists() else set()
