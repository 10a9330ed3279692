"""A client of the API server: JSON over HTTPS for what is asked often, and kubectl for what people type."""

import json
import subprocess
import urllib.error
import urllib.request
import ssl

PATHS = {"Pod": "api/v1", "ConfigMap": "api/v1", "Secret": "api/v1", "Service": "api/v1", "Event": "api/v1",
         "Deployment": "apis/apps/v1", "StatefulSet": "apis/apps/v1", "ReplicaSet": "apis/apps/v1",
         "Job": "apis/batch/v1", "RuntimeClass": "apis/node.k8s.io/v1", "Node": "api/v1"}
WITHOUT_NAMESPACE = ("RuntimeClass", "Node")
NAMESPACE = "default"


class Refused(Exception):
    """The server's answer was an error; `code` is that of HTTP."""

    def __init__(self, code, text):
        super().__init__(f"{code}: {text}")
        self.code = code


class Api:
    """Of the server at `url`. `kubeconfig` is for kubectl, at the path `kubectl`."""

    def __init__(self, url, token, kubectl, kubeconfig):
        self._url = url
        self._token = token
        self._kubectl = [str(kubectl), "--kubeconfig", str(kubeconfig), "--cache-dir", f"{kubeconfig}.cache"]
        # The server's certificate is of its own making, and the network has no one else in it.
        self._tls = ssl.create_default_context()
        self._tls.check_hostname = False
        self._tls.verify_mode = ssl.CERT_NONE

    def call(self, method, path, body=None, kind="application/json", timeout=30):
        """What the server answers, read as JSON if it is."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self._url}/{path}", data, method=method, headers={
            "Authorization": f"Bearer {self._token}", "Content-Type": kind})
        try:
            with urllib.request.urlopen(request, timeout=timeout, context=self._tls) as answer:
                text = answer.read().decode(errors="replace")
        except urllib.error.HTTPError as error:
            raise Refused(error.code, error.read().decode(errors="replace")) from None
        except (urllib.error.URLError, OSError) as error:
            raise Refused(0, str(error)) from None
        return json.loads(text) if text.startswith("{") else text

    @staticmethod
    def path(kind, name="", part=""):
        place = PATHS[kind] + ("" if kind in WITHOUT_NAMESPACE else f"/namespaces/{NAMESPACE}")
        plural = kind.lower() + ("es" if kind.endswith("s") else "s")
        return "/".join(piece for piece in (place, plural, name, part) if piece)

    def create(self, item):
        return self.call("POST", self.path(item["kind"]), item)

    def get(self, kind, name):
        """None if there is none."""
        try:
            return self.call("GET", self.path(kind, name))
        except Refused as refused:
            if refused.code == 404:
                return None
            raise

    def list(self, kind, selector=""):
        query = f"?labelSelector={selector}" if selector else ""
        return self.call("GET", self.path(kind) + query)["items"]

    def patch(self, kind, name, change, part=""):
        return self.call("PATCH", self.path(kind, name, part), change, "application/strategic-merge-patch+json")

    def delete(self, kind, name, grace=None):
        options = {"propagationPolicy": "Background"}
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        try:
            self.call("DELETE", self.path(kind, name), options)
        except Refused as refused:
            if refused.code != 404:
                raise

    def events(self, name):
        """Of an object, as `reason: message`."""
        items = self.call("GET", f"{self.path('Event')}?fieldSelector=involvedObject.name={name}")["items"]
        return [f"{item['reason']}: {item['message']}" for item in items]

    def kubectl(self, *words, typed=None, timeout=60):
        """What the command did: returncode, stdout, stderr."""
        return subprocess.run(self.command(*words), input=typed, text=True, errors="replace", capture_output=True,
                              check=False, timeout=timeout)

    def command(self, *words):
        return [*self._kubectl, *map(str, words)]
