"""One validation program, run against one runtime, as the first process of namespaces made for it alone.

    one.py PLAN    PLAN is JSON (class Plan); prints JSON: status, output, left

Whatever a runtime mounts or leaves running ends with this process. What it finds left over before that is a fault
of the runtime, and reported. The runner has tests/support on the path.
"""

import dataclasses
import json
import os
import pathlib
import shlex
import subprocess
import sys

import apart

RUN = pathlib.Path("/run")
CALLS = "calls"  # In the program's folder: the runtime's arguments, a line for each call.


@dataclasses.dataclass(frozen=True)
class Plan:
    program: str
    suite: str  # The folder that the program expects to work in.
    folder: str  # Of this program alone.
    runtime: list  # The runtime's command.
    oci_version: str  # Written over the version that the program puts into a configuration, if not empty.
    hide_cgroup2: bool
    seconds: int


def quiet(*command):
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def prepare_mounts(plan):
    """Bundles, and the state of the runtime, in file systems that nothing else uses and that no one need empty."""
    if plan.hide_cgroup2:
        for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
            if line.split()[2] == "cgroup2":
                subprocess.run(["umount", line.split()[1]], check=True)
    scratch = pathlib.Path(plan.folder) / "tmp"
    scratch.mkdir()
    apart.mount_memory(scratch, RUN)
    return scratch


def write_wrapper(plan):
    """The programs know a runtime by the path of one executable. This one notes each command first."""
    rewrite = ""
    if plan.oci_version:
        version = f's/"ociVersion": *"1[^"]*"/"ociVersion": "{plan.oci_version}"/'
        rewrite = ('case $1 in create) for a; do [ "$last" != --bundle ] || '
                   f'sed -i {shlex.quote(version)} "$a/config.json"; last=$a; done ;; esac\n')
    wrapper, calls = pathlib.Path(plan.folder) / "runtime", pathlib.Path(plan.folder) / CALLS
    wrapper.write_text(f'#!/bin/sh\necho "$*" >>{shlex.quote(str(calls))}\n{rewrite}'
                       f'exec {shlex.join(plan.runtime)} "$@"\n')
    wrapper.chmod(0o755)
    return wrapper, calls


def run_program(plan, wrapper, scratch):
    environment = {**os.environ, "RUNTIME": str(wrapper), "TMPDIR": str(scratch)}
    program = pathlib.Path(plan.suite) / "programs" / plan.program
    with open(scratch / "output", "w+b") as output:
        child = subprocess.Popen([program], cwd=plan.suite, env=environment, stdin=subprocess.DEVNULL,
                                 stdout=output, stderr=subprocess.STDOUT)
        try:
            status = child.wait(plan.seconds)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            status = f"not finished after {plan.seconds} s"
        output.seek(0)
        return status, output.read().decode(errors="replace")


def delete_containers(plan, created):
    """Some programs leave containers, most when they fail: not the runtime's fault, so it is told to end them."""
    for name in created:
        if quiet(*plan.runtime, "state", name).returncode == 0:
            quiet(*plan.runtime, "delete", "--force", name)


def files_left():
    """What the runtime keeps of containers. Its own folder, /run/NAME, may stay, and in it caches whose names begin with
    a dot, as no container's can."""
    return [str(path) for path in RUN.glob("*/**/*")
            if not path.relative_to(RUN).parts[1].startswith(".")]


def main():
    plan = Plan(**json.loads(sys.argv[1]))
    scratch = prepare_mounts(plan)
    wrapper, calls = write_wrapper(plan)
    before = apart.mount_points()
    status, output = run_program(plan, wrapper, scratch)
    created = calls.read_text().splitlines() if calls.exists() else []
    delete_containers(plan, {call.split()[-1] for call in created if call.startswith("create ")})
    left = [f"process: {command}" for command in apart.processes_left()]
    left += [f"mount: {point}" for point in apart.mount_points()[len(before):]]
    left += [f"file: {path}" for path in files_left()]
    json.dump({"status": status, "output": output, "left": left}, sys.stdout)


if __name__ == "__main__":
    main()
