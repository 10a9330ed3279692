"""Those who ask servers of functions: wrk, h2load, and `ask`, which is one connection with a clock (ask.cc)."""

import dataclasses
import json
import re
import subprocess
import time

import serving
from functions_servers import ServerError, on

# What wrk sends, where that is no plain GET: wrk's own language, Lua. All texts are made before the first is sent.
ECHO = """
wrk.method = "POST"
wrk.body = string.rep("x", 4096)
wrk.headers["Content-Type"] = "text/plain"
"""
_MANY = """
local texts, last = {}, 0
function init()
  for i = 1, 400 do
    %s
    texts[i] = wrk.format()
  end
end
function request()
  last = last %% #texts + 1
  return texts[last]
end
"""
# Another quota and another limit in each; and fields of the same length that mean nothing, for comparison.
LIMITS = _MANY % 'wrk.headers["cpu_quota"] = 100 + i; wrk.headers["Memory-Request"] = 16 + i % 48'
FIELDS = _MANY % 'wrk.headers["cpu_other"] = 100 + i; wrk.headers["Memory-Nothing"] = 16 + i % 48'


def any_of(paths):
    """Asks for one of them after the other, in a random order that is always the same."""
    return ("local paths = {" + ", ".join(f'"{path}"' for path in paths) + "}\n" + _MANY.replace(
        "400", "#paths") % 'wrk.path = paths[i]')


@dataclasses.dataclass(frozen=True)
class Answered:
    """Of a load: how many a second, and times in nanoseconds (None: nobody was answered)."""

    requests: int
    rate: float
    p50: float = None
    p99: float = None
    complaint: str = ""  # wrk's, of answers that are no 2xx and connections that failed.


def _time(text, percent):
    found = re.search(rf"{percent}%\s+([\d.]+)(us|ms|s|m)\b", text)
    return round(float(found[1]) * serving.SECONDS[found[2]] * 1e9) if found else None


def parse_wrk(text):
    requests = int(re.search(r"(\d+) requests in", text)[1])
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1])
    complaint = " ".join(line.strip() for line in text.splitlines() if "Non-2xx" in line or "Socket errors" in line)
    if requests == 0:
        return Answered(0, 0.0, complaint=complaint)
    return Answered(requests, rate, _time(text, 50), _time(text, 99), complaint)


def parse_h2load(text):
    rate = float(re.search(r"finished in [\d.]+m?s, ([\d.]+) req/s", text)[1])
    counts = {name: int(number) for number, name in re.findall(r"(\d+) (done|failed|errored|timeout|2xx)", text)}
    if counts["failed"] or counts["errored"] or counts["timeout"] or counts["2xx"] < counts["done"]:
        raise ServerError(f"h2load met errors: {text}")
    return Answered(counts["done"], rate)


class Load:
    """On CPUs of its own, but where others are given."""

    def __init__(self, build, cpus, scratch):
        self._ask = build / "bench" / "ask"
        self._cpus = cpus
        self._scratch = scratch

    def _run(self, argv):
        done = subprocess.run(list(map(str, argv)), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ServerError(f"{' '.join(map(str, argv))}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def wrk(self, server, path, seconds, connections, script=None, cpus=None, meanwhile=None):
        """`meanwhile` is called once, in the middle of it."""
        argv = on(cpus or self._cpus.load, "wrk", "--latency", f"-t{len(cpus or self._cpus.load)}", f"-c{connections}",
                  f"-d{seconds}s", "--timeout", "10s")
        if script:
            file = self._scratch / "load.lua"
            file.write_text(script)
            argv += ["-s", str(file)]
        argv.append(f"http://{server.address}{path}")
        if meanwhile is None:
            return parse_wrk(self._run(argv))
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as load:
            time.sleep(seconds / 2)
            meanwhile()
            return parse_wrk(load.communicate()[0])

    def h2load(self, server, path, seconds, connections, streams):
        return parse_h2load(self._run(on(
            self._cpus.load, "h2load", "-D", seconds, "-c", connections, "-m", streams, "-t", 1,
            f"http://{server.address}{path}")))

    def ask(self, server, path, times=1, every=0):
        """Nanoseconds until the first byte of each answer, and until its last."""
        told = json.loads(self._run(on(self._cpus.load, self._ask, "--times", times, "--every", every, server.address,
                                       path)))
        return told["first_ns"], told["last_ns"]


def add(table, workload, server, answered, cpu_ns=None):
    """By the server's name."""
    name = server.name
    if answered.complaint or not answered.requests:
        raise server.error(f"{workload}: {answered.complaint or 'nobody was answered'}")
    table.add(workload, name, "rate", answered.rate)
    for metric in ("p50", "p99"):
        if getattr(answered, metric) is not None:
            table.add(workload, name, metric, getattr(answered, metric))
    if cpu_ns is not None:
        table.add(workload, name, "cpu", cpu_ns / answered.requests)
