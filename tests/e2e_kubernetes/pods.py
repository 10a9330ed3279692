"""Manifests of Kubernetes, as far as the suite needs them."""

from node_images import NATIVE, WASM

RUNTIME_CLASS = "wasmtime"
GRACE = 2  # Seconds for native programs: as process 1 they get no SIGTERM unless they ask for it.


def wasm(name, guest, *words, **more):
    """A container that runs a guest of tests/guests."""
    return {"name": name, "image": WASM, "command": [f"/{guest}.wasm"], "args": list(map(str, words)), **more}


def native(name, *command, **more):
    return {"name": name, "image": NATIVE, "command": list(map(str, command)), **more}


def artifact(name, image, *words, **more):
    """A container of an image that is a guest itself; the first of `words` is what it is told it is called."""
    return {"name": name, "image": image, **({"command": list(words)} if words else {}), **more}


def shell(name, script, **more):
    return native(name, "sh", "-c", script, **more)


def sidecar(container):
    """A container that starts before the others and ends after them, KEP-753."""
    return {**container, "restartPolicy": "Always"}


def spec(*containers, **more):
    return {"runtimeClassName": RUNTIME_CLASS, "restartPolicy": "Never", "terminationGracePeriodSeconds": GRACE,
            "dnsPolicy": "Default", "containers": list(containers), **more}


def pod(name, *containers, labels=None, annotations=None, **more):
    return {"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "labels": labels or {}, "annotations": annotations or {}},
            "spec": spec(*containers, **more)}


def job(name, *containers, backoff_limit=0, settings=None, **more):
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
            "spec": {"backoffLimit": backoff_limit, "template": {"spec": spec(*containers, **more)},
                     **(settings or {})}}


def deployment(name, replicas, *containers, **more):
    labels = {"app": name}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
            "spec": {"replicas": replicas, "selector": {"matchLabels": labels},
                     "template": {"metadata": {"labels": labels},
                                  "spec": spec(*containers, **{"restartPolicy": "Always", **more})}}}


def config_map(name, **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def secret(name, **data):
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}


def mounted(name, path, **more):
    return {"name": name, "mountPath": path, **more}


def limits(**resources):
    """Requests and limits alike."""
    return {"limits": resources, "requests": resources}


def execute(*command):
    """A handler of probes and hooks."""
    return {"exec": {"command": list(command)}}
