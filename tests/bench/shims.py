"""Shims without containerd: the player (tests/bench/player) calls each as containerd does. Needs root, and to be apart."""

import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import time

import bundles
import contest
import runtimes
from containers import HELLO

SLEEPER = "/bin/sleep 100000"  # A pod's sandbox, of the same native program under every shim.
GROUPS = f"{runtimes.PREFIX}shims"  # The control group above all containers.
GREETING = "Hello from wasm!"


# What the player counts, by the metrics that it is kept as.
FAILURES = {"failures": "failed", "disorder": "tasks_with_wrong_events", "mounted": "left_mounted"}


class ShimError(Exception):
    """What a shim did that it must not."""


@dataclasses.dataclass(frozen=True)
class Shim:
    name: str
    runtime: str  # As containerd is told it.
    program: pathlib.Path
    is_wasm: bool
    manager: str = ""  # The socket of the daemon that has what this would start.

    def words(self, guest):
        """The command line of one of the guests: WebAssembly, or the same as a native program."""
        return [f"/{guest}.wasm"] if self.is_wasm else {"hello": ["/bin/hello"], "sleep": SLEEPER.split()}[guest]


@dataclasses.dataclass(frozen=True)
class Sizes:
    rounds: int
    tasks: dict  # How many at once, to how many in all.
    pods: int  # Asleep at once, beside the first.
    starts: int  # First starts of a module.


FULL = Sizes(rounds=5, tasks={1: 100, 8: 200, 300: 300}, pods=100, starts=7)
QUICK = Sizes(rounds=1, tasks={1: 2, 8: 8}, pods=2, starts=1)


def find(build, root, say):
    """Ours, runwasi's, and containerd's own for native programs; without what this machine cannot have."""
    def fetched(tool):
        done = subprocess.run([root / "tools" / tool], stdout=subprocess.PIPE, text=True, check=False)
        return pathlib.Path(done.stdout.strip()) if done.returncode == 0 else None

    containerd = fetched("fetch-containerd")
    found = [Shim("wasmoor", "io.containerd.wasmtime.v1", build / "bin" / "containerd-shim-wasmtime-v1", True)]
    if peer := fetched("fetch-runwasi-peer"):
        found.append(Shim("runwasi", "io.containerd.runwasi.v1", peer, True))
    if containerd:
        found.append(Shim("runc", "io.containerd.runc.v2", containerd / "containerd-shim-runc-v2", False))
    there = [shim for shim in found if shim.program.exists()]
    for missing in {"wasmoor", "runwasi", "runc"} - {shim.name for shim in there}:
        say(f"there is no shim of {missing}: measured without")
    return there, containerd


class _AllCpuTime:
    """The CPU time of a program, what it starts, and all containers: what the group above them has counted (on control
    groups v1; None elsewhere). A program enters by the words of `enter` before its own."""

    def __init__(self):
        self._group = pathlib.Path("/sys/fs/cgroup/cpuacct") / GROUPS
        self.enter = []
        self.nanoseconds = None

    def _usage(self):
        return int((self._group / "cpuacct.usage").read_text())

    def __enter__(self):
        if (self._group.parent / "cpuacct.usage").exists():
            member = self._group / "player"
            member.mkdir(parents=True, exist_ok=True)
            self.enter = ["sh", "-c", f'echo 0 > {member}/cgroup.procs; exec "$@"', "sh"]
            self._before = self._usage()
        return self

    def __exit__(self, *_):
        if self.enter:
            self.nanoseconds = self._usage() - self._before


class Stand:
    """The player, and the files of what it runs."""

    def __init__(self, build, root, scratch):
        self._player = build / "bench" / "player"
        self.scratch = scratch
        self.files = scratch / "shims-root"
        self.module = build / "guests" / "sortlines.wasm"
        subprocess.run([root / "tools" / "build-player", self._player], check=True)
        guests = [build / "guests" / f"{guest}.wasm" for guest in ("hello", "sleep", "loop", "sha256")]
        bundles.make_small_root(self.files, guests, HELLO)

    def _words(self, shim, options, words):
        return [str(self._player), "play", "--shim", str(shim.program), "--rootfs", str(self.files), "--cgroups", GROUPS,
                *(["--manager", shim.manager] if shim.manager else []), "--root", str(self._folder(shim)),
                "--network", f"/proc/{os.getpid()}/ns/net", *map(str, options), "--", *words]

    def _folder(self, shim):
        folder = self.scratch / f"played-{shim.name}"
        folder.mkdir(exist_ok=True)
        return folder

    def forget(self, shim):
        """Removes what the containers have had as files, which are as many as a file system in memory may have one day."""
        shutil.rmtree(self._folder(shim))

    def _environment(self):
        return {**os.environ, "WASMOOR_CACHE_DIR": str(self.scratch / "shim-modules")}

    def play(self, shim, options, words):
        """What the player reports, with the CPU time of all but the player."""
        before = processes(set())
        with _AllCpuTime() as spent:
            done = subprocess.run([*spent.enter, *self._words(shim, options, words)], env=self._environment(), text=True,
                                  capture_output=True, check=False)
        if not shim.manager:  # A daemon's processes stay.
            _wait_for_end(before)
        if not done.stdout.strip():
            raise ShimError(f"{shim.name}: {done.stderr.strip()}")
        report = json.loads(done.stdout.splitlines()[-1])
        report["cpu_ns"] = spent.nanoseconds - report["own_cpu_ns"] if spent.nanoseconds else None
        return report

    @contextlib.contextmanager
    def sleeping(self, shim, pods, options=()):
        """While so many pods of one container are asleep, each with a shim of its own; the value is the player's pid."""
        with self.holding(shim, [*options, "--tasks", pods, "--parallel", 4], shim.words("sleep")) as player:
            yield player

    @contextlib.contextmanager
    def holding(self, shim, options, words):
        """While tasks run that do not end; the value is the player's pid."""
        with subprocess.Popen(self._words(shim, ["--hold", *options], words), env=self._environment(), text=True,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as player:
            try:
                if player.stdout.readline() != "held\n":
                    raise ShimError(f"{shim.name}: the pods do not start")
                yield player.pid
            finally:
                player.stdin.close()
                rest = player.stdout.read()
            if shim.name in contest.OURS and json.loads(rest)["failed"]:
                raise ShimError(f"{json.loads(rest)['failures']}")


def in_turn(shims, rounds, sample, say):
    """Every shim once a round, another one first each time. A peer that does not do it is left out, and `say` tells."""
    failed = set()
    for turn in range(rounds):
        for name in contest.order([shim.name for shim in shims], turn):
            shim = next(one for one in shims if one.name == name)
            try:
                if name not in failed:
                    sample(shim, turn)
            except (ShimError, OSError) as error:
                if name in contest.OURS:
                    raise
                failed.add(name)
                say(f"{name} is left out from round {turn + 1} on: {error}")


def add_report(table, workload, shim, report):
    """A report of the player's, as series."""
    table.add(workload, shim.name, "rate", report["tasks_per_second"])
    if report.get("cpu_ns"):
        table.add(workload, shim.name, "cpu", report["cpu_ns"] / report["tasks"])
    for metric, field in FAILURES.items():
        table.add(workload, shim.name, metric, report[field])
    for step, taken in report["times"].items():
        table.add(workload, shim.name, f"call:{step}", taken["median_ns"])
        table.add(workload, shim.name, f"call:{step}:p99", taken["p99_ns"])


def tasks(stand, shims, sizes, table, say):
    """All in one pod's shim."""
    for parallel, count in sizes.tasks.items():
        workload = f"shim-tasks-{parallel}"
        say(f"shims: {workload}")

        def sample(shim, _turn, workload=workload, parallel=parallel, count=count):
            options = ["--tasks", count, "--parallel", parallel, "--pause", SLEEPER, "--expect", GREETING, "--timeout", "20s"]
            report = stand.play(shim, options, shim.words("hello"))
            if shim.name in contest.OURS and any(report[field] for field in FAILURES.values()):
                say(f"{shim.name}: {report['failures']} {report['wrong_events']}")
            add_report(table, workload, shim, report)

        in_turn(shims, sizes.rounds, sample, say)
    for shim in shims:
        series = [table.get(f"shim-tasks-{parallel}", shim.name, metric) for parallel in sizes.tasks
                  for metric in FAILURES]
        table.add("shim-tasks", shim.name, "faults", sum(sum(one.samples) for one in series if one))


def memory_of(pid, kind="Pss"):
    """Bytes that a process has of memory, shared pages divided by who shares them, or, as Rss, not divided
    (proc_pid_smaps(5)); None if it has ended, and waits for its parent to hear of it."""
    with contextlib.suppress(ProcessLookupError, FileNotFoundError):
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(f"{kind}:"):
                return int(line.split()[1]) << 10
    return None


def processes(without):
    found = {int(entry.name) for entry in pathlib.Path("/proc").iterdir() if entry.name.isdecimal()}
    return found - without


def added_since(before, player):
    """The sizes of the processes that a player and what it called have started."""
    return [size for size in map(memory_of, processes(before | {player})) if size is not None]


def memory(stand, shims, sizes, table, say):
    """What sleeping pods of one container add, all processes together."""
    say("shims: memory of sleeping pods")

    def taken(shim, pods):
        before = processes(set())
        with stand.sleeping(shim, pods) as player:
            sizes_of = added_since(before, player)
            return sum(sizes_of), len(sizes_of)

    def sample(shim, _turn):
        first, _ = taken(shim, 1)
        all_of_them, processes = taken(shim, 1 + sizes.pods)
        table.add("sleeping-pods", shim.name, "pss-first", first)
        table.add("sleeping-pods", shim.name, "pss-further", (all_of_them - first) / sizes.pods)
        table.add("sleeping-pods", shim.name, "processes", processes / (1 + sizes.pods))

    in_turn(shims, min(sizes.rounds, 3), sample, say)


def _wait_for_end(before):
    """Of what goes on in the background, as a compiler does: it would be part of the next measurement."""
    end = time.monotonic() + 20
    while processes(before) and time.monotonic() < end:
        with contextlib.suppress(ChildProcessError):  # Whoever has lost its parent is this process's child.
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.01)


def make_unseen(module, into):
    """A copy of a module that differs from every other: a custom section is appended (WebAssembly core, 5.5.3)."""
    name, content = b"unseen", os.urandom(16)
    section = bytes([len(name)]) + name + content
    into.write_bytes(module.read_bytes() + bytes([0, len(section)]) + section)


def first_starts(stand, shims, sizes, table, say):
    """From Create to the first output of a module that nobody has seen before, with a limit of the pod's CPU time."""
    say("shims: first start of a module of 3 MB")
    guest = stand.files / "unseen.wasm"
    modes = {"first-start": [], "first-start-100-millicores": ["--millicores", 100]}
    for turn in range(sizes.starts):
        for workload in contest.order(modes, turn):
            for shim in shims:
                if not shim.is_wasm or (shim.name not in contest.OURS and turn >= 2):
                    continue
                make_unseen(stand.module, guest)
                options = [*modes[workload], "--timeout", "5m", "--expect", "0 files, 0 lines"]
                report = stand.play(shim, options, ["/unseen.wasm", "/tmp"])
                table.add(workload, shim.name, "wall", report["times"]["first-byte"]["median_ns"])
    guest.unlink(missing_ok=True)


def run(stand, shims, sizes, table, say):
    tasks(stand, shims, sizes, table, say)
    memory(stand, shims, sizes, table, say)
    first_starts(stand, shims, sizes, table, say)
