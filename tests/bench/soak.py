"""Many tasks, one after the other, in one daemon: nothing of it grows."""

import dataclasses
import pathlib
import time

import contest
import node
import shims

# Batches are of each kind in turn, so that everything that a task may leave is left often.
KINDS = [["--bare", "--silent"], ["--pause", shims.SLEEPER, "--bare", "--silent"],
         ["--pause", shims.SLEEPER, "--expect", shims.GREETING]]
WARM = 2 * len(KINDS)  # Batches that fill caches, pools and heaps.
MOST = 200  # Batches.
KEPT = 5  # Samples at either end, of which the median counts.
STATE = pathlib.Path("/run/wasmoor/wasmtimed")


TASKS = "WASMOOR_SOAK_TASKS"  # In the environment: how many, if not FULL's.


@dataclasses.dataclass(frozen=True)
class Sizes:
    tasks: int  # In all,
    batch: int  # so many with one player.


FULL = Sizes(tasks=20_000, batch=1000)
QUICK = Sizes(tasks=60, batch=10)


def full(environment):
    tasks = int(environment.get(TASKS, FULL.tasks))
    return Sizes(tasks, max(FULL.batch, tasks // MOST))


def _groups(group):
    return sum(1 for controller in node.CONTROLLERS for _ in (node.CGROUPS / controller / group).glob("**"))


def _left(daemon):
    """What is written down, mounted, and made of control groups."""
    pid = daemon.processes()[0]
    mounts = len(pathlib.Path(f"/proc/{pid}/mountinfo").read_text().splitlines())
    return sum(1 for _ in STATE.glob("**/*")) + mounts + _groups(shims.GROUPS)


def _sample(daemon):
    time.sleep(0.5)  # For what is removed after its answer.
    return {"memory": daemon.resident(), "descriptors": daemon.count("fd"), "threads": daemon.count("task"),
            "processes": len(daemon.processes()), "left": _left(daemon)}


def run(stand, shim, daemon, sizes, table, say):
    size, batches = sizes.batch, max(sizes.tasks // sizes.batch, WARM + 1)
    say(f"node: soak of {batches * size} tasks")
    samples, failed, took = [], 0, 0
    for number in range(batches):
        report = stand.play(shim, [*KINDS[number % len(KINDS)], "--tasks", size, "--parallel", 8],
                            shim.words("hello"))
        daemon.check()
        faults = sum(report[field] for field in shims.FAILURES.values())
        if faults:
            say(f"batch {number + 1}: {report['failures']} {report['wrong_events']}")
        stand.forget(shim)
        failed, took = failed + faults, took + report["wall_ns"]
        samples.append(_sample(daemon))
        if (number + 1) % 10 == 0:
            say(f"  {(number + 1) * size} tasks: {samples[-1]}")
    for metric in samples[0]:
        kept = [sample[metric] for sample in samples[WARM - 1:]]
        for sample in kept[:KEPT]:
            table.add("soak-begin", contest.NODE, metric, sample)
        for sample in kept[-KEPT:]:
            table.add("soak-end", contest.NODE, metric, sample)
    table.add("soak", contest.NODE, "tasks", batches * size)
    table.add("soak", contest.NODE, "faults", failed)
    table.add("soak", contest.NODE, "rate", batches * size / (took / 1e9))
