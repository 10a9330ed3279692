"""The container runtimes that are compared, and how each is told to do what a caller wants. All take runc's words."""

import contextlib
import shutil
import subprocess

from measuring import Command

THEN = "++"  # Between the steps of one run (measure.cc).
PREFIX = "wasmoor-bench-"  # Of all containers, and so of their control groups.


class Runtime:
    def __init__(self, name, program, scratch, environment=None):
        self.name = name
        self._program = program
        self._root = scratch / f"state-{name}"
        self._environment = environment or {}

    def _words(self, *words):
        return [self._program, "--root", self._root, *words]

    def _id(self, suffix):
        return f"{PREFIX}{self.name}-{suffix}"

    def _command(self, argv):
        return Command(argv, self._environment)

    def run(self, bundle):
        """A container from its making to its removal, by one command."""
        return self._command(self._words("run", "--bundle", bundle, self._id("run")))

    def run_many(self, bundle):
        """The same, to be run at once with others."""
        return self._command(self._words("run", "--bundle", bundle, self._id("%%")))

    def cycle(self, bundle):
        """The same in the steps of a caller, as containerd's shim: create, start, its end, delete."""
        name = self._id("cycle")
        return self._command([*self._words("create", "--bundle", bundle, name), THEN,
                              *self._words("start", name), THEN, *self._words("delete", name)])

    def execute(self, container, *words):
        """Another process in a container that `running` has made."""
        return self._command(self._words("exec", container, *words))

    def state(self, container):
        return self._command(self._words("state", container))

    def version(self):
        return self._command([self._program, "--version"])

    @contextlib.contextmanager
    def running(self, bundle):
        """A container's name while it runs."""
        name = self._id(bundle.name)
        self._do("run", "--detach", "--bundle", bundle, name)
        try:
            yield name
        finally:
            self._do("delete", "--force", name)

    def _do(self, *words):
        # Without a pipe, which the container would keep open.
        subprocess.run(self._words(*words), env=self._environment or None, check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL)


def find(build, scratch):
    """wasmoor's, and those of crun and runc that this machine has."""
    environment = {"WASMOOR_CACHE_DIR": str(scratch / "modules"), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    found = [Runtime("wasmoor", build / "bin" / "wasmoor-runtime", scratch, environment)]
    for name in ("crun", "runc"):
        program = shutil.which(name)
        if program:
            found.append(Runtime(name, program, scratch))
    return found
