#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What compiling costs: CPU seconds, peak memory, preprocessed lines and object size of small programs that use the
library, and of our own builds. bench/compile/README.md says what each row means.

usage: run.py [--runs N] [--only CASE...] [--builds] [--jobs N] [--against DIR] [--cxx CXX] [--json FILE]
       run.py --check [--cxx CXX]      compares lines and memory with ceilings.json, and warnings are errors; 1 if
                                       something is over

--builds also builds the tool as the README's first command does, and everything, in fresh folders without ccache: some
minutes. --against measures another checkout in turn with this one.
"""
import argparse
import concurrent.futures
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FLAGS = ("-std=c++20", "-O2", "-pthread")  # as in the README
WARNINGS = ("-Wall", "-Wextra", "-Werror")  # of the library in its users' programs, looked for while --check compiles them
MEASURES = {"cpu": "CPU s", "wall": "wall s", "mb": "peak MB", "lines": "lines", "kb": "object kB"}

READ_IMAGE = """#include <moeclip/image/read_image.hpp>
int main(int, char** arguments) { return static_cast<int>(moeclip::read_image(arguments[1]).width()); }
"""
IN_MEMORY = """#include <moeclip/anomaly/detector.hpp>
bool is_defect(moeclip::Clip<float> clip, moeclip::Adapter<float> adapter, const moeclip::Image& image) {
  const moeclip::Detector detector(std::move(clip), std::move(adapter), {});
  return detector.detect(image, detector.anchors("metal nut")).is_anomalous;
}
int main() {}
"""
UNUSED = "#include <moeclip/moeclip.hpp>\nint main() {}\n"


def readme_program(root):
    return (root / "README.md").read_text(encoding="utf-8").split("```cpp\n")[1].split("```")[0]


def infer_program(root):
    return readme_program(root).replace("moeclip/moeclip.hpp", "moeclip/infer.hpp")


# case: (the program in a checkout, more flags)
PROGRAMS = {
    "embed": (readme_program, ()),
    "embed-infer": (infer_program, ()),
    "embed-memory": (lambda root: IN_MEMORY, ()),
    "embed-compiled": (readme_program, ("-DMOECLIP_COMPILED",)),
    "read-image": (lambda root: READ_IMAGE, ()),
    "read-image-compiled": (lambda root: READ_IMAGE, ("-DMOECLIP_COMPILED",)),
    "umbrella": (lambda root: UNUSED, ()),
}
PRESETS = {"build-tool": "tool", "build-all": "release"}


def measured(command, **options):
    """Runs a command and all it starts: CPU and wall seconds, the most memory that one process held. Ends the program
    if the command fails."""
    with tempfile.TemporaryFile() as output:
        start = time.monotonic()
        process = subprocess.Popen([str(word) for word in command], stdout=output, stderr=output, **options)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            output.seek(0)
            sys.exit(f"{' '.join(map(str, command))}\n{output.read().decode(errors='replace')[-3000:]}")
    return {"cpu": usage.ru_utime + usage.ru_stime, "wall": wall, "mb": usage.ru_maxrss / 1024}


def has_compiled_mode(root):
    return "MOECLIP_COMPILED" in (root / "include/moeclip/base/version.hpp").read_text(encoding="utf-8")


class Bench:
    """Measures cases in a folder of its own."""

    def __init__(self, folder, cxx, jobs, more_flags=()):
        self.folder, self.cxx, self.jobs, self.flags = Path(folder), cxx, jobs, (*FLAGS, *more_flags)
        others = ("CMAKE_GENERATOR", "CMAKE_CXX_COMPILER_LAUNCHER")  # the README's commands are given without
        self.environment = {name: value for name, value in os.environ.items() if name not in others}
        self.environment |= {"CCACHE_DISABLE": "1", "CXX": cxx}

    def command(self, case, root):
        program, more = PROGRAMS[case]
        source = self.folder / f"{case}.cpp"
        source.write_text(program(root), encoding="utf-8")
        return [self.cxx, *self.flags, *more, f"-I{root / 'include'}", source]

    def lines(self, case, root):
        """Preprocessed lines that are not blank and no line markers."""
        done = subprocess.run([str(word) for word in self.command(case, root)] + ["-E"], stdout=subprocess.PIPE,
                              text=True, check=True)
        return sum(1 for line in done.stdout.splitlines() if line.strip() and not line.startswith("#"))

    def compile(self, case, root):
        """Compiled to an object, not linked."""
        made = self.folder / f"{case}.o"
        result = measured([*self.command(case, root), "-c", "-o", made], env=self.environment)
        return {"cpu": result["cpu"], "mb": result["mb"], "lines": self.lines(case, root),
                "kb": made.stat().st_size / 1024}

    def build(self, case, root):
        """A preset of a checkout, configured and built in a fresh folder."""
        folder = self.folder / "build"
        shutil.rmtree(folder, ignore_errors=True)
        preset = PRESETS[case]
        options = {"env": self.environment, "cwd": root}
        steps = [measured(["cmake", "--preset", preset, "-B", folder], **options),
                 measured(["cmake", "--build", folder, "-j", self.jobs], **options)]
        shutil.rmtree(folder)
        return {"cpu": sum(s["cpu"] for s in steps), "wall": sum(s["wall"] for s in steps),
                "mb": max(s["mb"] for s in steps)}

    def run(self, case, root):
        if case in PRESETS:
            return self.build(case, root)
        if case.endswith("-compiled") and not has_compiled_mode(root):
            return None
        return self.compile(case, root)


def medians(runs):
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def show(results, roots):
    """A table in Markdown; with two checkouts, each cell is theirs in the order of the measurements."""
    print("| " + " | ".join(["case", *MEASURES.values()]) + " |\n|---" + "|---:" * len(MEASURES) + "|")
    for case, by_root in results.items():
        cells = []
        for measure in MEASURES:
            values = [(by_root.get(str(root)) or {}).get(measure) for root in roots]
            decimals = 1 if measure in ("cpu", "wall") else 0
            texts = ["-" if value is None else f"{value:,.{decimals}f}" for value in values]
            cells.append(" -> ".join(texts) if set(texts) != {"-"} else "")
        print("| " + " | ".join([case, *cells]) + " |")


def measure(bench, options):
    roots = ([options.against.resolve()] if options.against else []) + [ROOT]
    known = [*PROGRAMS, *PRESETS]
    if unknown := set(options.only) - set(known):
        sys.exit(f"no such case: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    cases = options.only or [*PROGRAMS, *(PRESETS if options.builds else ())]
    results = {}
    for case in cases:
        runs = {}
        for _ in range(options.runs if case in PROGRAMS else 1):
            for root in roots:
                if (result := bench.run(case, root)) is not None:
                    runs.setdefault(str(root), []).append(result)
                words = [f"{value:,.1f} {MEASURES[name]}" for name, value in (result or {}).items()]
                print(f"{case} {root}: {', '.join(words) or 'has none'}", file=sys.stderr)
        results[case] = {root: medians(all_runs) for root, all_runs in runs.items()}
    show(results, roots)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def check(bench):
    """Lines and memory do not depend on how busy the machine is, so these are held."""
    ceilings = json.loads((Path(__file__).parent / "ceilings.json").read_text(encoding="utf-8"))

    def result_of(case):
        return bench.compile(case, ROOT) if "mb" in ceilings[case] else {"lines": bench.lines(case, ROOT)}

    over = 0
    with concurrent.futures.ThreadPoolExecutor(bench.jobs) as pool:
        for case, result in zip(ceilings, pool.map(result_of, ceilings)):
            for name, most in ceilings[case].items():
                over += result[name] > most
                print(f"{case}: {result[name]:,.0f} {MEASURES[name]}, at most {most:,}" +
                      (": OVER" if result[name] > most else ""))
    print(f"bench/compile: {over} over")
    sys.exit(1 if over else 0)


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--builds", action="store_true")
    parser.add_argument("--jobs", type=int, default=2)  # as in the presets
    parser.add_argument("--against", type=Path)
    parser.add_argument("--cxx", default=os.environ.get("CXX", "g++"))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="moeclip-compile-") as folder:
        bench = Bench(folder, options.cxx, options.jobs, WARNINGS if options.check else ())
        if options.check:
            check(bench)
        else:
            measure(bench, options)


if __name__ == "__main__":
    main()
