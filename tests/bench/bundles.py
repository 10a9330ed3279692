"""The bundles that container runtimes are compared on: one root filesystem, a config.json for each thing to run."""

import json
import os
import pathlib
import shutil
import subprocess

SECCOMP = pathlib.Path("/usr/share/containers/seccomp.json")  # What podman confines containers by.
CAPABILITIES = [f"CAP_{name}" for name in (
    "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID",
    "SYS_CHROOT")]  # podman's.
APPLETS = ["sh", "sleep", "true"]
MASKED = ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
          "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/fs/selinux", "/sys/dev/block"]
READ_ONLY = ["/proc/asound", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]


def _mount(destination, kind, *options):
    return {"destination": destination, "type": kind, "source": kind, "options": list(options)}


def config(root, words, namespaces=("pid", "mount", "ipc", "uts")):
    """A plain one, of the size that `runc spec` writes."""
    return {
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": 0, "gid": 0}, "cwd": "/", "args": list(map(str, words)),
            "env": ["PATH=/bin", "HOME=/"], "noNewPrivileges": True,
            "capabilities": {kind: CAPABILITIES for kind in ("bounding", "effective", "permitted")},
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
        },
        "root": {"path": str(root)},
        "hostname": "bench",
        "mounts": [
            _mount("/proc", "proc"),
            _mount("/dev", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
            _mount("/dev/pts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
            _mount("/dev/shm", "tmpfs", "nosuid", "noexec", "nodev", "mode=1777", "size=65536k"),
            _mount("/dev/mqueue", "mqueue", "nosuid", "noexec", "nodev"),
            _mount("/sys", "sysfs", "nosuid", "noexec", "nodev", "ro"),
        ],
        "linux": {
            "resources": {"devices": [{"allow": False, "access": "rwm"}]},
            "namespaces": [{"type": namespace} for namespace in namespaces],
            "maskedPaths": MASKED,
            "readonlyPaths": READ_ONLY,
        },
    }


def seccomp(profile):
    """The part of a config.json that podman makes of its profile, for CAPABILITIES and this architecture."""
    def is_meant(entry):
        wants, lacks = entry.get("includes") or {}, entry.get("excludes") or {}
        return ("amd64" in wants.get("arches", ["amd64"]) and "amd64" not in lacks.get("arches", [])
                and all(one in CAPABILITIES for one in wants.get("caps", []))
                and not any(one in CAPABILITIES for one in lacks.get("caps", [])))

    source = json.loads(profile.read_text())
    here = next(one for one in source["archMap"] if one["architecture"] == "SCMP_ARCH_X86_64")
    kept = ("names", "action", "args", "errnoRet")
    return {
        "defaultAction": source["defaultAction"], "defaultErrnoRet": source.get("defaultErrnoRet", 1),
        "architectures": [here["architecture"], *here["subArchitectures"]],
        "syscalls": [{key: entry[key] for key in kept if entry.get(key) is not None}
                     for entry in source["syscalls"] if is_meant(entry)],
    }


def like_podman(root, words):
    """With the network namespace, the limits and the filter that podman gives a container."""
    made = config(root, words, ("pid", "network", "ipc", "uts", "mount"))
    made["linux"]["resources"] |= {"memory": {"limit": 1 << 30}, "cpu": {"shares": 512}, "pids": {"limit": 2048}}
    made["linux"]["seccomp"] = seccomp(SECCOMP)
    return made


def make(folder, content):
    """Writes a bundle, and returns where."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(content))
    return folder


def _copy_with_libraries(program, root):
    """Puts a program of the host into a root, and the shared libraries that ldd(1) finds for it."""
    shutil.copy(program, root / "bin" / program.name)
    listed = subprocess.run(["ldd", program], check=True, text=True, stdout=subprocess.PIPE).stdout
    for word in listed.split():
        if not word.startswith("/"):
            continue
        place = root / word.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(word, place)


def make_small_root(root, guests, source):
    """busybox; the guests named; `source` as a static native program hello."""
    for name in ("bin", "dev", "proc", "sys", "tmp"):
        (root / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", root / "bin" / "busybox")
    for applet in APPLETS:
        os.symlink("busybox", root / "bin" / applet)
    for guest in guests:
        shutil.copy(guest, root / guest.name)
    subprocess.run(["cc", "-O2", "-static", "-o", root / "bin" / "hello", source], check=True)


def make_root(root, build, source, wasmtime):
    """busybox; hello as WebAssembly and, of the same source, as a static native program; wasmtime's command."""
    make_small_root(root, [build / "guests" / f"{guest}.wasm" for guest in ("hello", "sleep")], source)
    _copy_with_libraries(wasmtime, root)
    subprocess.run([wasmtime, "compile", root / "hello.wasm", "-o", root / "hello.cwasm"], check=True)
