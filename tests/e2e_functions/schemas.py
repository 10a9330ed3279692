"""JSON schemas for kubeconform, each complete in itself and strict: a field that a kind does not have is an error.

    schemas.py FOLDER SWAGGER KIND... -- DEFINITION...

SWAGGER is Kubernetes' description of its API (OpenAPI 2), the KINDs are some of it; a DEFINITION is a file with a
CustomResourceDefinition. The files are called GROUP_KIND_VERSION.json.
"""

import json
import pathlib
import sys

import yaml

PREFIX = "#/definitions/"
# Of OpenAPI's types those that a manifest may have another than the description says for.
NUMBERS_TOO = ("io.k8s.apimachinery.pkg.api.resource.Quantity", "io.k8s.apimachinery.pkg.util.intstr.IntOrString")
TEXT_OR_NUMBER = {"oneOf": [{"type": "string"}, {"type": "number"}]}


def strict(schema):
    """A schema without what only OpenAPI knows, in which objects have the fields that are named and no others."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string"):
        return TEXT_OR_NUMBER
    out = {name: strict(value) for name, value in schema.items()
           if name not in ("description", "default") and not name.startswith("x-")}
    if "properties" in schema and isinstance(schema["properties"], dict):
        # A property may have any name, also one of the words above.
        out["properties"] = {name: strict(value) for name, value in schema["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            out.setdefault("additionalProperties", False)
    return out


def used(name, definitions, found):
    """Adds what the definition needs to `found`, itself included."""
    if name not in found:
        found[name] = TEXT_OR_NUMBER if name in NUMBERS_TOO else strict(definitions[name])
        for part in json.dumps(definitions[name]).split(PREFIX)[1:]:
            used(part.partition('"')[0], definitions, found)
    return found


def of_kubernetes(swagger, kinds):
    definitions = json.loads(swagger.read_text())["definitions"]
    for name, definition in definitions.items():
        for known in definition.get("x-kubernetes-group-version-kind", []):
            if known["kind"] in kinds and name.endswith("." + known["kind"]):
                yield known, {"$ref": PREFIX + name, "definitions": used(name, definitions, {})}


def of_definition(path):
    for item in yaml.safe_load_all(path.read_text()):
        spec = item["spec"]
        for version in spec["versions"]:
            schema = strict(version["schema"]["openAPIV3Schema"])
            # These are every object's, and the definition's author may leave them out.
            schema["properties"].update(apiVersion={"type": "string"}, kind={"type": "string"},
                                        metadata={"type": "object"})
            yield {"group": spec["group"], "kind": spec["names"]["kind"], "version": version["name"]}, schema


def name_of(known):
    # Kubeconform takes the version for the group of those that have none.
    return f"{known['group'] or known['version']}_{known['kind'].lower()}_{known['version']}.json"


def main(folder, swagger, *rest):
    kinds, definitions = rest[:rest.index("--")], rest[rest.index("--") + 1:]
    folder = pathlib.Path(folder)
    folder.mkdir()
    made = list(of_kubernetes(pathlib.Path(swagger), kinds))
    for path in definitions:
        made += of_definition(pathlib.Path(path))
    for known, schema in made:
        (folder / name_of(known)).write_text(json.dumps(schema))


if __name__ == "__main__":
    main(*sys.argv[1:])
