"""Sandboxes of one sleeping container: what each takes of memory, and how long one more takes to start beside them."""

import shims

SILENT = ["--bare", "--silent"]  # Thousands of streams are too many for the player.
STARTS = 11  # Of which the median counts.
EMPTY = 0


def workload(held):
    return f"held-{held}"


def _start_one_more(stand, shim, held, table):
    report = stand.play(shim, [*SILENT, "--tasks", STARTS, "--parallel", 1], shim.words("hello"))
    if report["failed"]:
        raise shims.ShimError(f"{shim.name}, beside {held}: {report['failures']}")
    table.add(workload(held), shim.name, "up", report["times"]["up"]["median_ns"])


def _hold(stand, shim, daemon, held, table):
    before = shims.processes(set())
    with stand.sleeping(shim, held, SILENT) as player:
        taken = daemon.pss() if shim.manager else sum(shims.added_since(before, player))
        table.add(workload(held), shim.name, "pss", taken)
        table.add(workload(held), shim.name, "pss-each", taken / held)
        _start_one_more(stand, shim, held, table)


def run(stand, there, daemon, sizes, table, say):
    """`there` are the daemon and the shims. Of the daemon all of its memory counts, what it has when empty included; of
    shims what their processes add."""
    for held in sorted({*sizes.held, *sizes.peer_held}):
        say(f"node: {held} sandboxes held")

        def sample(shim, _turn, held=held):
            if held in (sizes.held if shim.manager else sizes.peer_held):
                _start_one_more(stand, shim, EMPTY, table)
                _hold(stand, shim, daemon, held, table)

        shims.in_turn(there, 1, sample, say)


def curves(table, metric):
    """[(contender, [(held, median)])], for curves.svg."""
    found = {}
    for name, contender, one in table.keys():
        held = name.removeprefix("held-")
        if one == metric and held != name and int(held) > EMPTY:
            found.setdefault(contender, []).append((int(held), table.get(name, contender, metric).median))
    return [(contender, sorted(points)) for contender, points in found.items()]
