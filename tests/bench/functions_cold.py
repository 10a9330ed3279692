"""First requests: of modules that nobody has seen before, and of modules that are compiled and not in memory."""

import contextlib
import functools
import os
import pathlib
import socket
import subprocess
import tempfile
import time

import functions_servers as servers
import shims

GO, RUST = "gohello", "rusthello"  # 2.5 MB; some 90 KB.
FUNCTIONS = {"first": GO, GO: GO, RUST: RUST, "hello": "hello"}
END = b"\r\n\r\n"


def _first_byte_of(server, path, before):
    """Nanoseconds from before `before` is called until the answer's first byte, on a connection that is there."""
    host, port = server.address.split(":")
    with socket.create_connection((host, int(port)), servers.PATIENCE) as connection:
        begun = time.monotonic_ns()
        before()
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {server.address}\r\nConnection: close\r\n\r\n".encode())
        answer = connection.recv(1)
        took = time.monotonic_ns() - begun
        while part := connection.recv(65536):
            answer += part
    if not answer.startswith(b"HTTP/1.1 200"):
        raise server.error(f"{path}: {answer.partition(END)[0].decode(errors='replace')}")
    return took


def never_seen(stand, table, say):
    """On all CPUs, as both have compilers that take what there is: a file that is put there and asked for at once,
    beside `wasmtime run` of one that differs as well."""
    say("functions: modules never seen")
    module = stand.build / "guests" / f"{GO}.wasm"
    fresh = stand.scratch / "fresh.wasm"
    ours = stand.roster.ours("/hello")
    with servers.serving_one(ours, stand.cpus.both, stand.scratch) as server:
        for turn in range(stand.sizes.cold):
            name = f"fresh{turn}"
            shims.make_unseen(module, fresh)
            to = stand.roster.folder / f"{name}.wasm"
            took = _first_byte_of(server, f"/{name}", functools.partial(os.rename, fresh, to))
            table.add("functions-never-seen", ours.name, "wall", took)
            server.wait_until_idle()  # It goes on to make better code.
            shims.make_unseen(module, fresh)
            table.add("functions-never-seen", "wasmtime-run", "wall", _run(stand, fresh))


def _run(stand, module):
    begun = time.monotonic_ns()
    with subprocess.Popen(servers.on(stand.cpus.both, stand.roster.wasmtime, "run", "-Ccache=n", module),
                          stdout=subprocess.PIPE) as process:
        if not process.stdout.read(1):
            raise servers.ServerError("wasmtime run has written nothing")
        return time.monotonic_ns() - begun


@contextlib.contextmanager
def _restarted(stand, ours):
    """A server that has served nobody yet, and whose modules are all in its cache."""
    with servers.listening(ours, stand.cpus.server, stand.scratch) as server:
        time.sleep(0.3)  # What it still does of its own at its start.
        yield server


def compiled(stand, table, say):
    """The first request of all to a server that was started again, and the first of a module to one that has served
    another. The code is in the cache, on a disk as it usually is: on tmpfs it would be verified each time, as files
    there do not tell of every change."""
    say("functions: modules compiled, and not in memory")
    with tempfile.TemporaryDirectory(prefix="cold-", dir=stand.build / "bench") as disk:
        folder = pathlib.Path(disk) / "functions"
        servers.fill(folder, stand.build / "guests", FUNCTIONS)
        ours = stand.roster.ours(f"/{GO}", folder=folder, environment={"WASMOOR_CACHE_DIR": f"{disk}/modules"})
        # Twice: what has just been written is verified once more.
        for _ in range(2):
            with servers.serving_one(ours, stand.cpus.both, stand.scratch) as server:
                for name in FUNCTIONS:
                    servers.wait_for(server, f"/{name}")
                server.wait_until_idle()
        _restart_often(stand, ours, table)


def _restart_often(stand, ours, table):
    for _ in range(stand.sizes.cold):
        for guest in (GO, RUST):
            with _restarted(stand, ours) as server:
                table.add(f"functions-restarted-{guest}", ours.name, "wall", stand.load.ask(server, f"/{guest}")[0][0])
            with _restarted(stand, ours) as server:
                stand.load.ask(server, "/hello")
                table.add(f"functions-not-loaded-{guest}", ours.name, "wall", stand.load.ask(server, f"/{guest}")[0][0])
                table.add(f"functions-loaded-{guest}", ours.name, "wall", stand.load.ask(server, f"/{guest}")[0][0])
