"""The goals: what is compared with what, and how good it must be."""

import dataclasses

import contest

AT_MOST = "<="
AT_LEAST = ">="
KB, MB = 1e3, 1e6
MS = 1e6


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

    For AT_LEAST the ratio of times is turned round, so that it reads as "so many times as fast", as that of rates
    does by itself."""

    title: str
    limit: float
    ours: Side
    theirs: Side = None
    kind: str = AT_MOST
    digits: int = 2
    per: float = 1  # What the value of one side alone is told in.
    unmeasured: str = "not measured"  # What is said where there is no value.

    def value(self, table):
        """None if a side was not measured."""
        return self._value(table, self.ours, self.theirs)

    def value_by_cpu(self, table):
        """The ratio of CPU times where the goal is one of wall times or rates: what of it is not the machine's other
        work. None for other goals, and where no CPU time was taken."""
        if self.theirs is None or self.ours.metric not in ("wall", "rate"):
            return None
        return self._value(table, dataclasses.replace(self.ours, metric="cpu"),
                           dataclasses.replace(self.theirs, metric="cpu"))

    def _value(self, table, our_side, their_side):
        ours = table.get(*dataclasses.astuple(our_side))
        if ours is None:
            return None
        if their_side is None:
            return ours.median / self.per
        theirs = table.get(*dataclasses.astuple(their_side))
        if theirs is None:
            return None
        turned = self.kind == AT_LEAST and our_side.metric != "rate"
        return theirs.median / ours.median if turned else ours.median / theirs.median

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


def _containers():
    """Containers, against crun and runc on the same bundles."""
    def wall(title, limit, workload, contender, kind=AT_MOST, metric="wall"):
        return Goal(f"container, {title}, of {contender}", limit, Side(workload, "wasmoor", metric),
                    Side(workload, contender, metric), kind=kind)

    for title, suffix in (("run", ""), ("create, start, delete", "-steps")):
        yield wall(f"native true, {title}: wall", 1.0, f"container-true{suffix}", "crun")
        yield wall(f"native true, {title}: wall", 0.5, f"container-true{suffix}", "runc")
        yield wall(f"native true, {title}: peak memory", 1.0, f"container-true{suffix}", "crun", metric="peak")
        hello = f"container-hello{suffix}"
        yield wall(f"wasm hello against a native one, {title}: wall", 0.9, hello, "crun")
        yield wall(f"wasm hello, {title}: wall", 0.35, hello, "runc-wasmtime")
        yield wall(f"wasm hello against a native one, {title}: peak memory", 1.0, hello, "crun", metric="peak")
    yield wall("native true, 8 at once: rate", 1.0, "container-true-8-at-once", "crun", AT_LEAST, "rate")


def _shims():
    """Ours against runwasi's with the same module, and against containerd's own with the same program, native."""
    def rate(title, limit, workload, contender):
        return Goal(f"{title}: rate, of {contender}", limit, Side(workload, "wasmoor", "rate"),
                    Side(workload, contender, "rate"), AT_LEAST)

    def alone(title, limit, metric, digits=0):
        return Goal(title, limit, Side("sleeping-pods", "wasmoor", metric), digits=digits)

    for parallel, limit in ((1, 5), (8, 8), (300, 12)):
        yield rate(f"shim, tasks without containerd, {parallel} at once", limit, f"shim-tasks-{parallel}", "runwasi")
    yield Goal("shim, tasks without containerd: failed, or with an event out of place", 0,
               Side("shim-tasks", "wasmoor", "faults"), digits=0)
    for contender in ("runwasi", "runc"):
        yield rate("shim, tasks with containerd, 8 at once", 1.8, "containerd-tasks-8", contender)
    yield Goal("shim, ctr run of a cached hello: wall, of runc's native one", 0.6, Side("ctr-run", "wasmoor"),
               Side("ctr-run", "runc"))
    yield alone("shim, first sleeping pod: PSS in bytes", 7 * MB, "pss-first")
    yield alone("shim, each further sleeping pod: PSS in bytes", 1.5 * MB, "pss-further")
    yield alone("shim, processes of a pod of one container", 2, "processes", digits=2)
    yield Goal("shim, first start of 3 MB under 100 millicores: wall, of that without a limit", 1.2,
               Side("first-start-100-millicores", "wasmoor"), Side("first-start", "wasmoor"))


def _node():
    """The node's daemon, against shims and by itself."""
    def alone(title, limit, workload, metric, kind=AT_MOST, digits=0):
        return Goal(f"node, {title}", limit, Side(workload, "wasmtimed", metric), kind=kind, digits=digits)

    def beside(title, limit, workload, other, metric, kind=AT_MOST):
        return Goal(f"node, {title}", limit, Side(workload, "wasmtimed", metric), Side(other, "wasmtimed", metric),
                    kind)

    yield alone("tasks created, started, waited for, deleted, 8 at once: a second", 1000, "node-bare-tasks-8",
                "rate", AT_LEAST)
    for title, workload in (("nothing but that", "node-bare-tasks-8"), ("with streams and all calls", "node-tasks-8")):
        for contender, limit in (("wasmoor", 3), ("runwasi", 25)):
            yield Goal(f"node, tasks 8 at once, {title}: rate, of {contender}", limit,
                       Side(workload, "wasmtimed", "rate"), Side(workload, contender, "rate"), AT_LEAST)
    yield alone("tasks without containerd: failed, or with an event out of place", 0, "node-tasks", "faults")
    for contender in ("wasmoor", "runc"):
        yield Goal(f"node, pod by the sandbox controller: wall, of {contender} with a pause container", 0.5,
                   Side("cri-pod", "wasmtimed"), Side("cri-pod", contender))
    yield alone("each of 5,000 sleeping pods: PSS in bytes", 150e3, "held-5000", "pss-each")
    yield beside("one more pod beside 5,000: wall, of one beside none", 3, "held-5000", "held-0", "up")
    yield beside("counted work beside 8 spinning: rate, of that alone", 0.9, "fair-work-beside-spinners", "fair-work",
                 "wall", AT_LEAST)
    yield beside("start beside 8 spinning: 99th percentile, of that alone", 2, "fair-starts-beside-spinners",
                 "fair-starts", "p99")
    yield alone("soak: failed, or with an event out of place", 0, "soak", "faults")
    for metric, limit in (("memory", 1.05), ("descriptors", 1), ("threads", 1), ("left", 1)):
        yield beside(f"soak: {metric} at the end, of that at the beginning", limit, "soak-end", "soak-begin", metric)


def _beside_peers():
    """Requests to functions, beside others who serve."""
    def rate(title, limit, contender, ours="wasmoor", workload="functions-hello", **more):
        return Goal(f"functions, {title}", limit, Side(workload, ours, "rate"), Side(workload, contender, "rate"),
                    AT_LEAST, **more)

    for kind, ours in (("hello", "wasmoor"), ("hello as a component", contest.COMPONENT)):
        yield rate(f"{kind}: rate, of wasmtime serve", 7, "wasmtime-serve", ours)
        yield rate(f"{kind}: rate, of wasmtime serve tuned", 5, "wasmtime-serve-tuned", ours)
        yield rate(f"{kind}: rate, of workerd", 4.5, "workerd", ours)
        yield rate(f"{kind}: rate, of Go's net/http", 0.8, "go", ours)
    yield rate("hello: rate, of WasmBox", 90, "wasmbox", unmeasured="not to be had")
    yield Goal("functions, another quota and memory limit in every request: rate, of that without", 0.8,
               Side("functions-limits", "wasmoor", "rate"), Side("functions-same", "wasmoor", "rate"), AT_LEAST)
    yield Goal("functions, both CPUs shared with the load: rate, of one each", 1.2,
               Side("functions-both-cpus", "wasmoor", "rate"), Side("functions-one-cpu", "wasmoor", "rate"), AT_LEAST)
    yield rate("echo of 4 KiB: rate, of wasmtime serve", 8, "wasmtime-serve", workload="functions-echo")
    yield Goal("functions, 128 connections: 99th percentile, of wasmtime serve", 0.3,
               Side("functions-crowd", "wasmoor", "p99"), Side("functions-crowd", "wasmtime-serve", "p99"))
    yield Goal("functions, 128 connections: PSS in MB", 20, Side("functions-crowd", "wasmoor", "pss"), per=MB)
    yield Goal("functions, a request every 100 ms: median, of nginx", 1.3, Side("functions-paced", "wasmoor"),
               Side("functions-paced", "nginx"))


def _functions():
    """Functions by themselves."""
    def alone(title, limit, workload, metric, per=1.0, **more):
        return Goal(f"functions, {title}", limit, Side(workload, "wasmoor", metric), per=per, **more)

    def beside(title, limit, workload, other, metric):
        return Goal(f"functions, {title}", limit, Side(workload, "wasmoor", metric), Side(other, "wasmoor", metric))

    for kernel in ("text", "hash"):
        workload = f"functions-millisecond-{kernel}"
        yield Goal(f"functions, a millisecond of work, {kernel}: CPU, of the native function", 1.1,
                   Side(workload, "wasmoor", "cpu"), Side(workload, "native", "cpu"))
    yield Goal("functions, first request of a Go module never seen: first byte, of wasmtime run", 0.5,
               Side("functions-never-seen", "wasmoor"), Side("functions-never-seen", "wasmtime-run"))
    for title, guest, limit in (("2.5 MB", "gohello", 2), ("90 KB", "rusthello", 0.5)):
        for when, workload in (("of a server", "restarted"), ("of a module", "not-loaded")):
            yield alone(f"first request {when}, {title}, compiled: first byte in ms", limit,
                        f"functions-{workload}-{guest}", "wall", MS)
    yield alone("hello beside 4 that spin: rate, of what its share allows", 0.9, "functions-beside-spinners", "kept",
                kind=AT_LEAST)
    yield beside("hello beside 4 that spin: 99th percentile, of that alone", 3, "functions-beside-spinners",
                 "functions-quiet", "p99")
    for contender, kept in (("wasmoor", "control groups"), ("wasmoor-clocks", "clocks")):
        yield Goal(f"functions, quota by {kept}: CPU in the worst second, off by", 0.1,
                   Side("functions-quota", contender, "off"))
    yield alone("each idle one of 10,000: PSS in KB", 60, "functions-density", "pss-idle", KB)
    yield alone("each of 1,000 kept warm: PSS in MB", 1, "functions-density", "pss-kept", MB)
    for metric, limit in (("memory", 1.05), ("descriptors", 1), ("threads", 1)):
        yield beside(f"soak: {metric} at the end, of that half-way", limit, "functions-soak-end",
                     "functions-soak-half", metric)


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
    Goal("wasi:http hello: requests a second, of wasmtime serve", 1.3, Side("http-hello", "wasmoor", "rate"),
         Side("http-hello", "wasmtime-serve", "rate"), AT_LEAST),
    Goal("wasi:http hello: requests a second, of wasmtime serve tuned", 1.3, Side("http-hello", "wasmoor", "rate"),
         Side("http-hello", "wasmtime-serve-tuned", "rate"), AT_LEAST),
    *_containers(),
    *_shims(),
    *_node(),
    *_beside_peers(),
    *_functions(),
]


def judge(table, goals=None):
    """[(goal, value or None, "met", "missed" or "not measured")]. Held against the limit is the value itself."""
    judged = []
    for goal in GOALS if goals is None else goals:
        value = goal.value(table)
        verdict = goal.unmeasured if value is None else "met" if goal.is_met(value) else "missed"
        judged.append((goal, value, verdict))
    return judged
