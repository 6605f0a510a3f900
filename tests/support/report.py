"""What a suite counts, how it says what failed, and how it ends; programs that it runs."""
import os
import subprocess
import textwrap


class Report:
    def __init__(self):
        self.passed, self.failures, self.skips = 0, [], []

    def check(self, good, name, detail=""):
        """Counts a check; one that fails is said at once, with the end of `detail`. Whether it is good."""
        if good:
            self.passed += 1
        else:
            self.failures.append(name)
            # Indented: no line of a program's own is taken for one of the suite's.
            print(f"FAILED {name}" + (f"\n{textwrap.indent(str(detail)[-4000:], '  ')}" if detail else ""), flush=True)
        return bool(good)

    def skip(self, name, reason):
        self.skips.append(name)
        print(f"SKIPPED {name}: {reason}", flush=True)

    def end(self):
        """The closing line; the status of the suite's process."""
        print(f"{self.passed} passed, {len(self.failures)} failed, {len(self.skips)} skipped")
        return 1 if self.failures else 0


def run(command, environment=None, *, timeout=1800, **options):
    """A program's end and what it said; `environment` comes on top of this process's."""
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, errors="replace", timeout=timeout,
                          env={**os.environ, "LC_ALL": "C.UTF-8", **(environment or {})}, **options)


def must_run(command, environment=None, **options):
    """The same of one that must end well; RuntimeError says how it did not."""
    done = run(command, environment, **options)
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with status {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done


def run_canaries(canaries):
    """The status of a suite with `--canary`, which fails, naming the plant, when every check finds its fault.

    `canaries` gives the names of those that do not.
    """
    blind = canaries()
    if blind:
        print(f"checks that miss their fault: {', '.join(blind)}\n0 passed, 0 failed, 0 skipped")
        return 0
    print("FAILED every planted fault was found\n0 passed, 1 failed, 0 skipped")
    return 1
