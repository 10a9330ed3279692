"""The server of functions beside others that serve: what is measured, in its order."""

import dataclasses
import os
import pathlib
import shutil

import functions_cold
import functions_cpu
import functions_density
import functions_isolation
import functions_load
import functions_rates
import functions_servers
import functions_soak
import measuring

NEEDED = ("wrk", "taskset", "setpriv")
GUESTS = {*functions_servers.FUNCTIONS.values(), *functions_cold.FUNCTIONS.values()}


@dataclasses.dataclass(frozen=True)
class Sizes:
    rounds: int
    peer_rounds: int  # Of what peers do not survive.
    seconds: int  # Of one load.
    connections: int
    crowd: int
    paced: int  # Requests a round, in
    paced_rounds: int
    calls: int  # Of the native function.
    cold: int  # Modules.
    quota_seconds: int
    registered: int
    used: int


FULL = Sizes(rounds=3, peer_rounds=1, seconds=3, connections=32, crowd=128, paced=15, paced_rounds=4, calls=1000,
             cold=5, quota_seconds=4, registered=10_000, used=1000)
QUICK = Sizes(rounds=1, peer_rounds=1, seconds=1, connections=8, crowd=16, paced=2, paced_rounds=1, calls=20,
              cold=1, quota_seconds=2, registered=40, used=10)


@dataclasses.dataclass(frozen=True)
class Stand:
    build: pathlib.Path
    roster: functions_servers.Roster
    load: functions_load.Load
    cpus: functions_servers.Cpus
    measure: measuring.Measure
    scratch: pathlib.Path
    sizes: Sizes


# By what they are called on the command line.
PARTS = {
    "hello": functions_rates.hello,
    "limits": functions_rates.limits,
    "both-cpus": functions_rates.both_cpus,
    "echo": functions_rates.echo,
    "crowd": functions_rates.crowd,
    "http2": functions_rates.http2,
    "paced": functions_rates.paced,
    "millisecond": functions_cpu.run,
    "never-seen": functions_cold.never_seen,
    "compiled": functions_cold.compiled,
    "spinners": functions_isolation.spinners,
    "quotas": functions_isolation.quotas,
    "density": functions_density.run,
}


def lacking(build):
    """Why nothing of this can be measured here, or None."""
    for guest in GUESTS:
        if not (build / "guests" / f"{guest}.wasm").exists():
            return f"the guest {guest} was not built"
    for program in NEEDED:
        if shutil.which(program) is None:
            return f"there is no {program} on this machine"
    if len(os.sched_getaffinity(0)) < 2:
        return "servers and those who ask them need a CPU each"
    return None


def _stand(build, root, wasmtime, scratch, sizes, say):
    cpus = functions_servers.Cpus()
    roster = functions_servers.Roster(build, root, wasmtime, scratch, say)
    return Stand(build, roster, functions_load.Load(build, cpus, scratch), cpus,
                 measuring.Measure(build / "bench" / "measure"), scratch, sizes)


def run(build, root, wasmtime, scratch, sizes, parts, table, say):
    """All, or some of PARTS."""
    why = lacking(build)
    if why:
        say(f"functions: not measured: {why}")
        return
    stand = _stand(build, root, wasmtime, scratch, sizes, say)
    for name, part in PARTS.items():
        if not parts or name in parts:
            part(stand, table, say)


def soak(build, root, wasmtime, scratch, requests, table, say):
    why = lacking(build)
    if why:
        say(f"functions: not measured: {why}")
        return
    functions_soak.run(_stand(build, root, wasmtime, scratch, FULL, say), requests, table, say)
