"""The images of the node: nothing is pulled, all are built here and imported."""

import pathlib
import shutil
import subprocess

import images

HERE = pathlib.Path(__file__).resolve().parent

PAUSE = "docker.io/test/pause:1"
NATIVE = "docker.io/test/busybox:1"
WASM = "docker.io/test/guests:1"
APPLETS = ("cat", "cp", "echo", "false", "grep", "httpd", "id", "kill", "ls", "nc", "ps", "rm", "seq", "sh", "sleep",
           "stat", "tail", "test", "touch", "true", "tty", "wget")
GUESTS = ("args", "cat", "copy", "exit42", "grow", "hello", "hello-component", "list", "loop", "read", "sieve", "sleep",
          "terminal", "trap", "walk", "web-component")


# Images that are a guest and nothing else: {name: options of `wasmoor image build`}.
ARTIFACTS = {
    "docker.io/test/artifact:1": [],
    "docker.io/test/content:1": ["--layer-type", "application/vnd.wasm.content.layer.v1+wasm"],
    "docker.io/test/component:1": ["--layer-type", "application/vnd.bytecodealliance.wasm.component.layer.v0+wasm"],
    "docker.io/test/configured:1": ["--config-type", "application/vnd.wasm.config.v0+json"],
}


class Missing(Exception):
    pass


def make_artifacts(scratch, build):
    """Archives, made as users make them."""
    made = []
    for name, options in ARTIFACTS.items():
        guest = "hello-component" if "component" in name else "args"
        made.append(scratch / f"artifact{len(made)}.tar")
        subprocess.run([build / "bin" / "wasmoor", "image", "build", "--quiet", "--form", "artifact", "--tag", name,
                        *options, "--output", made[-1], build / "guests" / f"{guest}.wasm"], check=True)
    return made


def make(scratch, guests):
    """Archives, of `guests`, the folder with those of the build."""
    busybox = shutil.which("busybox")
    if not busybox:
        raise Missing("no busybox is installed; Debian's package is called busybox-static")
    pause = scratch / "pause"
    subprocess.run(["cc", "-static", "-Os", "-s", "-o", pause, HERE / "pause.c"], check=True)
    broken = scratch / "broken.wasm"
    broken.write_bytes(b"\0asm\1\0\0\0" + bytes(range(100, 200)))
    links = [(f"bin/{applet}", "busybox") for applet in APPLETS]
    modules = {f"{guest}.wasm": guests / f"{guest}.wasm" for guest in GUESTS}
    made = []
    for name, platform, files, entrypoint, linked in (
            (PAUSE, "linux/amd64", {"pause": pause}, ["/pause"], ()),
            # It has a guest, too, beside what runs it natively.
            (NATIVE, "linux/amd64", {"bin/busybox": busybox, "hello.wasm": guests / "hello.wasm"}, ["/bin/sh"], links),
            (WASM, "wasi/wasm", {**modules, "broken.wasm": broken}, ["/hello.wasm"], ())):
        made.append(scratch / f"{len(made)}.tar")
        images.write(made[-1], name, platform, files, entrypoint, linked)
    return made
