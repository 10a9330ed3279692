"""The goals: what is compared with what, and how good it must be."""

import dataclasses

AT_MOST = "<="
AT_LEAST = ">="


@dataclasses.dataclass(frozen=True)
class Side:
    """One series of a figures.Table."""

    workload: str
    contender: str
    metric: str = "wall"

    def __str__(self):
        return f"{self.workload} {self.contender} {self.metric}"


@dataclasses.dataclass(frozen=True)
class Goal:
    """The medians of two sides as a ratio, or of one side alone, held against a limit.

    For AT_LEAST the ratio is turned round, so that it reads as "so many times as fast"."""

    title: str
    limit: float
    ours: Side
    theirs: Side = None
    kind: str = AT_MOST
    digits: int = 2

    def value(self, table):
        """None if a side was not measured."""
        return self._value(table, self.ours, self.theirs)

    def value_by_cpu(self, table):
        """The ratio of CPU times where the goal is one of wall times: what of it is not the machine's other
        work. None for other goals."""
        if self.theirs is None or self.ours.metric != "wall":
            return None
        return self._value(table, dataclasses.replace(self.ours, metric="cpu"),
                           dataclasses.replace(self.theirs, metric="cpu"))

    def _value(self, table, our_side, their_side):
        ours = table.get(*dataclasses.astuple(our_side))
        if ours is None:
            return None
        if their_side is None:
            return ours.median
        theirs = table.get(*dataclasses.astuple(their_side))
        if theirs is None:
            return None
        return ours.median / theirs.median if self.kind == AT_MOST else theirs.median / ours.median

    def is_met(self, value):
        return value <= self.limit if self.kind == AT_MOST else value >= self.limit


def _compute(guest):
    return Goal(f"compute, {guest}: wall, of wasmtime precompiled", 1.02, Side(guest, "wasmoor"),
                Side(guest, "wasmtime-precompiled"), digits=3)


def _inside(title, limit, workload):
    return Goal(title, limit, Side(workload, "wasmoor"), Side(workload, "wasmtime"), kind=AT_LEAST)


def _instances(title, contender):
    # By CPU time, of all threads of the process, for the goal is one per core.
    workload = "fresh_instance/hello/threads:1"
    return Goal(f"fresh hello instances per core, {title}: times as many", 3, Side(workload, "wasmoor", "cpu"),
                Side(workload, contender, "cpu"), kind=AT_LEAST)


GOALS = [
    Goal("cached hello: wall, of wasmtime precompiled", 0.5, Side("hello", "wasmoor"),
         Side("hello", "wasmtime-precompiled")),
    Goal("cached hello: peak memory, of wasmtime precompiled", 0.35, Side("hello", "wasmoor", "peak"),
         Side("hello", "wasmtime-precompiled", "peak")),
    Goal("cached hello: threads", 1, Side("hello", "wasmoor", "threads"), digits=0),
    _compute("sha256"),
    _compute("matrix"),
    _compute("sieve"),
    Goal("cold Go program: wall, of wasmtime compiling", 0.6, Side("go-cold", "wasmoor"),
         Side("go-cold", "wasmtime")),
    Goal("Go program, second start: wall, of wasmtime precompiled", 1.0, Side("go-again", "wasmoor"),
         Side("go-again", "wasmtime-precompiled")),
    _instances("its WASI, our settings and streams", "wasmtime"),
    _instances("its WASI and its way to pass output on", "wasmtime-callback"),
    _instances("its WASI and its default settings", "wasmtime-unpooled"),
    _inside("1,000 small files, in one process: times as fast", 3, "files/small"),
    _inside("10,000 entries listed, in one process: times as fast", 3, "files/list"),
    _inside("1 GiB copied, in one process: times as fast", 1.2, "files/copy"),
    Goal("1,000 small files, whole process: times as fast", 3, Side("smallfiles", "wasmoor"),
         Side("smallfiles", "wasmtime-precompiled"), kind=AT_LEAST),
    Goal("10,000 entries listed, whole process: times as fast", 3, Side("list", "wasmoor"),
         Side("list", "wasmtime-precompiled"), kind=AT_LEAST),
    Goal("1 GiB copied, whole process: times as fast", 1.2, Side("copy", "wasmoor"),
         Side("copy", "wasmtime-precompiled"), kind=AT_LEAST),
]


def judge(table, goals=None):
    """[(goal, value or None, "met", "missed" or "not measured")]. Held against the limit is the value itself."""
    judged = []
    for goal in GOALS if goals is None else goals:
        value = goal.value(table)
        verdict = "not measured" if value is None else "met" if goal.is_met(value) else "missed"
        judged.append((goal, value, verdict))
    return judged
