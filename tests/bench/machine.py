"""What the figures were taken on: without it they mean nothing."""

import os
import pathlib
import platform


def _first_line(path, prefix):
    for line in pathlib.Path(path).read_text().splitlines():
        if line.startswith(prefix):
            return line.partition(":")[2].strip()
    return "unknown"


def describe():
    return {
        "cpu": _first_line("/proc/cpuinfo", "model name"),
        "cpus": os.cpu_count(),
        "memory": _first_line("/proc/meminfo", "MemTotal"),
        "virtual": "hypervisor" in _first_line("/proc/cpuinfo", "flags").split(),
        "kernel": platform.release(),
        "load": os.getloadavg(),
    }


def sentence(machine):
    kind = "virtual machine" if machine["virtual"] else "machine"
    return (f"{kind}, {machine['cpus']} x {machine['cpu']}, Linux {machine['kernel']}, "
            f"load {machine['load'][0]:.1f} at the start")
