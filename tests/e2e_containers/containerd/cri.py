"""A client of the Kubernetes container runtime interface, version 1, as far as the tests need it.

Messages are those of wire.py, as k8s.io/cri-api numbers them.
"""

import time

import grpc  # Debian: python3-grpcio

from wire import decode, encode

# NamespaceOption: the network is NamespaceMode.NODE, that of pids CONTAINER, as a kubelet has it unless a pod asks for one that
# its containers share.
NAMESPACES = {1: 2, 2: 1}
READY = 0  # PodSandboxState.SANDBOX_READY
EXITED = 2  # ContainerState.CONTAINER_EXITED


class Runtime:
    """The runtime service at a socket."""

    def __init__(self, socket):
        self._channel = grpc.insecure_channel(f"unix://{socket}")

    def close(self):
        self._channel.close()

    def call(self, method, request, timeout=20):
        call = self._channel.unary_unary(f"/runtime.v1.RuntimeService/{method}", encode, decode)
        return call(request, timeout=timeout, wait_for_ready=True)

    def run_pod(self, name, handler, log_directory, cgroup_parent):
        """A pod in the host's network, which needs no plugin."""
        dns = {1: ["10.0.0.10", "10.0.0.11"], 2: ["default.svc.test", "svc.test"], 3: ["ndots:5"]}
        config = {1: {1: name, 2: f"uid-{name}", 3: "default"}, 3: str(log_directory), 4: dns,
                  8: {1: cgroup_parent, 2: {1: NAMESPACES}}}
        pod = self.call("RunPodSandbox", {1: config, 2: handler})[1].decode()
        return Pod(self, pod, config)


class Pod:
    def __init__(self, runtime, identifier, config):
        self._runtime = runtime
        self._identifier = identifier
        self._config = config

    def start(self, name, image, command, memory=0):
        """A container's identifier. Its log is NAME.log in the pod's folder."""
        linux = {1: {4: memory}, 2: {3: NAMESPACES}}
        config = {1: {1: name}, 2: {1: image}, 3: command, 11: f"{name}.log", 15: linux}
        request = {1: self._identifier, 2: config, 3: self._config}
        container = self._runtime.call("CreateContainer", request)[1].decode()
        self._runtime.call("StartContainer", {1: container})
        return container

    def exit_code(self, container):
        """Once it has ended."""
        end = time.monotonic() + 20
        while time.monotonic() < end:
            status = decode(self._runtime.call("ContainerStatus", {1: container})[1])
            if status.get(3) == EXITED:
                return status.get(7, 0)
            time.sleep(0.02)
        raise AssertionError(f"container {container} has not ended")

    def execute(self, container, command):
        """Exit code and output of a program in a container."""
        done = self._runtime.call("ExecSync", {1: container, 2: command, 3: 10})
        return done.get(3, 0), done.get(1, b"").decode()

    def is_ready(self):
        return decode(self._runtime.call("PodSandboxStatus", {1: self._identifier})[1]).get(3, READY) == READY

    def stop(self, container):
        self._runtime.call("StopContainer", {1: container, 2: 5})

    def remove(self):
        self._runtime.call("StopPodSandbox", {1: self._identifier})
        self._runtime.call("RemovePodSandbox", {1: self._identifier})
