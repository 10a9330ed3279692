"""Images as OCI archives, built from nothing: what `ctr images import` reads.

Layout, manifest and configuration are those of the OCI image specification.
"""

import gzip
import hashlib
import io
import json
import pathlib
import tarfile


def write(path, name, platform, files, entrypoint, links=()):
    """An archive at `path` with one image: `files` is {path in the image: path here}, each made executable.

    `platform` is os/architecture; `links` are pairs (path, target) of symbolic links.
    """
    layer = _layer(files, links)
    system, architecture = platform.split("/")
    blobs = {}
    config = _add(blobs, "config.v1+json", {
        "os": system, "architecture": architecture,
        "config": {"Entrypoint": entrypoint, "Env": ["PATH=/bin"], "WorkingDir": "/"},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
    })
    manifest = _add(blobs, "manifest.v1+json", {
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config,
        "layers": [_add(blobs, "layer.v1.tar+gzip", gzip.compress(layer, mtime=0))],
    })
    manifest["annotations"] = {"io.containerd.image.name": name}
    manifest["platform"] = {"os": system, "architecture": architecture}
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [manifest]}
    with tarfile.open(path, "w") as archive:
        _put(archive, "oci-layout", json.dumps({"imageLayoutVersion": "1.0.0"}).encode())
        _put(archive, "index.json", json.dumps(index).encode())
        for digest, content in blobs.items():
            _put(archive, f"blobs/sha256/{digest}", content)


def _layer(files, links):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for folder in ("bin", "dev", "proc", "sys", "tmp"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        for inside, here in files.items():
            _put(archive, inside, pathlib.Path(here).read_bytes())
        for inside, target in links:
            entry = tarfile.TarInfo(inside)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            archive.addfile(entry)
    return out.getvalue()


def _put(archive, name, content):
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o755
    archive.addfile(entry, io.BytesIO(content))


def _add(blobs, kind, content):
    """Puts a blob among `blobs`, and returns the descriptor by which others refer to it."""
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    digest = hashlib.sha256(data).hexdigest()
    blobs[digest] = data
    return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(data)}
