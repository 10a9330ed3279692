"""Components of wasi:http served, under load from wrk on the same CPUs: requests a second, and the slowest of
a hundred."""

import contextlib
import dataclasses
import re
import shutil
import signal
import socket
import subprocess
import time

from contest import order

GUEST = "webhello-component"
SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}
PATIENCE = 60


@dataclasses.dataclass(frozen=True)
class Sizes:
    rounds: int
    seconds: int
    connections: int


FULL = Sizes(rounds=5, seconds=4, connections=64)
QUICK = Sizes(rounds=1, seconds=1, connections=8)

# What wasmtime's pool can be told of what ours is.
TUNED = ["-O", "pooling-memory-keep-resident=262144", "-O", "pooling-table-keep-resident=65536",
         "-O", "pooling-allocator=y"]


def free_port():
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as one:
        return one.getsockname()[1]


def contenders(build, wasmtime, scratch):
    """Name to (command, environment), with ADDRESS to be put in."""
    guest = build / "guests" / f"{GUEST}.wasm"
    ours = [build / "bin" / "wasmoor", "run", "--http-listen", "ADDRESS", guest]
    serve = [wasmtime, "serve", "--addr", "ADDRESS"]
    return {
        "wasmoor": (ours, {"WASMOOR_CACHE_DIR": str(scratch / "modules")}),
        "wasmtime-serve": ([*serve, guest], {}),
        "wasmtime-serve-tuned": ([*serve, *TUNED, guest], {}),
    }


@contextlib.contextmanager
def serving(command, environment):
    """The server's address, once it answers."""
    address = f"127.0.0.1:{free_port()}"
    argv = [address if word == "ADDRESS" else str(word) for word in command]
    with subprocess.Popen(argv, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as server:
        try:
            until = time.monotonic() + PATIENCE
            while subprocess.run(["curl", "-sf", "-o", "/dev/null", f"http://{address}/"], check=False).returncode:
                if server.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"{' '.join(argv)} does not serve")
                time.sleep(0.05)
            yield address
        finally:
            server.send_signal(signal.SIGKILL)


def parse(text):
    """wrk's (requests a second, seconds of the 99th percentile); its complaints are an error."""
    if "Non-2xx" in text or "Socket errors" in text:
        raise RuntimeError(f"wrk met errors: {text}")
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1])
    number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s|m)\b", text).groups()
    return rate, float(number) * SECONDS[unit]


def load(address, sizes):
    run = subprocess.run(["wrk", "--latency", "-t1", f"-c{sizes.connections}", f"-d{sizes.seconds}s",
                          f"http://{address}/"], check=True, capture_output=True, text=True)
    return parse(run.stdout)


def run(build, wasmtime, scratch, sizes, table, say):
    if shutil.which("wrk") is None:
        say("no wrk on this machine: serving is not measured")
        return
    if not (build / "guests" / f"{GUEST}.wasm").exists():
        say("no component to serve was built: serving is not measured")
        return
    with contextlib.ExitStack() as servers:
        addresses = {name: servers.enter_context(serving(*one))
                     for name, one in contenders(build, wasmtime, scratch).items()}
        for address in addresses.values():
            load(address, QUICK)  # Warm.
        for turn in range(sizes.rounds):
            say(f"serving: round {turn + 1}")
            for name in order(addresses, turn):
                rate, slowest = load(addresses[name], sizes)
                table.add("http-hello", name, "rate", rate)
                table.add("http-hello", name, "p99", slowest * 1e9)
