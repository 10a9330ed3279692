"""Ten thousand functions registered, a thousand of them in use: memory of each, and how soon they can be called."""

import contextlib
import http.client
import os
import random
import shutil
import time

import functions_load as loads
import functions_servers as servers
import shims

TENANTS = 100
LARGE_ONE_IN = 10  # The others are a C program of 5 KB; these one in Rust, of some 90 KB.
ALL = "functions-density"


def _fill(stand, folder, number):
    """The names. Each file is a module that differs from all others."""
    names = []
    for i in range(number):
        name = f"tenant{i % TENANTS}/f{i}"
        to = folder / f"{name}.wasm"
        to.parent.mkdir(parents=True, exist_ok=True)
        guest = "rusthello" if i % LARGE_ONE_IN == 0 else "hello"
        shims.make_unseen(stand.build / "guests" / f"{guest}.wasm", to)
        names.append(name)
    return names


def _idle(server):
    """Its memory when it has answered one request and does nothing more."""
    server.wait_until_idle()
    time.sleep(1)
    return server.pss()


def _hit(server, names):
    """Every one once, as a caller does; nanoseconds of each."""
    times = []
    connection = http.client.HTTPConnection(server.address, timeout=servers.PATIENCE)
    with contextlib.closing(connection):
        for name in names:
            begun = time.monotonic_ns()
            status, text = servers.ask_on(connection, f"/{name}")
            times.append(time.monotonic_ns() - begun)
            if status != 200:
                raise server.error(f"/{name}: {status} {text[:200]}")
    return times


def _put(stand, table, server, folder, name):
    """Until a file that is put there among all the others can be called."""
    fresh = stand.scratch / "one-more.wasm"
    for i in range(stand.sizes.cold):
        shims.make_unseen(stand.build / "guests" / "hello.wasm", fresh)
        begun = time.monotonic_ns()
        os.rename(fresh, folder / f"more{i}.wasm")
        servers.wait_for(server, f"/more{i}")
        table.add(ALL, name, "put", time.monotonic_ns() - begun)


def run(stand, table, say):
    sizes = stand.sizes
    say(f"functions: {sizes.registered:,} registered, {sizes.used:,} of them in use")
    few, many = stand.scratch / "few", stand.scratch / "many"
    names = _fill(stand, many, sizes.registered)
    for folder in (few, many):
        servers.fill(folder, stand.build / "guests", {"hello": "hello"})
    used = random.Random(1).sample(names, sizes.used)
    with servers.serving_one(stand.roster.ours("/hello", folder=few), stand.cpus.both, stand.scratch) as server:
        without = _idle(server)
    begun = time.monotonic_ns()
    ours = stand.roster.ours("/hello", folder=many)
    with servers.listening(ours, stand.cpus.both, stand.scratch) as server:
        servers.wait_for(server, "/hello")
        table.add(ALL, ours.name, "ready", time.monotonic_ns() - begun)
        idle = _idle(server)
        table.add(ALL, ours.name, "pss-idle", (idle - without) / sizes.registered)
        _put(stand, table, server, many, ours.name)
        for took in _hit(server, used):
            table.add(ALL, ours.name, "first", took)
        server.wait_until_idle()
        loads.add(table, f"{ALL}-random", server, stand.load.wrk(
            server, "/", sizes.seconds, sizes.connections, loads.any_of([f"/{one}" for one in used])))
        table.add(ALL, ours.name, "pss-kept", (_idle(server) - idle) / sizes.used)
    shutil.rmtree(many)
