#!/usr/bin/env python3
"""Holds deploy/grafana and deploy/prometheus against the server: every number that they ask for is one that it has, and
every panel has what it needs. With `promtool` (Debian's package prometheus) also the syntax of each expression, the alert
rules with their tests, and the page of a running server.

    .ci/observability.py              names, and rules where there is promtool
    .ci/observability.py HOST:PORT    also that page, as promtool reads it
"""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request

ROOT = pathlib.Path(__file__).parents[1]
NAME = r"\b(?:traind|process)_[a-z_]+\b"
SUFFIXES = ("_bucket", "_count", "_sum")  # Of a histogram.


def known():
    """The names that the server gives its numbers."""
    sources = [path.read_text() for path in (ROOT / "server").rglob("*.cc")]
    names = {name for text in sources for name in re.findall(rf'"({NAME[2:-2]})"', text)}
    return names | {name + suffix for name in names for suffix in SUFFIXES}


def expressions():
    """(place, expression) of every panel and every alert."""
    for path in sorted((ROOT / "deploy/grafana").glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel.get("targets", []):
                yield f"{path.name}: {panel['title']}", target["expr"]
    rules = (ROOT / "deploy/prometheus/alerts.yml").read_text()
    for alert, expr in re.findall(r"alert: (\w+)\n\s+expr: (.*?)\n\s+(?:for|labels):", rules, re.S):
        yield f"alerts.yml: {alert}", re.sub(r"^>-\s*", "", expr)


def without_variables(expression):
    return expression.replace("$__rate_interval", "5m").replace("$instance", "a")


def promtool(*arguments, **options):
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, **options)
    return [] if done.returncode == 0 else [f"promtool {' '.join(map(str, arguments))}:\n{done.stdout}{done.stderr}"]


def check_syntax():
    """Each expression as a rule of its own: promtool 2.42 has no other way to look at one."""
    rules = [{"record": f"x{i}", "expr": without_variables(expr)} for i, (_, expr) in enumerate(expressions())]
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        file.write(json.dumps({"groups": [{"name": "all", "rules": rules}]}))  # JSON is YAML.
        file.flush()
        return promtool("check", "rules", file.name)


def main():
    names, faults, asked = known(), [], set()
    for place, expression in expressions():
        for name in re.findall(NAME, expression):
            asked.add(name)
            if name not in names:
                faults.append(f"{place}: the server has no {name}")
    if shutil.which("promtool"):
        folder = ROOT / "deploy/prometheus"
        faults += check_syntax() + promtool("check", "config", folder / "prometheus.yml")
        faults += promtool("test", "rules", "alerts_test.yml", cwd=folder)
        for address in sys.argv[1:]:
            page = urllib.request.urlopen(f"http://{address}/metrics", timeout=10).read().decode()
            faults += promtool("check", "metrics", input=page)
    elif sys.argv[1:]:
        faults.append("there is no promtool: deploy/setup.sh --dev installs it")
    else:
        print("observability: there is no promtool; names alone are looked at")
    print("\n".join(faults) or f"observability: {len(asked)} names of the server's, all of them known")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
