"""The root file system of tools/guest-machine, as the archive that a kernel unpacks at its start."""

import os
import pathlib
import re
import shlex
import stat
import subprocess

# A unit of each instance of systemd: the command of the machine, and the user's own systemd, which Debian's unit
# would start through PAM and a session that nobody needs here.
COMMAND_UNIT = """\
[Unit]
DefaultDependencies=no
Requires=dbus.socket
After=dbus.socket
[Service]
Type=oneshot
Delegate=yes
ExecStart=/machine/run
"""
USER_UNIT = """\
[Unit]
DefaultDependencies=no
[Service]
Type=notify
User=%i
Slice=user-%i.slice
Delegate=pids memory cpu cpuset
Environment=XDG_RUNTIME_DIR=/run/user/%i DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/%i/bus
ExecStartPre=+/bin/sh -c 'mkdir -p -m 755 /run/user && mkdir -m 700 /run/user/%i && chown %i /run/user/%i'
ExecStart=/lib/systemd/systemd --user --unit=machine.target
KillMode=mixed
"""
NO_DEFAULTS = "[Unit]\nDefaultDependencies=no\n"

# The kernel's first root cannot be left by pivot_root(2), and containers want to leave theirs: it is mounted over
# itself. What a machine must have is mounted before its process 1, systemd too, begins.
INIT = """\
#!/bin/busybox sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
busybox mkdir -p /proc /sys /dev /run /tmp /mnt /var/tmp
busybox mount --bind / /mnt
cd /mnt && busybox mount --move . / && exec busybox chroot . /machine/init
"""
MOUNTS = """\
#!/bin/sh
mount -t proc -o nosuid,nodev,noexec proc /proc
mount -t sysfs -o nosuid,nodev,noexec sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount -t tmpfs -o mode=755 tmpfs /run
ln -sf /proc/self/fd /dev/fd
ip link set lo up
hostname machine
for module in $(cat /machine/modules); do insmod "$module"; done
"""
START = {
    "busybox": """\
mount -t cgroup2 -o nsdelegate cgroup2 /sys/fs/cgroup
mkdir /sys/fs/cgroup/machine
echo 0 >/sys/fs/cgroup/machine/cgroup.procs
exec </dev/null
/machine/run
poweroff -f
""",
    "systemd": "exec /lib/systemd/systemd --unit=machine.target\n",
}
# The ports are numbered in the order of tools/guest-machine; the first of the bus is reserved for a console.
RUN = """\
#!/bin/sh
cd /tmp
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root USER=root LANG=C.UTF-8
setsid sh /machine/command </dev/null >/dev/vport0p1 2>&1
echo $? >/dev/vport0p2
%s
poweroff -f
"""
USERS = {
    "/etc/passwd": "root:x:0:0:root:/root:/bin/sh\nmessagebus:x:100:100::/nonexistent:/bin/false\n"
                   "user:x:1000:1000::/tmp:/bin/sh\nnobody:x:65534:65534::/nonexistent:/bin/false\n",
    "/etc/group": "root:x:0:\ntty:x:5:\nmessagebus:x:100:\nuser:x:1000:\nnogroup:x:65534:\n",
    "/etc/subuid": "user:100000:65536\n",
    "/etc/subgid": "user:100000:65536\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\n",
    "/etc/machine-id": "7f1a5f9d2c4e4b0e8a3c6d5b4e3f2a10\n",
}


class GuestRoot:
    """Files by their path in the machine. archive() gives them in the format newc of cpio (initramfs-buffer-format
    in the kernel's documentation)."""

    def __init__(self):
        self.entries = {}  # Path: (mode, content).
        self.add_folder("/root", 0o700)
        for path, text in USERS.items():
            self.add_file(path, text)

    def add_folder(self, path, mode=0o755):
        if path not in ("", "/") and path not in self.entries:
            self.add_folder(os.path.dirname(path))
            self.entries[path] = (stat.S_IFDIR | mode, b"")

    def add_file(self, path, content, mode=0o644):
        self.add_folder(os.path.dirname(path))
        self.entries[path] = (stat.S_IFREG | mode, content.encode() if isinstance(content, str) else content)

    def add_link(self, path, target):
        self.add_folder(os.path.dirname(path))
        self.entries[path] = (stat.S_IFLNK | 0o777, os.fsencode(target))

    def add_tree(self, folder, there):
        """A folder as it is, links as links."""
        self.add_folder(there.rstrip("/"))
        for name in sorted(os.listdir(folder)):
            here, path = os.path.join(folder, name), f"{there.rstrip('/')}/{name}"
            status = os.lstat(here)
            if stat.S_ISLNK(status.st_mode):
                self.add_link(path, os.readlink(here))
            elif stat.S_ISDIR(status.st_mode):
                self.add_tree(here, path)
            elif stat.S_ISREG(status.st_mode):
                self.add_file(path, pathlib.Path(here).read_bytes(), stat.S_IMODE(status.st_mode))

    def add_path(self, here, there):
        """A folder, or a file with the shared libraries that it needs."""
        if here.is_dir():
            self.add_tree(here, there)
            return
        content = here.read_bytes()
        self.add_file(there, content, stat.S_IMODE(here.stat().st_mode))
        if not content.startswith(b"\x7fELF"):
            return
        # It fails for a static executable, which needs none.
        listed = subprocess.run(["ldd", here], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
        for library in re.findall(r"(/\S+) \(0x", listed):
            if library not in self.entries:
                self.add_file(library, pathlib.Path(library).read_bytes(), 0o755)

    def add_busybox(self, busybox):
        self.add_file("/bin/busybox", busybox.read_bytes(), 0o755)
        for command in subprocess.run([busybox, "--list"], stdout=subprocess.PIPE, text=True).stdout.split():
            if command not in ("busybox", "init"):
                self.add_link(f"/bin/{command}", "busybox")

    def add_systemd(self, folder):
        self.add_tree(folder, "/")
        system, user = "/etc/systemd/system", "/etc/systemd/user"
        self.add_file(f"{system}/machine.service", COMMAND_UNIT)
        self.add_file(f"{system}/user@.service", USER_UNIT)
        for where in (system, user):
            # Nothing of what a machine usually starts.
            for unit in ("dbus.socket", "dbus.service"):
                self.add_file(f"{where}/{unit}.d/machine.conf", NO_DEFAULTS)
        self.add_file(f"{system}/machine.target", NO_DEFAULTS + "Wants=machine.service\n")
        self.add_file(f"{user}/machine.target", NO_DEFAULTS + "Requires=dbus.socket\nAfter=dbus.socket\n")

    def add_modules(self, folder, names):
        files = {path.name.removesuffix(".ko").replace("-", "_"): path for path in folder.rglob("*.ko")}
        order = []

        def add(name):
            if name in order:
                return
            content = files[name].read_bytes()
            needed = re.search(rb"\0depends=([^\0]*)\0", content).group(1).decode()
            for one in filter(None, needed.split(",")):
                add(one.replace("-", "_"))
            order.append(name)
            self.add_file(f"/machine/{name}.ko", content)

        for name in names:
            if name.replace("-", "_") not in files:
                raise SystemExit(f"guest-machine: --module {name}: the kernel has no such module")
            add(name.replace("-", "_"))
        self.add_file("/machine/modules", "".join(f"/machine/{name}.ko\n" for name in order))

    def add_command(self, init, command, environment, fetched):
        settings = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in environment.items())
        archive = f"tar -cf - {shlex.join(fetched)} 2>/dev/null >/dev/vport0p2" if fetched else ""
        self.add_file("/machine/command", settings + f"exec {shlex.join(command)}\n")
        self.add_file("/machine/run", RUN % archive, 0o755)
        self.add_file("/machine/init", MOUNTS + START[init], 0o755)
        self.add_file("/init", INIT, 0o755)

    def archive(self):
        parts = []

        def pad(data):
            parts.append(data + b"\0" * (-len(data) % 4))

        def header(number, mode, links, size, name):
            # Magic, inode, mode, uid, gid, links, time, size, device and special file's numbers, name, checksum.
            fields = (number, mode, 0, 0, links, 0, size, 0, 0, 0, 0, len(name) + 1, 0)
            pad(b"070701" + b"".join(b"%08x" % field for field in fields) + name + b"\0")

        for number, (path, (mode, content)) in enumerate(self.entries.items(), 1):
            header(number, mode, 2 if stat.S_ISDIR(mode) else 1, len(content), os.fsencode(path.lstrip("/")))
            pad(content)
        header(0, 0, 1, 0, b"TRAILER!!!")
        return b"".join(parts)
