"""C programs that memory checkers look at: compilers for an instrumented build, and faults that a checker must find."""
from languages import linked, need
from report import run

# What a fault does, before main; and what the sanitizer that looks for it says, by the sanitizers of the build.
LOST = "for (int i = 0; i < 100; ++i) *(volatile char *)malloc(77 + i) = 1;"  # many: an address may stay on the stack
FREED = "volatile char *block = malloc(77); free((void *)block); last = block[7];"
OVERFLOW = "volatile int large = 0x7fffffff; last = (char)(large + 1);"
RACE = """pthread_t thread;
  if (pthread_create(&thread, NULL, count, NULL)) abort();
  count(NULL);
  pthread_join(thread, NULL);"""
SANITIZERS = {
    "address,undefined": {"blocks that are lost": (LOST, "LeakSanitizer"), "a read of freed memory": (FREED, "heap-use-after-free"),
                          "an overflow": (OVERFLOW, "signed integer overflow")},
    "thread": {"a race": (RACE, "data race")},
}


def write_fault(folder, fault):
    """A source that does it."""
    path = folder / "planted.c"
    path.write_text("#include <pthread.h>\n#include <stdlib.h>\nextern volatile char last;\nvolatile char last;\nstatic volatile int counted;\n"
                    "void *count(void *nothing);\nvoid *count(void *nothing) {\n  for (int i = 0; i < 10000; ++i) counted += i;\n"
                    "  return nothing;\n}\n"
                    f"__attribute__((constructor)) static void plant(void) {{\n  {fault}\n}}\n")
    return path


def compile_c(program, sources, build, sanitize=None, flags=()):
    """With the compiler that a build with sanitizers is made with (tests/run.py), for their libraries are its own. Gives what went wrong, "" if nothing did."""
    compiler = "clang-14" if sanitize == "address,undefined" else "gcc"
    need(compiler)
    options = [f"-fsanitize={sanitize}", "-fno-sanitize-recover=undefined"] if sanitize else []
    if compiler != "gcc":
        options += ["-fsanitize-link-c++-runtime", "-lstdc++"]  # what the library needs, which is C++
    done = run([compiler, *options, "-std=gnu11", "-g", *flags, *sources, "-o", program, *linked(build)])
    return "" if done.returncode == 0 else done.stdout + done.stderr


def check_faults(report, name, sanitize, folder, compile_with, start):
    """A program that is compiled with a fault ends badly, and its sanitizer says why; nothing without sanitizers.

    `compile_with(source)` gives what went wrong; `start()` runs the program that it has made.
    """
    for fault, (code, said) in SANITIZERS.get(sanitize, {}).items():
        wrong = compile_with(write_fault(folder, code))
        done = None if wrong else start()
        report.check(done and done.returncode and said in done.stdout + done.stderr, f"{name}: {fault} is found",
                     wrong or done.stdout + done.stderr)


def add_option(parser):
    parser.add_argument("--sanitize", choices=SANITIZERS, help="DIR is built with these, and so are the programs")
