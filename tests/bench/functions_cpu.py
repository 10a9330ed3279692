"""What a request of a function that takes a millisecond takes of CPU time, beside the function itself."""

import functions_load as loads
import functions_servers as servers
import measuring

KERNELS = ("text", "hash")  # Of the guest `work`.
MILLISECOND = 1e6
CALIBRATION = (20, 400)  # Rounds and times that a round's own time is found out with.


def _cpu_of(stand, *words):
    """CPU time of a whole process, on the CPU that servers have."""
    taken = stand.measure.once(measuring.Command(servers.on(stand.cpus.server, *words)))
    return (taken["user_us"] + taken["system_us"]) * 1000


def run(stand, table, say):
    """`native` is the program compiled for this machine, `wasmoor-run` the guest without a server, both called as often
    in one process as the server is asked."""
    say("functions: a millisecond of work")
    native = stand.build / "bench" / "work"
    engine = [stand.build / "bin" / "wasmoor", "run", stand.build / "guests" / "work.wasm"]
    rounds, times = CALIBRATION
    paths = {}
    for kernel in KERNELS:
        one = min(_cpu_of(stand, native, kernel, rounds, times) for _ in range(3)) / (rounds * times)
        paths[kernel] = max(1, round(MILLISECOND / one))
    ours = stand.roster.ours(f"/work?{KERNELS[0]}&1")
    with servers.serving_one(ours, stand.cpus.server, stand.scratch) as server:
        for _ in range(stand.sizes.rounds):
            for kernel, rounds in paths.items():
                workload = f"functions-millisecond-{kernel}"
                table.add(workload, "native", "cpu", _cpu_of(stand, native, kernel, rounds, stand.sizes.calls)
                          / stand.sizes.calls)
                table.add(workload, "wasmoor-run", "cpu", _cpu_of(stand, *engine, kernel, rounds, stand.sizes.calls)
                          / stand.sizes.calls)
                before = server.cpu_ns()
                answered = stand.load.wrk(server, f"/work?{kernel}&{rounds}", stand.sizes.seconds, 4)
                loads.add(table, workload, server, answered, server.cpu_ns() - before)
