#!/usr/bin/env python3
"""Holds deploy/kubernetes against the schemas of Kubernetes' API (PyPI's kubernetes-validate brings them) and against what
the cluster would be asked to trust: nothing runs as root, writes its root file system, or is reached by everybody.

    .ci/kubernetes_test.py      needs kubernetes-validate and PyYAML: .ci/run makes a venv with them
"""
import pathlib
import sys

import kubernetes_validate
import yaml

FOLDER = pathlib.Path(__file__).parents[1] / "deploy/kubernetes"
VERSIONS = ("1.26", "1.32")  # The oldest whose PodDisruptionBudget and probes are ours, and one of today.
NAME = {"app.kubernetes.io/name": "traind"}


def documents():
    listed = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]
    assert sorted(listed) == sorted(p.name for p in FOLDER.glob("*.yaml") if p.name != "kustomization.yaml"), listed
    for name in listed:
        for document in yaml.safe_load_all((FOLDER / name).read_text()):
            yield name, document


def selectors(document):
    """What chooses the server's pod."""
    spec = document.get("spec", {})
    if document["kind"] == "Service":
        return [spec["selector"]]
    return [spec[key]["matchLabels"] for key in ("selector", "podSelector") if key in spec]


def main():
    found = {}
    for name, document in documents():
        for version in VERSIONS:
            kubernetes_validate.validate(document, version, strict=True)
        for selector in selectors(document):
            assert selector == NAME, f"{name} chooses {selector}"
        found.setdefault(document["kind"], []).append(document)
    pod = found["StatefulSet"][0]["spec"]["template"]
    assert pod["metadata"]["labels"] == NAME
    assert pod["spec"]["securityContext"]["runAsNonRoot"] and pod["spec"]["automountServiceAccountToken"] is False
    for container in pod["spec"]["containers"]:
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"] and not security["allowPrivilegeEscalation"], security
        assert security["capabilities"] == {"drop": ["ALL"]}, security
        assert container["resources"]["limits"].keys() == {"cpu", "memory"}, container["resources"]
        ports = {port["name"] for port in container["ports"]}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert container[probe]["httpGet"]["port"] in ports, probe
    policy = found["NetworkPolicy"][0]["spec"]
    assert policy["egress"] == [] and all(rule.get("from") for rule in policy["ingress"]), policy
    print(f"kubernetes: {sum(map(len, found.values()))} resources are what versions {', '.join(VERSIONS)} take")


if __name__ == "__main__":
    sys.exit(main())
