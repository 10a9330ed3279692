"""What pods cost: memory, and time at the CRI, below the kubelet and its polling. A report: nothing is asserted."""

import statistics
import time

import grpc

import cri
import node_images
import pods
from case import Pod
from node import processes, pss
from programs import wait_for

TURNS = 15
SLEEPING = 10  # Pods.


def _once(runtime, node, handler, image, command, turn):
    """Milliseconds for a pod, for a container in it, and for both to go."""
    began = time.monotonic()
    pod = runtime.run_pod(f"timing-{handler}-{turn}", handler, node.scratch / "timings", f"/{node.cgroup}")
    made = time.monotonic()
    container = pod.start("main", image, command)
    started = time.monotonic()
    pod.exit_code(container)
    ended = time.monotonic()
    pod.remove()
    gone = time.monotonic()
    return [1000 * span for span in (made - began, started - made, ended - started, gone - ended)]


def held_by_daemon(node):
    """Bytes, of the daemon and its hosts; 0 if there is none."""
    if not node.daemon:
        return 0
    return sum(pss(pid) for pid, words in processes().items() if words.split(" ")[0].endswith("containerd-wasmtimed"))


def cost(node):
    """A line on what a sleeping pod adds: the processes in its control groups, and its shim, or what the daemon grows by."""
    name = "cost"
    before = held_by_daemon(node)
    node.api.create(pods.deployment(name, SLEEPING, pods.wasm("main", "sleep")))
    wait_for("all pods are ready",
             lambda: node.api.get("Deployment", name)["status"].get("readyReplicas") == SLEEPING, 120)
    total = count = 0
    for item in node.api.list("Pod", f"app={name}"):
        pod = Pod(node, item["metadata"]["name"])
        inside = (group.read_text().split() for group in pod.group("").glob("*/cgroup.procs"))
        found = {*pod.shims(), *(int(pid) for pids in inside for pid in pids)}
        total += sum(pss(pid) for pid in found)
        count += len(found)
    memory = (total + held_by_daemon(node) - before) / SLEEPING / (1 << 20)
    return f"a sleeping pod, of {SLEEPING}: {count / SLEEPING:.1f} processes, {memory:.2f} MiB PSS"


def report(node):
    """Prints a line for each kind of pod, and what failed; returns whether nothing did. Kinds take turns, so that what
    else the machine does meets all alike."""
    runtime = cri.Runtime("/run/containerd/containerd.sock")
    kinds = {(handler, "wasm"): (handler, node_images.WASM, ["/hello.wasm"]) for handler in node.handlers()}
    kinds[node.handlers()[0], "native"] = (node.handlers()[0], node_images.NATIVE, ["true"])
    kinds["runc", "native"] = ("runc", node_images.NATIVE, ["true"])
    figures, failures = {kind: [] for kind in kinds}, {}
    try:
        for turn in range(TURNS):
            for kind, (handler, image, command) in kinds.items():
                try:
                    figures[kind].append(_once(runtime, node, handler, image, command, f"{turn}-{kind[1]}"))
                except grpc.RpcError as error:
                    failures[kind] = f"{' '.join(kind)} FAILED: {error.details()}"
    finally:
        runtime.close()
    for (handler, what), rows in figures.items():
        if len(rows) < 2:
            continue
        pod, container, end, removal = (statistics.median(column) for column in zip(*rows[1:]))
        print(f"{handler + ' ' + what:24} pod {pod:4.0f} ms, container {container:4.0f} ms, "
              f"its end seen {end:4.0f} ms, both removed {removal:4.0f} ms", flush=True)
    for line in failures.values():
        print(line, flush=True)
    return not failures
