"""Knative's queue-proxy in front of a server, in a network of the test's own, as both are in a pod; and what it tells.

Names, ports and variables are those that Knative Serving 1.15's controller gives a pod's containers
(pkg/reconciler/revision/resources of its module).
"""

import base64
import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import socket
import struct
import sys
import threading

from checks import ask
from server import Server

HTTP1, HTTP2 = 8012, 8013  # Where it serves a revision, by the name of the revision's port.
ADMIN, AUTOSCALING, USER_METRICS = 8022, 9090, 9091
HERE = "127.0.0.1"
POD_ID = "3f0e6c1a"
NAMES = {"SERVING_NAMESPACE": "default", "SERVING_SERVICE": "wasmbox", "SERVING_CONFIGURATION": "wasmbox",
         "SERVING_REVISION": "wasmbox-00001", "SERVING_POD": "wasmbox-00001-pod", "SERVING_POD_IP": HERE}
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1  # netdevice(7)
ALONE = "WASMOOR_TEST_NETWORK"  # Set in the environment of a program that has a network of its own.


def be_alone():
    """Becomes a process with a network of its own, if this is none yet, in which there is nothing but its loopback."""
    if ALONE not in os.environ:
        os.environ[ALONE] = "1"
        os.execvp("unshare", ["unshare", "--net", sys.executable, "-B", *sys.argv])
    with socket.socket() as any_socket:
        request = struct.pack("16sH14x", b"lo", 0)
        flags, = struct.unpack_from("H", fcntl.ioctl(any_socket, SIOCGIFFLAGS, request), 16)
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | IFF_UP))


def container_variables(port):
    """What the revision's own container is told."""
    return {"PORT": str(port), "K_SERVICE": NAMES["SERVING_SERVICE"], "K_CONFIGURATION": NAMES["SERVING_CONFIGURATION"],
            "K_REVISION": NAMES["SERVING_REVISION"]}


def probe_text(probe):
    """A readiness probe as the queue-proxy is given it: asked over the loopback, with the defaults filled in."""
    asked = {"host": HERE, "scheme": "HTTP", **probe["httpGet"]}
    return json.dumps({"successThreshold": 1, "timeoutSeconds": 1, **probe, "httpGet": asked})


class QueueProxy:
    """A process of it, for a revision: the template of a Service."""

    def __init__(self, executable, revision, http2=False):
        spec = revision["spec"]
        container, = spec["containers"]
        duplex = revision["metadata"]["annotations"].get("features.knative.dev/http-full-duplex", "")
        self.port = HTTP2 if http2 else HTTP1
        self.address = f"{HERE}:{self.port}"
        self.process = Server([executable], NAMES | {
            "QUEUE_SERVING_PORT": str(self.port), "QUEUE_SERVING_TLS_PORT": "8112",
            "USER_PORT": str(container["ports"][0]["containerPort"]),
            "CONTAINER_CONCURRENCY": str(spec["containerConcurrency"]),
            "REVISION_TIMEOUT_SECONDS": str(spec["timeoutSeconds"]),
            "REVISION_RESPONSE_START_TIMEOUT_SECONDS": "0", "REVISION_IDLE_TIMEOUT_SECONDS": "0",
            "SERVING_READINESS_PROBE": probe_text(container["readinessProbe"]),
            "SERVING_LOGGING_CONFIG": "", "SERVING_LOGGING_LEVEL": "info", "SERVING_REQUEST_LOG_TEMPLATE": "",
            "SERVING_ENABLE_REQUEST_LOG": "false", "SERVING_ENABLE_PROBE_REQUEST_LOG": "false",
            "SERVING_REQUEST_METRICS_BACKEND": "prometheus", "SERVING_REQUEST_METRICS_REPORTING_PERIOD_SECONDS": "1",
            "METRICS_COLLECTOR_ADDRESS": "", "TRACING_CONFIG_BACKEND": "none", "TRACING_CONFIG_DEBUG": "false",
            "TRACING_CONFIG_SAMPLE_RATE": "0.1", "TRACING_CONFIG_ZIPKIN_ENDPOINT": "", "ENABLE_PROFILING": "false",
            "ENABLE_HTTP2_AUTO_DETECTION": "false",
            "ENABLE_HTTP_FULL_DUPLEX": str(duplex.lower() == "enabled").lower(),
            "ENABLE_MULTI_CONTAINER_PROBES": "false", "SYSTEM_NAMESPACE": "knative-serving",
            "METRICS_DOMAIN": "knative.dev/internal/serving", "HOST_IP": HERE, "ROOT_CA": ""})
        self.process.wait_for(self.address)
        self.process.wait_for(f"{HERE}:{AUTOSCALING}")

    def is_ready(self):
        """As the kubelet asks."""
        fields = {"K-Network-Probe": "queue", "User-Agent": "kube-probe/1.30"}
        return ask(self.address, "GET", "/", "", fields).status == 200

    def report(self):
        """Its last second, as the autoscaler reads it."""
        return Report(ask(f"{HERE}:{AUTOSCALING}", "GET", "/metrics").body)

    def counted(self, code):
        """Answers with this status, by the page for Prometheus."""
        lines = ask(f"{HERE}:{USER_METRICS}", "GET", "/metrics").text.splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines
                   if line.startswith("revision_request_count{") and f'response_code="{code}"' in line)


class Report:
    """A message Stat of Knative's autoscaler: doubles by the numbers of their fields, and nothing else that matters."""

    def __init__(self, message):
        doubles = {}
        at = 0
        while at < len(message):
            number, kind = message[at] >> 3, message[at] & 7
            if kind == 1:
                doubles[number], = struct.unpack_from("<d", message, at + 1)
                at += 9
            else:  # Its pod's name, which is short.
                at += 2 + message[at + 1]
        self.at_once, self.requests, self.uptime = (doubles.get(number, 0.0) for number in (2, 4, 6))


def template(name):
    """Of one of deploy/wasmbox's Services: what becomes a revision."""
    import yaml  # Debian's own Python has it.
    path = pathlib.Path(__file__).resolve().parents[2] / "deploy" / "wasmbox" / name
    return yaml.safe_load(path.read_text())["spec"]["template"]


def declared_variables(revision):
    """Of its container; the one without a value is the pod's id."""
    container, = revision["spec"]["containers"]
    return {one["name"]: one.get("value", POD_ID) for one in container["env"]}


# WasmBox's own queue-proxy hears reports over a WebSocket (RFC 6455), which Knative's does not. In its place:

HEARS = 9096
ACCEPT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def take(connection, size):
    taken = b""
    while len(taken) < size:
        part = connection.recv(size - len(taken))
        if not part:
            raise ConnectionError("it is closed")
        taken += part
    return taken


def hear(hearer, connection):
    """As a queue-proxy: keeps what each message says is in use."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += take(connection, 1)
    key = next(line.split(b":", 1)[1].strip() for line in head.split(b"\r\n")
               if line.lower().startswith(b"sec-websocket-key:"))
    accepted = base64.b64encode(hashlib.sha1(key + ACCEPT).digest())
    connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                       b"Sec-WebSocket-Accept: " + accepted + b"\r\n\r\n")
    while True:
        kind, size = take(connection, 2)
        mask = take(connection, 4)  # A client's frames have one.
        payload = bytes(byte ^ mask[at % 4] for at, byte in enumerate(take(connection, size & 0x7F)))
        if kind == 0x82:  # A whole message, of bytes.
            hearer.cores.append(struct.unpack("<xd", payload)[0] if payload else 0.0)


def hang(_, connection):
    while connection.recv(1 << 16):
        pass


def talk_nonsense(_, connection):
    connection.sendall(b"\x00\xff garbage \r\n\r\n" * 100)
    hang(_, connection)


def drop(_, connection):
    connection.close()


class Hearer:
    """Listens where WasmBox's queue-proxy does, and treats who comes in one of the ways above. Ended with `close`."""

    def __init__(self, treat):
        self.cores = []
        self.connections = []
        self.treat = treat
        self.listener = socket.create_server((HERE, HEARS))
        self.threads = [threading.Thread(target=self.listen)]
        self.threads[0].start()

    def listen(self):
        with contextlib.suppress(OSError):
            while True:
                self.connections.append(self.listener.accept()[0])
                self.threads.append(threading.Thread(target=self.serve, args=(self.connections[-1],)))
                self.threads[-1].start()

    def serve(self, connection):
        with contextlib.suppress(OSError):
            self.treat(self, connection)

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.threads[0].join()
        self.listener.close()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self.threads[1:]:
            thread.join()
        for connection in self.connections:
            connection.close()
