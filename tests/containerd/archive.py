"""Images as OCI archives with any content, also such as no builder makes."""

import hashlib
import io
import json
import tarfile

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
TITLE = "org.opencontainers.image.title"


class Archive:
    """What `ctr images import` reads, once it is written."""

    def __init__(self):
        self._blobs = {}
        self._images = []

    def blob(self, kind, content, **more):
        """Puts it in; the descriptor by which others refer to it."""
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        digest = hashlib.sha256(data).hexdigest()
        self._blobs[digest] = data
        return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(data), **more}

    def artifact(self, layers, config=OCI_CONFIG, platform=("wasip1", "wasm")):
        """The descriptor of a manifest. Its configuration says that nothing is to be unpacked."""
        system, architecture = platform
        document = {"os": system, "architecture": architecture, "config": {"Entrypoint": ["/app.wasm"]},
                    "rootfs": {"type": "layers", "diff_ids": []}}
        return self.blob(MANIFEST, {"schemaVersion": 2, "mediaType": MANIFEST,
                                    "config": self.blob(config, document), "layers": layers})

    def index(self, manifests):
        """Of pairs (descriptor, platform)."""
        entries = [{**manifest, "platform": {"os": system, "architecture": architecture}}
                   for manifest, (system, architecture) in manifests]
        return self.blob(INDEX, {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries})

    def add(self, name, target):
        self._images.append({**target, "annotations": {"io.containerd.image.name": name}})

    def write(self, path, without=()):
        """`without`: digests of blobs that are left out."""
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": self._images}
        with tarfile.open(path, "w") as archive:
            _put(archive, "oci-layout", json.dumps({"imageLayoutVersion": "1.0.0"}).encode())
            _put(archive, "index.json", json.dumps(index).encode())
            for digest, content in self._blobs.items():
                if f"sha256:{digest}" not in without:
                    _put(archive, f"blobs/sha256/{digest}", content)


def _put(archive, name, content):
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o644
    archive.addfile(entry, io.BytesIO(content))
