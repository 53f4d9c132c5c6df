"""Renders the manifests of envoy/istio and holds them against the published types of Istio and Kubernetes.

    validate.py OUTPUT    renders each directory into OUTPUT as JSON, for the tests that hand it to a real Envoy

The types ignore what they do not know, so what they read back has to be what was written: a field that is misspelt is lost
and found missing. What Envoy reads inside of an EnvoyFilter has no type here; tests/istio/main.rs gives it to Envoy.
"""

import importlib
import json
import pathlib
import re
import subprocess
import sys

import pydantic
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
RENDERED = ["namespace", "fhir/stable", "fhir/canary", "fhir/rollback", "claims"]
ISTIO = {"extensions", "networking", "security", "telemetry"}
# What `kubectl apply` keeps of an object in an annotation of it.
LARGEST = 256 << 10


class Refused(Exception):
    """Why a manifest cannot be applied."""


def type_of(document):
    """The published type of a manifest."""
    group, _, version = str(document.get("apiVersion")).rpartition("/")
    first, _, rest = group.partition(".")
    owner = "istio" if first in ISTIO and rest == "istio.io" else "kubernetes"
    try:
        module = importlib.import_module(f"cloudcoil.models.{owner}.{first or 'core'}.{version}")
        return getattr(module, document["kind"])
    except (ImportError, AttributeError, KeyError):
        raise Refused(f"there is no type for {document.get('apiVersion')} {document.get('kind')}") from None


def lost(written, read, path=""):
    """Where what was read back differs from what was written."""
    if isinstance(written, dict) and isinstance(read, dict):
        for key in written.keys() | read.keys():
            if key not in read or key not in written:
                yield f"{path}.{key}"
            else:
                yield from lost(written[key], read[key], f"{path}.{key}")
    elif isinstance(written, list) and isinstance(read, list) and len(written) == len(read):
        for index, (one, other) in enumerate(zip(written, read)):
            yield from lost(one, other, f"{path}[{index}]")
    elif written != read or type(written) is not type(read):
        yield path


def validate(document):
    """Refuses a manifest that its type does not describe."""
    try:
        read = type_of(document).model_validate(document)
    except pydantic.ValidationError as error:
        raise Refused("; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())) from None
    dumped = read.model_dump(mode="json", by_alias=True, exclude_unset=True)
    unknown = sorted(lost(document, dumped))
    if unknown:
        raise Refused(f"the type does not have {', '.join(unknown)}")
    if len(json.dumps(document)) > LARGEST:
        raise Refused("it is too large: see README.md of envoy/istio")


def guards(documents):
    """The filters among manifests: the labels that each selects by, and what it says."""
    for document in documents:
        for patch in document.get("spec", {}).get("configPatches", []) if document["kind"] == "EnvoyFilter" else []:
            if patch["applyTo"] == "EXTENSION_CONFIG":
                yield document, patch["patch"]["value"]["typed_config"]["config"]


def validate_together(documents):
    """Refuses manifests that do not fit each other."""
    selected = set()
    for document, config in guards(documents):
        remote = config["vm_config"]["code"]["remote"]
        if not re.fullmatch(rf"oci://[^@]+@sha256:{remote['sha256']}", remote["http_uri"]["uri"]):
            raise Refused("the image and its digest differ")
        if not re.fullmatch("[0-9a-f]{64}", remote["sha256"]):
            raise Refused("the digest is none")
        labels = frozenset(document["spec"].get("workloadSelector", {}).get("labels", {}).items())
        if len(labels) < 2:
            raise Refused("a guard selects by `app` and by `carewarden`")
        if labels in selected:
            raise Refused(f"two guards for {dict(labels)}")
        selected.add(labels)
        pods = [one["spec"]["template"]["metadata"]["labels"] for one in documents if one["kind"] == "Deployment"]
        if pods and not any(labels <= pod.items() for pod in pods):
            raise Refused(f"no pod has the labels {dict(labels)}")


def render(directory):
    """The manifests of a directory, as kustomize makes them."""
    command = ["kubectl", "kustomize", str(ROOT / "envoy/istio" / directory)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return list(yaml.safe_load_all(text))


def main():
    output = pathlib.Path(sys.argv[1])
    output.mkdir(parents=True, exist_ok=True)
    rendered = {directory: render(directory) for directory in RENDERED}
    count = 0
    for directory, documents in rendered.items():
        for document in documents:
            name = f"{directory}: {document['kind']} {document['metadata']['name']}"
            try:
                validate(document)
            except Refused as refusal:
                sys.exit(f"{name}: {refusal}")
            print(f"  fits {name}, {len(json.dumps(document))} bytes")
            count += 1
        (output / f"{directory.replace('/', '-')}.json").write_text(json.dumps(documents))
    # What stands in a cluster at one time; a rollback takes the place of its stable guard.
    validate_together([one for name, documents in rendered.items() if name != "fhir/rollback" for one in documents])
    validate_together(rendered["fhir/rollback"])
    (output / "mesh.json").write_text(json.dumps(yaml.safe_load((ROOT / "envoy/istio/mesh.yaml").read_text())))
    count += refusals()
    print(f"{count} passed, 0 failed")


def refusals():
    """Manifests that must be refused, each with a comment that says why."""
    files = sorted((ROOT / "tests/istio/refused").glob("*.yaml"))
    for file in files:
        text = file.read_text()
        expected = text.partition("\n")[0].removeprefix("# ")
        documents = list(yaml.safe_load_all(text))
        try:
            for document in documents:
                validate(document)
            validate_together(documents)
        except Refused as refusal:
            if expected not in str(refusal):
                sys.exit(f"{file.name}: refused as `{refusal}`, not as `{expected}`")
            print(f"  refused {file.name}")
        else:
            sys.exit(f"{file.name}: accepted")
    large = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "keys"}, "data": {"keys": "x" * LARGEST}}
    try:
        validate(large)
    except Refused as refusal:
        print(f"  refused one of {LARGEST} bytes: {refusal}")
    else:
        sys.exit("a manifest that is too large: accepted")
    if not files:
        sys.exit("there is no manifest to refuse")
    return len(files) + 1


main()
