"""Many requests of one server: answers, failures of every kind, and clients that leave. Nothing of it grows."""

import contextlib
import socket
import threading
import time

import contest
import functions_servers as servers

TENTHS = 10
SLICE = 5  # Seconds of one load.
CONNECTIONS = 64
# Threads that were needed once are there for ten seconds; what is gone after these stays.
SETTLED = 13
GUESTS = {"hello": "hello", "greeter": servers.GREETER, "echo": "cat", "web": servers.WEB, "trap": "trap",
          "fails": "exit42", "sleep": "sleep", "loop": "loop", "hoard": "hoard", "flood/work": "work", "args": "args"}
# Of a hundred requests: how many, then a wrk.format(...) of Lua. Those that take long are few.
KINDS = [(49, 'nil, "/hello"'), (10, '"POST", "/echo", nil, string.rep("x", 4096)'), (10, 'nil, "/greeter"'),
         (4, 'nil, "/web/echo", nil, "a body"'), (4, 'nil, "/args?a=1&b=2"'), (4, 'nil, "/flood/work?text&5"'),
         (3, 'nil, "/trap"'), (3, 'nil, "/fails"'), (4, 'nil, "/not-there"'), (3, 'nil, "/..%2e/hello"'),
         (2, 'nil, "/hello", {["cpu_quota"] = "NaN"}'), (1, 'nil, "/hello", {["Memory-Request"] = "99999999"}'),
         (1, 'nil, "/web/trap"'), (1, 'nil, "/loop", {["Request-Timeout"] = "2ms"}'),
         (1, 'nil, "/hoard", {["Memory-Request"] = "8"}')]
SCRIPT = """
local kinds = {%s}
local texts, last = {}, 0
function init()
  for _, kind in ipairs(kinds) do
    for i = 1, kind[1] do table.insert(texts, wrk.format(unpack(kind, 2, 5))) end
  end
  math.randomseed(1)
  for i = #texts, 2, -1 do
    local j = math.random(i)
    texts[i], texts[j] = texts[j], texts[i]
  end
end
function request()
  last = last %% #texts + 1
  return texts[last]
end
"""
# What those send who leave, without waiting for more: nothing, part of a head, part of a body, all of a request
# that takes long.
LEAVING = [b"", b"GET /hel", b"GET /hello HTTP/1.1\r\nHost: a\r\n",
           b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nbod",
           b"GET /sleep?500 HTTP/1.1\r\nHost: a\r\n\r\n", b"GET /loop HTTP/1.1\r\nHost: a\r\n\r\n",
           b"GET /web/sleep/500 HTTP/1.1\r\nHost: a\r\n\r\n", b"GET /web/spin HTTP/1.1\r\nHost: a\r\n\r\n",
           b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n" * 20]


def script():
    return SCRIPT % ", ".join(f"{{{count}, {words}}}" for count, words in KINDS)


class _Leaving:
    """Clients that leave at every stage, as long as it is entered."""

    def __init__(self, address):
        host, port = address.split(":")
        self._address = host, int(port)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._live)
        self.left = 0

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()

    def _live(self):
        while not self._over.wait(0.005):
            with contextlib.suppress(OSError), socket.create_connection(self._address, servers.PATIENCE) as connection:
                connection.sendall(LEAVING[self.left % len(LEAVING)])
                self.left += 1
                self._over.wait(0.003)  # So that some of it has begun.


def _sample(server):
    time.sleep(SETTLED)
    return {"memory": server.pss(), "descriptors": server.count("fd"), "threads": server.count("task")}


def run(stand, requests, table, say):
    """Each tenth of so many requests is followed by a look at the server."""
    folder = stand.scratch / "soak"
    servers.fill(folder, stand.build / "guests", GUESTS)
    ours = stand.roster.ours("/hello", folder=folder, options=["--access-log", "none"])
    samples, asked, left = [], 0, 0
    with servers.serving_one(ours, stand.cpus.both, stand.scratch) as server:
        for name in GUESTS:
            server.ask(f"/{name}", {"Request-Timeout": "100ms"})
        server.wait_until_idle()
        while len(samples) <= TENTHS:  # The first look is at a server that has seen everything once.
            with _Leaving(server.address) as leaving:
                while True:
                    asked += stand.load.wrk(server, "/", SLICE, CONNECTIONS, script(), stand.cpus.both).requests
                    if asked >= requests * len(samples) / TENTHS:
                        break
            left += leaving.left
            if server.process.poll() is not None:
                raise server.error(f"it has ended with {server.process.returncode}")
            servers.wait_for(server, "/hello")
            samples.append(_sample(server))
            say(f"  {asked:,} requests, {left:,} clients that left: {samples[-1]}")
    name = contest.OURS[0]
    for metric in samples[0]:
        # What requests have that nobody had before, such as a place in the engine's pool, is kept, so that the first
        # millions are no measure of what grows for ever.
        table.add("functions-soak-half", name, metric, samples[TENTHS // 2][metric])
        table.add("functions-soak-end", name, metric, samples[-1][metric])
        for number, sample in enumerate(samples):
            table.add(f"functions-soak-{number}", name, metric, sample[metric])
    table.add("functions-soak", name, "tasks", asked)
