"""A shim that is called as containerd calls it, without one: the test is its only client."""

import contextlib
import json
import os
import pathlib
import subprocess
import time

TASK = "containerd.task.v3.Task"
CREATED, RUNNING, STOPPED, PAUSED = 1, 2, 3, 4  # containerd.v1.types.Status
GROUP = "io.containerd.runc.v2.group"  # The annotation by which containers share a shim.


def _mount(destination, kind, *options):
    return {"destination": destination, "type": kind, "source": kind, "options": list(options)}


def config(root, words, cgroup, annotations):
    """A config.json, about as ctr makes it."""
    return {
        "ociVersion": "1.1.0",
        "process": {"user": {"uid": 0, "gid": 0}, "cwd": "/", "args": list(words), "env": ["PATH=/bin"],
                    "noNewPrivileges": True},
        "root": {"path": str(root)},
        "annotations": annotations,
        "mounts": [_mount("/proc", "proc"), _mount("/dev", "tmpfs", "mode=755"),
                   _mount("/dev/pts", "devpts", "newinstance", "ptmxmode=0666")],
        "linux": {"cgroupsPath": cgroup,
                  "namespaces": [{"type": kind} for kind in ("pid", "mount", "ipc", "uts")]},
    }


class Task:
    """One container in a shim, by its RPCs. `streams` are FIFOs that nobody reads unless the test does."""

    def __init__(self, client, identifier, bundle):
        self.client = client
        self.id = identifier
        self.bundle = bundle

    def call(self, method, exec_id="", **fields):
        """`fields` are f3=… for field 3."""
        request = {1: self.id} | ({2: exec_id} if exec_id else {})
        request |= {int(name[1:]): value for name, value in fields.items()}
        return self.client.call(TASK, method, request)

    def create(self, stdin="", stdout="", stderr="", terminal=False, mounts=()):
        request = {1: self.id, 2: str(self.bundle), 3: list(mounts), 4: int(terminal), 5: str(stdin), 6: str(stdout),
                   7: str(stderr)}
        return self.client.call(TASK, "Create", request)[1]

    def start(self, exec_id=""):
        return self.call("Start", exec_id)[1]

    def kill(self, signal, exec_id="", everything=False):
        self.call("Kill", exec_id, f3=int(signal), f4=int(everything))

    def wait(self, exec_id=""):
        return self.call("Wait", exec_id).get(1, 0)

    def delete(self, exec_id=""):
        return self.call("Delete", exec_id).get(2, 0)

    def state(self, exec_id=""):
        return self.call("State", exec_id).get(4, 0)

    def add_exec(self, exec_id, words, stdout=""):
        process = json.dumps({"args": list(words), "cwd": "/", "user": {"uid": 0, "gid": 0}, "env": ["PATH=/bin"]})
        spec = {1: "types.containerd.io/opencontainers/runtime-spec/1/Process", 2: process}
        self.call("Exec", exec_id, f5=str(stdout), f7=spec)


class Shim:
    """The executable of a shim, called for bundles below `folder`, whose containers' root filesystem is `root`. `events`
    is the socket that it tells of them."""

    def __init__(self, program, folder, root, cgroup, cache, events):
        self.program = pathlib.Path(program)
        self.folder = folder
        self.root = root
        self.cache = cache
        self.cgroup = cgroup
        self._environment = {**os.environ, "MAX_SHIM_VERSION": "3", "WASMOOR_CACHE_DIR": str(cache),
                             "TTRPC_ADDRESS": str(events),
                             "GRPC_ADDRESS": str(folder / "nobody.sock")}

    def bundle(self, identifier, words, namespace="played", group="", root=None):
        """A bundle's folder as containerd lays it out."""
        path = self.folder / "state" / namespace / identifier
        (path / "rootfs").mkdir(parents=True, mode=0o700)
        annotations = {GROUP: group} if group else {}
        content = config(root or self.root, words, f"/{self.cgroup}/{namespace}-{identifier}", annotations)
        (path / "config.json").write_text(json.dumps(content))
        return path

    def command(self, action, identifier, bundle, *flags, namespace="played"):
        words = [self.program, "-namespace", namespace, "-address", self.folder / "nobody.sock", "-publish-binary",
                 "/bin/true", "-id", identifier, *flags, action]
        return subprocess.run(words, cwd=bundle, env={**self._environment, "NAMESPACE": namespace},
                              stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=20)

    def start(self, identifier, bundle, namespace="played"):
        """The address of the shim that serves the bundle."""
        done = self.command("start", identifier, bundle, namespace=namespace)
        if done.returncode != 0:
            raise AssertionError(f"start: status {done.returncode}: {done.stdout}{done.stderr}")
        answer = json.loads(done.stdout)
        assert (answer["version"], answer["protocol"]) == (3, "ttrpc"), answer
        return answer["address"]

    def servers(self):
        """All processes that serve, told by their command lines: /proc does not tell the executable of one that has
        protected its file."""
        found = []
        for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):  # It has ended meanwhile.
                if pathlib.Path(entry.read_text(errors="replace").partition("\0")[0]).name == self.program.name:
                    found.append(int(entry.parent.name))
        return found


def until(condition, what, seconds=10):
    """Waits for a condition, and returns what made it true."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"not so after {seconds} s: {what}")
        time.sleep(0.01)
    return found
