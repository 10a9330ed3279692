"""A client of containerd's Kubernetes interface that starts pods of one container, as it is told by lines of JSON:

    pod_client.py HARNESS SOCKET LOGS CGROUP

HARNESS is the folder of cri.py. A line is [NAME, HANDLER, IMAGE, WORDS]; the answer the nanoseconds from RunPodSandbox
to when the container runs, or {"error": TEXT}. A program of its own, since not every Python has gRPC.
"""

import json
import sys
import time

sys.path.insert(0, sys.argv[1])

import cri  # noqa: E402


def start(runtime, logs, group, name, handler, image, words):
    begin = time.monotonic_ns()
    pod = runtime.run_pod(name, handler, logs, group)
    try:
        pod.start("one", image, words)
        return time.monotonic_ns() - begin
    finally:
        pod.remove()


def main():
    _, _, socket, logs, group = sys.argv
    runtime = cri.Runtime(socket)
    runtime.call("Version", {})
    for line in sys.stdin:
        try:
            answer = start(runtime, logs, group, *json.loads(line))
        except cri.grpc.RpcError as error:
            answer = {"error": str(error.details())}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
