"""Servers of functions, ours and others': how each is started, held to a CPU, and seen from outside."""

import contextlib
import dataclasses
import http.client
import itertools
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time
from typing import Callable

import contest
import node
import runtimes
import serving
import shims

SOURCES = pathlib.Path(__file__).resolve().parent / "peers" / "functions"
PATIENCE = 60
QUOTED = 300  # Letters of either end of what a server has said.
# A process's clock, as clock_getcpuclockid(3) makes it of the process's number: of what the scheduler has given it.
OF_SCHEDULER = 2
GREETER, WEB = "webhello-component", "web-component"  # What is served as components, by us and by wasmtime.
SPINNERS = ("t1", "t2", "t3", "t4")  # Tenants whose function never ends.
# Function to guest, as our servers have them.
FUNCTIONS = {"hello": "hello", "greeter": GREETER, "echo": "cat", "web": WEB, "work": "work", "quiet/hello": "hello",
             **{f"{tenant}/spin": "loop" for tenant in SPINNERS}}


class ServerError(shims.ShimError):
    """A server that does not serve."""


@dataclasses.dataclass(frozen=True)
class Contender:
    name: str
    command: Callable  # From an address and a folder of its own to the words of a command.
    path: str = "/"
    environment: dict = dataclasses.field(default_factory=dict)
    speaks_http1: bool = True  # Else that it listens is all that is waited for.


class Cpus:
    """One for servers, another one for who asks them."""

    def __init__(self):
        first, *others = sorted(os.sched_getaffinity(0))
        if not others:
            raise ServerError("there is one CPU only, and servers and their load need one each")
        self.server, self.load, self.both = [first], [others[0]], [first, others[0]]


def on(cpus, *words):
    """A command that runs on these CPUs and ends with whoever has started it."""
    return ["setpriv", "--pdeathsig", "KILL", "taskset", "-c", ",".join(map(str, cpus)), *map(str, words)]


def ask_on(connection, path, headers=None, body=None):
    """(status, body) of one request. An OSError if there is none."""
    try:
        connection.request("GET" if body is None else "POST", path, body, headers or {})
        reply = connection.getresponse()
        return reply.status, reply.read()
    except http.client.HTTPException as error:
        raise OSError(f"{path}: {error!r}") from error


class Server:
    """A server that runs, with all that it has started."""

    def __init__(self, name, process, address, log):
        self.name = name
        self.process = process
        self.address = address
        self._log = log

    def error(self, what):
        """With the first and the last that it has said."""
        told = " ".join(self._log.read_text(errors="replace").split())
        if len(told) > 2 * QUOTED:
            told = f"{told[:QUOTED]} ... {told[-QUOTED:]}"
        return ServerError(f"{self.name}: {what}; it has said: {told}")

    def processes(self):
        return [self.process.pid, *node.children(self.process.pid)]

    def cpu_ns(self):
        """CPU time of all its threads, those that have ended included."""
        taken = 0
        for pid in self.processes():
            with contextlib.suppress(OSError):
                taken += time.clock_gettime_ns(~pid << 3 | OF_SCHEDULER)
        return taken

    def threads_ns(self, named=""):
        """CPU time of each thread of the first process whose name begins so, by its number, as of a tick ago."""
        found = {}
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            with contextlib.suppress(OSError):
                if not (task / "comm").read_text().startswith(named):
                    continue
                found[task.name] = int((task / "schedstat").read_text().split()[0])
        return found

    def pss(self):
        return sum(filter(None, map(shims.memory_of, self.processes())))

    def count(self, folder):
        """How many entries its first process has in a folder of /proc, as fd or task."""
        return len(os.listdir(f"/proc/{self.process.pid}/{folder}"))

    def ask(self, path, headers=None, body=None):
        """(status, body) of one request."""
        connection = http.client.HTTPConnection(self.address, timeout=PATIENCE)
        with contextlib.closing(connection):
            return ask_on(connection, path, headers, body)

    def wait_until_idle(self):
        """Until it compiles nothing, and has not for a second."""
        end, quiet = time.monotonic() + PATIENCE, time.monotonic()
        while time.monotonic() < quiet + 1:
            if len(self.processes()) > 1:
                quiet = time.monotonic()
            if time.monotonic() > end:
                raise self.error("it still compiles after a minute")
            time.sleep(0.02)


_numbers = itertools.count()


def _enter_group(group):
    """For a server to be alone in a control group, as it is in a container; where there is v1, and the right to."""
    place = node.CGROUPS / "cpu" / group
    with contextlib.suppress(OSError):
        place.mkdir(exist_ok=True)
        (place / "cgroup.procs").write_text("0")


@contextlib.contextmanager
def started(contender, cpus, scratch):
    """While it runs: it may not serve yet."""
    number = next(_numbers)
    folder = scratch / f"server-{number}"
    folder.mkdir()
    address = f"127.0.0.1:{serving.free_port()}"
    group = f"{runtimes.PREFIX}functions-{number}"
    argv = on(cpus, *contender.command(address, folder))
    with open(folder / "log", "wb") as log, subprocess.Popen(
            argv, env={**os.environ, **contender.environment}, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            preexec_fn=lambda: _enter_group(group)) as process:
        server = Server(contender.name, process, address, folder / "log")
        try:
            yield server
        finally:
            for pid in server.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def wait_for(server, path):
    end = time.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(OSError):
            status, _ = server.ask(path)
            if status == 200:
                return
        if server.process.poll() is not None or time.monotonic() > end:
            raise server.error(f"{path} is not served")
        time.sleep(0.005)


@contextlib.contextmanager
def listening(contender, cpus, scratch):
    """While it takes connections: it has been asked nothing yet."""
    with started(contender, cpus, scratch) as server:
        host, port = server.address.split(":")
        end = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(OSError), socket.create_connection((host, int(port)), 1):
                break
            if server.process.poll() is not None or time.monotonic() > end:
                raise server.error("it does not listen")
            time.sleep(0.005)
        yield server


@contextlib.contextmanager
def serving_one(contender, cpus, scratch):
    """While it serves, with everything compiled that it will be asked for."""
    with listening(contender, cpus, scratch) as server:
        if contender.speaks_http1:
            wait_for(server, contender.path)
        if contender.name in contest.OURS:
            server.wait_until_idle()
        yield server


@contextlib.contextmanager
def serving_all(contenders, cpus, scratch, say):
    """Server by contender's name. A peer that does not serve is left out, which `say` tells."""
    with contextlib.ExitStack() as stack:
        servers = {}
        for one in contenders:
            try:
                servers[one.name] = stack.enter_context(serving_one(one, cpus, scratch))
            except ServerError as error:
                if one.name in contest.OURS:
                    raise
                say(f"left out: {error}")
        yield servers


class Roster:
    """Who is compared: what there is of it on this machine."""

    def __init__(self, build, root, wasmtime, scratch, say):
        self.build = build
        self.guests = build / "guests"
        self.wasmtime = wasmtime
        self.cache = scratch / "modules"
        self.folder = scratch / "functions"
        fetched = subprocess.run([root / "tools" / "fetch-function-peers"], check=True, text=True,
                                 stdout=subprocess.PIPE)
        peers = pathlib.Path(fetched.stdout.strip())
        self._go, self._nginx, self._workerd = peers / "go", peers / "nginx", peers / "workerd"
        for one in (self._nginx, self._workerd):
            if not one.exists():
                say(f"functions: measured without {one.name}: {one.with_suffix('.missing').read_text().strip()}")
        say("functions: WasmBox is not to be had, since its sources are in no registry: measured without")
        fill(self.folder, self.guests, FUNCTIONS)

    def ours(self, path, name=contest.OURS[0], options=(), folder=None, environment=None):
        def command(address, _):
            return [self.build / "bin" / "wasmoor", "serve", "--functions", folder or self.folder, "--listen", address,
                    *options]
        return Contender(name, command, path, {"WASMOOR_CACHE_DIR": str(self.cache), **(environment or {})})

    def served(self, guest, path="/", also=()):
        """wasmtime's own server, as it is and tuned."""
        for name, options in (("wasmtime-serve", []), ("wasmtime-serve-tuned", serving.TUNED)):
            yield Contender(name, lambda address, _, options=options: [
                self.wasmtime, "serve", "--addr", address, *options, *also, self.guests / f"{guest}.wasm"], path)

    def web(self, path="/"):
        # It imports more than what wasmtime gives by default.
        return list(self.served(WEB, path, ["-S", "cli"]))

    def go(self, path="/"):
        return Contender("go", lambda address, _: [self._go, address], path)

    def nginx(self, protocol=""):
        def command(address, folder):
            text = (SOURCES / "nginx.conf").read_text()
            for word, value in (("ADDRESS", address), ("FOLDER", str(folder)), ("PROTOCOL", protocol)):
                text = text.replace(word, value)
            (folder / "nginx.conf").write_text(text)
            return [self._nginx, "-c", folder / "nginx.conf", "-p", folder]
        # Told to speak HTTP/2 without TLS, it speaks nothing else.
        return [Contender("nginx", command, speaks_http1=not protocol)] if self._nginx.exists() else []

    def workerd(self, path="/"):
        def command(address, _):
            return [self._workerd, "serve", SOURCES / "workerd.capnp", "--socket-addr", f"http={address}"]
        return [Contender("workerd", command, path)] if self._workerd.exists() else []

    def hello(self):
        return [self.ours("/hello"), self.ours("/greeter", contest.COMPONENT), *self.nginx(), self.go(),
                *self.served(GREETER), *self.workerd()]

    def echo(self):
        return [self.ours("/echo"), self.ours("/web/echo", contest.COMPONENT), self.go("/echo"),
                *self.web("/echo"), *self.workerd("/echo")]


def fill(folder, guests, functions):
    for name, guest in functions.items():
        to = folder / f"{name}.wasm"
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(guests / f"{guest}.wasm", to)
