"""What it costs to begin: imports, and a small application from start to end.

Every figure is the median over processes of their own, their user and system time.
"""

from __future__ import annotations

import resource
import subprocess
import sys

from _measure import heading, in_turns

NOTHING = "pass"
IMPORT = "import bspump"
BUILD = """\
import bspump
import bspump.common

app = bspump.BSPumpApplication(args=[])
pipeline = bspump.Pipeline(app, "Small")
sink = bspump.common.ListSink(app, pipeline)
pipeline.build(bspump.common.IteratorSource(app, pipeline, range(3)), sink)
app.PumpService.add_pipeline(pipeline)
assert app.run() == 0
assert sink.Events == [0, 1, 2]
"""
PROGRAMS = {
    "python, nothing": NOTHING,
    "import bspump": IMPORT,
    "import the application": "from bspump import BSPumpApplication, Pipeline",
    "import bspump.common, bspump.file": "import bspump.common, bspump.file",
    "a small application, all of its life": BUILD,
}
LIMITS_MS = {"import bspump": 150}


def cpu_ms(program: str) -> float:
    """Return the CPU milliseconds of a Python process that runs `program`."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", program], check=True)  # noqa: S603 - our own text
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)


def modules(program: str) -> int:
    """Return how many modules are loaded after `program`."""
    done = subprocess.run(  # noqa: S603 - our own text
        [sys.executable, "-c", f"{program}\nimport sys\nprint(len(sys.modules))"],
        check=True,
        capture_output=True,
        text=True,
    )
    return int(done.stdout.split()[-1])


def main() -> None:
    """Measure and print."""
    heading("The beginning, CPU of a whole process")
    for program in PROGRAMS.values():
        cpu_ms(program)  # Writes the byte code.
    found = in_turns(
        {name: lambda program=program: cpu_ms(program) for name, program in PROGRAMS.items()}
    )
    bare = found["python, nothing"]
    for name, ms in found.items():
        limit = f"   at most {LIMITS_MS[name]}" if name in LIMITS_MS else ""
        added = f"+{ms - bare:.0f} ms"
        print(f"{name:40}{ms:6.0f} ms{added:>10}{modules(PROGRAMS[name]):6} modules{limit}")


if __name__ == "__main__":
    main()
