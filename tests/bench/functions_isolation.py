"""Guests that spin for ever: what they leave to others on the same CPU, and what CPU time they get by their quota."""

import contextlib
import socket
import time

import contest
import functions_load as loads
import functions_servers as servers
import shims

QUOTA = 250  # Thousandths of a CPU, of each of servers.SPINNERS.
CONNECTIONS = 16  # Of those who want an answer.
QUOTAS = (100, 250, 500)
MODES = {contest.OURS[0]: "required", "wasmoor-clocks": "off"}  # How quotas are kept.
LANES = "lane-"  # What our threads that run guests are called.
SETTLED = 1.0  # Seconds after which who spins has a thread of its own, and has used up what it had saved.
# Looks at CPU times in a second. They are as far from each other as they should be, or a second would hold one more
# of the periods in which the kernel shares out.
WINDOW = 20


@contextlib.contextmanager
def asking_in_vain(server, paths, fields=""):
    """While somebody waits for each of these."""
    host, port = server.address.split(":")
    with contextlib.ExitStack() as stack:
        for path in paths:
            connection = stack.enter_context(socket.create_connection((host, int(port)), servers.PATIENCE))
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {server.address}\r\n{fields}\r\n".encode())
        time.sleep(SETTLED)
        yield


def _contenders(stand):
    """What is asked for by everybody else, and what never ends."""
    roster, own = stand.roster, [f"/{tenant}/spin" for tenant in servers.SPINNERS]
    spin = ["/spin"] * len(own)
    yield roster.ours("/quiet/hello"), own
    for one in (roster.web()[0], roster.go(), *roster.workerd()):
        yield one, spin


def _busiest(before, after, number):
    used = {thread: after[thread] - before.get(thread, 0) for thread in after}
    return sorted(used, key=used.get, reverse=True)[:number]


def _beside(stand, table, server, contender, paths, quiet):
    with asking_in_vain(server, paths, f"cpu_quota: {QUOTA}\r\nRequest-Timeout: 600\r\n"):
        before = server.threads_ns()
        time.sleep(0.5)
        spinning = _busiest(before, server.threads_ns(), len(paths))
        before, begun = server.threads_ns(), time.monotonic_ns()
        answered = stand.load.wrk(server, contender.path, stand.sizes.seconds, CONNECTIONS)
        after, took = server.threads_ns(), time.monotonic_ns() - begun
    name = contender.name
    table.add("functions-beside-spinners", name, "rate", answered.rate)
    if answered.p99 is not None:
        table.add("functions-beside-spinners", name, "p99", answered.p99)
    if name not in contest.OURS:
        return
    had = sum(after[thread] - before[thread] for thread in spinning) / took
    # What its share allows is what they leave; and, where they leave less than that, its part as one of five.
    share = max(1 - had, 1 / (len(paths) + 1))
    table.add("functions-beside-spinners", name, "spun", had)
    table.add("functions-beside-spinners", name, "kept", answered.rate / (quiet.rate * share))


def spinners(stand, table, say):
    """Hello of one tenant: while nobody spins, while a request of each of four others does, and afterwards."""
    say("functions: four that spin")
    contenders = dict((one.name, (one, paths)) for one, paths in _contenders(stand))

    def sample(one, turn):
        if turn >= stand.sizes.peer_rounds and one.name not in contest.OURS:
            return
        paths = contenders[one.name][1]
        with servers.serving_one(one, stand.cpus.server, stand.scratch) as server:
            if one.name in contest.OURS:
                for path in paths:  # So that it is compiled.
                    server.ask(path, {"Request-Timeout": "100ms"})
                server.wait_until_idle()
            stand.load.wrk(server, one.path, 1, CONNECTIONS)
            quiet = stand.load.wrk(server, one.path, stand.sizes.seconds, CONNECTIONS)
            loads.add(table, "functions-quiet", server, quiet)
            _beside(stand, table, server, one, paths, quiet)
            time.sleep(SETTLED)
            table.add("functions-after-spinners", one.name, "rate",
                      stand.load.wrk(server, one.path, 1, CONNECTIONS).rate)

    shims.in_turn([one for one, _ in contenders.values()], stand.sizes.rounds, sample, say)


def worst(used, quota):
    """Of CPU times at each look, [(when, how much)] in nanoseconds: how far what there was in any second is from the
    quota, as a share of it."""
    given = [(late[1] - early[1]) / (late[0] - early[0]) for early, late in zip(used, used[WINDOW:])]
    return max(abs(one * 1000 / quota - 1) for one in given)


def quotas(stand, table, say):
    """One that spins, alone: CPU time of those who run guests over every second, against its quota."""
    say("functions: quotas")
    for name, mode in MODES.items():
        ours = stand.roster.ours(f"/{servers.SPINNERS[0]}/spin", name, ["--control-groups", mode])
        try:
            with servers.listening(ours, stand.cpus.server, stand.scratch) as server:
                _keep(stand, table, server, ours)
        except servers.ServerError as error:
            say(f"functions: {error}")


def _keep(stand, table, server, ours):
    server.ask(ours.path, {"Request-Timeout": "100ms"})
    server.wait_until_idle()
    off = []
    for quota in QUOTAS:
        with asking_in_vain(server, [ours.path], f"cpu_quota: {quota}\r\nRequest-Timeout: 600\r\n"):
            used, begun = [], time.monotonic()
            for look in range(stand.sizes.quota_seconds * WINDOW + 1):
                time.sleep(max(0.0, begun + look / WINDOW - time.monotonic()))
                used.append((time.monotonic_ns(), sum(server.threads_ns(LANES).values())))
        off.append(worst(used, quota))
        table.add(f"functions-quota-{quota}", ours.name, "off", off[-1])
    table.add("functions-quota", ours.name, "off", max(off))
