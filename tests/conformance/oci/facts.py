"""What this machine has of the things that some programs need."""

import pathlib

import apart

CAP_SYS_RESOURCE = 24  # linux/capability.h


def has_capability(number):
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapBnd:"):
            return bool(int(line.split()[1], 16) >> number & 1)
    return False


def find():
    """`luck` is everywhere."""
    there = {
        "luck": True,
        "hugetlb": (apart.CGROUPS / "hugetlb").exists(),
        "net_cls": (apart.CGROUPS / "net_cls").exists(),
        "apparmor": pathlib.Path("/sys/kernel/security/apparmor").exists(),
        "cap_sys_resource": has_capability(CAP_SYS_RESOURCE),
    }
    return {name for name, is_there in there.items() if is_there}
