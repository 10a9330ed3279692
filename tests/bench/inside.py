"""The google-benchmark programs: one process each, contenders within it."""

import json
import os
import re
import subprocess

# A benchmark is named WORKLOAD/CONTENDER, which google-benchmark follows with its argument and how it was run.
NAME = re.compile(r"(?P<workload>.+)/(?P<contender>wasmoor|wasmtime(?:-[a-z]+)?|go|with|without)(?P<size>/\d+)?"
                  r"(?:/real_time|/process_time|/iterations:\d+|/repeats:\d+)*(?P<threads>/threads:\d+)?$")
TO_NS = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}

# Too large for a look whether everything runs.
SLOW = "^(files/(list/wasmtime|copy)|catalog-idle)"


def read(text, table):
    """Adds what a program's JSON says to a figures.Table."""
    # Interleaved runs stand in the order they were made in.
    for entry in sorted(json.loads(text)["benchmarks"], key=lambda entry: entry["run_name"]):
        if entry["run_type"] != "iteration":
            continue
        if entry.get("error_occurred"):
            raise RuntimeError(f"{entry['name']}: {entry['error_message']}")
        name = NAME.match(entry["run_name"])
        if name is None:
            raise RuntimeError(f"{entry['run_name']}: not of the form WORKLOAD/CONTENDER")
        workload = name["workload"] + (name["size"] or "") + (name["threads"] or "")
        factor = TO_NS[entry["time_unit"]]
        # With several threads real_time is divided by their number, and cpu_time is not.
        table.add(workload, name["contender"], "wall", entry["real_time"] * factor)
        table.add(workload, name["contender"], "cpu", entry["cpu_time"] * factor)


def run(build, table, quick, say):
    environment = {**os.environ, "WASMOOR_GUESTS": str(build / "guests")}
    for program in sorted((build / "bench").glob("*_bench")):
        say(f"inside one process: {program.name}")
        out = build / "bench" / f"{program.name}.json"
        options = ["--benchmark_min_time=0.01", f"--benchmark_filter=-{SLOW}"] if quick else [
            "--benchmark_min_time=0.3", "--benchmark_repetitions=7",
            "--benchmark_enable_random_interleaving=true"]
        done = subprocess.run([program, f"--benchmark_out={out}", "--benchmark_out_format=json", *options],
                              env=environment, text=True, capture_output=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{program.name}: {done.stderr.strip()}")
        read(out.read_text(), table)
