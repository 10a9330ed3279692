"""The node's daemon, beside shims that play the same tasks: what starts it, and what all of its processes take. Needs
root, and to be apart with a /run of its own."""

import contextlib
import dataclasses
import os
import pathlib
import signal
import subprocess
import time

import contest
import shims

SOCKET = pathlib.Path("/run/io.containerd.wasmwasi.v1/manager.sock")
CGROUPS = pathlib.Path("/sys/fs/cgroup")
CONTROLLERS = ("cpu", "cpuacct")  # Of control groups v1 that are looked at here.
PATIENCE = 30
SYSTEM = f"{shims.GROUPS}/system"  # The control group of all that are no containers.


@dataclasses.dataclass(frozen=True)
class Sizes:
    rounds: int
    tasks: int  # Of the daemon, 8 at once.
    peer_tasks: int  # Of shims, in as many rounds.
    pods: int  # Rounds of pods by containerd.
    held: tuple  # Sandboxes asleep at once.
    peer_held: tuple
    fair_rounds: int
    fair_starts: int
    fair_peer_starts: int
    fair_mib: int  # That are hashed.


FULL = Sizes(rounds=5, tasks=1000, peer_tasks=150, pods=15, held=(1, 10, 100, 1000, 5000), peer_held=(1, 10, 100, 200),
             fair_rounds=5, fair_starts=200, fair_peer_starts=30, fair_mib=192)
QUICK = Sizes(rounds=1, tasks=16, peer_tasks=8, pods=1, held=(1, 4), peer_held=(1, 2),
              fair_rounds=1, fair_starts=4, fair_peer_starts=2, fair_mib=2)


def weigh(group, shares):
    """Makes a group of the cpu controller that counts so much beside others; nothing where it is not one of v1."""
    if (CGROUPS / "cpu" / "cpu.shares").exists():
        (CGROUPS / "cpu" / group).mkdir(parents=True, exist_ok=True)
        (CGROUPS / "cpu" / group / "cpu.shares").write_text(str(shares))


@contextlib.contextmanager
def among_services(shares):
    """While this process, and what it starts, is in a control group beside that of all pods, as services are."""
    weigh(SYSTEM, shares)
    members = [CGROUPS / "cpu" / group / "cgroup.procs" for group in (SYSTEM, ".")]
    members[0].write_text(str(os.getpid()))
    try:
        yield
    finally:
        members[1].write_text(str(os.getpid()))


def children(pid):
    """Processes that this one has started, and theirs."""
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, task.read_text().split()):
                found += [child, *children(child)]
    return found


class Daemon:
    """A daemon that serves."""

    def __init__(self, process):
        self._process = process

    def processes(self):
        """Itself first, then its hosts."""
        return [self._process.pid, *children(self._process.pid)]

    def enter(self, controller, group):
        """Puts all of its processes into a control group, where there are any of v1."""
        if (CGROUPS / controller / "tasks").exists():
            (CGROUPS / controller / group).mkdir(parents=True, exist_ok=True)
            for pid in self.processes():
                with contextlib.suppress(ProcessLookupError):  # It starts with a few that end at once.
                    (CGROUPS / controller / group / "cgroup.procs").write_text(str(pid))

    def pss(self):
        """Bytes of memory of all of its processes."""
        return sum(filter(None, map(shims.memory_of, self.processes())))

    def resident(self):
        """The same, undivided: it does not depend on who else runs this program."""
        return sum(filter(None, (shims.memory_of(pid, "Rss") for pid in self.processes())))

    def count(self, folder):
        """How many entries its processes have in a folder of /proc, as fd or task."""
        return sum(len(list(pathlib.Path(f"/proc/{pid}/{folder}").iterdir())) for pid in self.processes())

    def check(self):
        if self._process.poll() is not None:
            raise shims.ShimError(f"the daemon has ended with {self._process.returncode}")


@contextlib.contextmanager
def daemon(build, scratch, program="containerd-wasmtimed"):
    """While the daemon serves at its usual places. What it logs is told if it does not."""
    log = scratch / "wasmtimed.log"
    with open(log, "wb") as file, subprocess.Popen(
            [build / "bin" / program, "--log-level", "warning"], stdin=subprocess.DEVNULL, stdout=file, stderr=file,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "WASMOOR_CACHE_DIR": str(scratch / "node-modules")}) as process:
        try:
            end = time.monotonic() + PATIENCE
            while not SOCKET.exists() and process.poll() is None and time.monotonic() < end:
                time.sleep(0.01)
            if not SOCKET.exists():
                raise shims.ShimError(f"the daemon does not serve: {log.read_text(errors='replace')}")
            served = Daemon(process)
            served.enter("cpuacct", SYSTEM)  # So that its CPU time is known.
            yield served
            served.check()
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()


def contender(build):
    program = build / "bin" / "containerd-shim-wasmtimed-v1"
    return shims.Shim(contest.NODE, "io.containerd.wasmtimed.v1", program, True, str(SOCKET))


# As a caller of containerd makes them, with streams; or nothing but what a task's life takes; in one pod, or each in one.
TASKS = {
    "node-tasks-8": ["--pause", shims.SLEEPER, "--expect", shims.GREETING],
    "node-bare-tasks-8": ["--pause", shims.SLEEPER, "--bare", "--silent"],
    "node-pods-8": ["--bare", "--silent"],
}


def tasks(stand, there, sizes, table, say):
    for workload, options in TASKS.items():
        say(f"node: {workload}")

        def sample(shim, _turn, workload=workload, options=options):
            count = sizes.tasks if shim.name == contest.NODE else sizes.peer_tasks
            report = stand.play(shim, [*options, "--tasks", count, "--parallel", 8], shim.words("hello"))
            if shim.name in contest.OURS and any(report[field] for field in shims.FAILURES.values()):
                say(f"{shim.name}: {report['failures']} {report['wrong_events']}")
            shims.add_report(table, workload, shim, report)

        shims.in_turn(there, sizes.rounds, sample, say)
    series = [table.get(workload, contest.NODE, metric) for workload in TASKS for metric in shims.FAILURES]
    table.add("node-tasks", contest.NODE, "faults", sum(sum(one.samples) for one in series if one))
