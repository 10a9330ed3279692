"""What whole processes are measured with: a name, the contenders' commands, and how often."""

import dataclasses

from peers import Job

GUEST_DIRECTORY = "/data"


@dataclasses.dataclass(frozen=True)
class Workload:
    name: str
    commands: dict  # Contender to Command.
    rounds: int
    at_once: int = 0  # Runs at any moment, for workloads whose figure is a rate.
    times: int = 0
    count_threads: bool = False
    at_most: dict = dataclasses.field(default_factory=dict)  # Contender to rounds, where one takes long.


@dataclasses.dataclass(frozen=True)
class Sizes:
    rounds: int
    short_rounds: int  # Of what takes a millisecond, and is noisy.
    files: int
    entries: int
    copy_bytes: int
    times: int  # Of the runs at once.
    container_rounds: int
    container_batches: int  # Of `containers` containers, some at once.
    containers: int
    compute: dict


FULL = Sizes(rounds=11, short_rounds=101, files=1000, entries=10_000, copy_bytes=1 << 30, times=400,
             container_rounds=31, container_batches=5, containers=64,
             compute={"sha256": ["64"], "matrix": ["500"], "sieve": ["20000000"]})
QUICK = Sizes(rounds=1, short_rounds=1, files=10, entries=20, copy_bytes=1 << 20, times=8,
              container_rounds=1, container_batches=1, containers=8,
              compute={"sha256": ["1"], "matrix": ["20"], "sieve": ["1000"]})


def _commands(contenders, job):
    return {contender.name: contender.command(job) for contender in contenders if contender}


def _starts(peers, sizes):
    everyone = [*peers.compiled(), peers.wasmtime, peers.node]
    hello = _commands(everyone, Job("hello"))
    yield Workload("hello", hello, sizes.short_rounds, count_threads=True)
    yield Workload("hello-8-at-once", _commands(peers.compiled(), Job("hello")), sizes.rounds, at_once=8,
                   times=sizes.times)


def _compute(peers, sizes):
    for guest, arguments in sizes.compute.items():
        yield Workload(guest, _commands([*peers.compiled(), peers.node], Job(guest, arguments)), sizes.rounds)


def _go(peers, sizes, scratch):
    folder = scratch / "text"
    folder.mkdir()
    for number in range(20):
        lines = "\n".join(f"line {number * 7919 % 1000} {i * 31 % 97}" for i in range(50))
        (folder / f"{number}.txt").write_text(lines + "\n")
    job = Job("sortlines", [GUEST_DIRECTORY], (folder, GUEST_DIRECTORY))
    cold = {peers.wasmoor.name: peers.wasmoor.cold(job), **_commands([peers.wasmtime, peers.node], job)}
    # After the cold starts, whose last one left the optimized code in the cache.
    yield Workload("go-cold", cold, sizes.rounds)
    yield Workload("go-again", _commands(peers.compiled(), job), sizes.rounds)


def _files(peers, sizes, scratch):
    everyone = [*peers.compiled(), peers.node]
    small = scratch / "small"
    small.mkdir()
    for number in range(sizes.files):
        (small / f"f{number}").write_bytes(b"x" * 100)
    job = Job("smallfiles", ["read", GUEST_DIRECTORY, sizes.files], (small, GUEST_DIRECTORY))
    yield Workload("smallfiles", _commands(everyone, job), sizes.rounds)

    entries = scratch / "entries"
    entries.mkdir()
    for number in range(sizes.entries):
        (entries / f"entry-{number}").touch()
    job = Job("list", [GUEST_DIRECTORY], (entries, GUEST_DIRECTORY))
    # wasmtime reads a directory from its start for every buffer it fills: half a minute for this one.
    yield Workload("list", _commands(everyone, job), sizes.rounds, at_most={peers.precompiled.name: 1})

    copy = scratch / "copy"
    copy.mkdir()
    (copy / "from").write_bytes(b"x" * (16 << 20))
    job = Job("copy", [f"{GUEST_DIRECTORY}/from", f"{GUEST_DIRECTORY}/to", sizes.copy_bytes],
              (copy, GUEST_DIRECTORY))
    yield Workload("copy", _commands(everyone, job), sizes.rounds)


def prepare(peers, sizes):
    """Compiles what the contenders run from precompiled code."""
    for guest in ["hello", *sizes.compute, "smallfiles", "list", "copy"]:
        peers.wasmoor.prepare(guest)
    for guest in ["hello", *sizes.compute, "sortlines", "smallfiles", "list", "copy"]:
        peers.precompiled.prepare(guest)


def all_of(peers, sizes, scratch):
    """The workloads, one after the other: each leaves the cache as the next expects it."""
    yield from _starts(peers, sizes)
    yield from _compute(peers, sizes)
    yield from _files(peers, sizes, scratch)
    # Last, for its cold starts throw the cache away.
    yield from _go(peers, sizes, scratch)
