"""What a pod that spins leaves to others: of CPU time to one that has asked for some, and of the daemon's to new tasks.
Pods are in control groups v1 as kubelet makes them: below kubepods, with shares by what they request."""

import os

import contest
import node
import shims

CORE = 1024  # Shares of a request of one core; kubelet's for none are LEAST.
LEAST = 2
ALL_PODS = f"{shims.GROUPS}/kubepods"
WORKER = f"{ALL_PODS}/pod-worker"
SPINNER = f"{ALL_PODS}/besteffort/pod-spinner"
SPINNERS = 8
QUIET = ["--bare", "--silent"]


def _make_groups(cores):
    # Not more than a node's own: the kernel's threads, which are beside it, end what tasks leave.
    node.weigh(shims.GROUPS, CORE * (cores + 1))
    node.weigh(ALL_PODS, CORE * cores)
    node.weigh(WORKER, CORE)
    node.weigh(f"{ALL_PODS}/besteffort", LEAST)
    node.weigh(SPINNER, LEAST)


def _in(group, shares):
    return ["--cgroups", group, "--cpu-shares", shares]


def _sample(stand, shim, suffix, sizes, table):
    work = stand.play(shim, [*QUIET, *_in(WORKER, CORE), "--tasks", 1],
                      ["/sha256.wasm", str(sizes.fair_mib)])
    # A shim that has nothing more to do takes half a second to end.
    count = sizes.fair_starts if shim.manager else sizes.fair_peer_starts
    starts = stand.play(shim, [*QUIET, *_in(WORKER, CORE), "--tasks", count, "--parallel", 1], shim.words("hello"))
    for report in (work, starts):
        if report["failed"]:
            raise shims.ShimError(f"{shim.name}: {report['failures']}")
    table.add(f"fair-work{suffix}", shim.name, "wall", work["times"]["run"]["median_ns"])
    table.add(f"fair-starts{suffix}", shim.name, "up", starts["times"]["up"]["median_ns"])
    table.add(f"fair-starts{suffix}", shim.name, "p99", starts["times"]["up"]["p99_ns"])


def run(build, stand, there, sizes, table, say):
    if not (node.CGROUPS / "cpu" / "cpu.shares").exists():
        say("node: fairness is not measured, since that takes the cpu controller of control groups v1")
        return
    say("node: fairness")
    _make_groups(os.cpu_count())

    def sample(shim, _turn):
        _sample(stand, shim, "", sizes, table)
        spin = [*QUIET, *_in(SPINNER, LEAST), "--pause", shims.SLEEPER, "--tasks", SPINNERS, "--parallel", SPINNERS]
        with stand.holding(shim, spin, ["/loop.wasm"]):
            _sample(stand, shim, "-beside-spinners", sizes, table)

    ours = [shim for shim in there if shim.name in contest.OURS]
    with node.among_services(CORE), node.daemon(build, stand.scratch):
        shims.in_turn(ours, sizes.fair_rounds, sample, say)
