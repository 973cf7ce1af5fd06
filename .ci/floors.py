#!/usr/bin/env python3
"""Holds the table of floors in docs/architecture.md against every #include: a file may include its own room and rooms
on floors below. Also finds a type that one namespace defines twice, which breaks the one definition rule.

    .ci/floors.py [ROOT]       prints each fault with its place; exit code 1 if there is one
"""
import collections
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[1])
# What the client shares with the others beside the API: a room that is made of its messages alone.
SHARED = {"core/tensorboard"}


def floors():
    """The floor of each room: the folders in backticks in the rows "| 3 | `core/kinds` ... |"."""
    table = {}
    for floor, rooms in re.findall(r"^\| (\d+) \| ([^|]*)\|", (ROOT / "docs/architecture.md").read_text(), re.M):
        table.update((room, int(floor)) for room in re.findall(r"`([\w/]+)`", rooms))
    return table


def room_of(path, table):
    """The innermost folder of the table that the file is in."""
    return next((str(folder) for folder in pathlib.PurePath(path).parents if str(folder) in table), None)


def namespaces(text):
    """(namespace, type) of each class and struct that a file defines for others to see."""
    scope, depth = [], 0
    for line in text.splitlines():
        opened = re.match(r"(?:inline )?namespace ([\w:]*) ?\{$", line)
        defined = re.match(r"(?:class|struct|union|enum(?: class)?) (\w+)(?: final)?(?: :[^;]*)? \{", line)
        if opened:
            scope.append(opened[1])
        elif re.match(r"\}  // namespace", line) and scope:
            scope.pop()
        elif defined and scope and "" not in scope:
            yield "::".join(scope), defined[1]


def main():
    table, faults, seen = floors(), [], collections.defaultdict(list)
    for path in sorted(p for top in ("core", "server", "client") for p in (ROOT / top).rglob("*") if p.suffix in (".cc", ".h")):
        name, text = str(path.relative_to(ROOT)), path.read_text()
        room = room_of(name, table)
        if room is None:
            faults.append(f"{name}: its folder stands on no floor of docs/architecture.md")
            continue
        for number, line in enumerate(text.splitlines(), 1):
            include = re.match(r'#include "((?:core|server|client)/[^"]+)"', line)
            target = include and room_of(include[1], table)
            sides = {name.split("/")[0], include[1].split("/")[0]} if include else set()
            stranger = "client" in sides and target not in SHARED
            if stranger and name.split("/")[0] != include[1].split("/")[0]:
                faults.append(f"{name}:{number}: the client and the rest know each other by the API alone, not by {include[1]}")
            elif include and target != room and table.get(target, 99) >= table[room]:
                faults.append(f"{name}:{number}: {room} (floor {table[room]}) includes {include[1]}, which is not below")
        for defined in namespaces(text):
            seen[defined].append(name)
    faults += [f"{space}::{kind} is defined in {' and '.join(files)}" for (space, kind), files in seen.items()
               if len(files) > 1]
    print("\n".join(faults) or f"floors: {len(table)} rooms, every include points down, every type is defined once")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
