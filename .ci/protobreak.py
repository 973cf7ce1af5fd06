#!/usr/bin/python3
"""Compares the API with that of the last release: proto/released/<version>.txt, the newest one.

    .ci/protobreak.py [ROOT]         prints each break that is not allowed; exit code 1 if there is one
    .ci/protobreak.py --text [ROOT]  prints the API as it is now: at a release, proto/released/<version>.txt

A break is allowed by a line of proto/released/allowed_breaks.txt, "<regular expression of the break> | <words>"; the
words must stand in the top section of CHANGELOG.md. A line that allows nothing is a fault, too. Never allowed: the
number of a field or value given to another one, and a removed one that is not `reserved`.

Needs Debian's protobuf-compiler and python3-protobuf.
"""
import collections
import pathlib
import re
import sys

from protolint import FIELD, compiled

TYPES = {number: name.removeprefix("TYPE_").lower() for name, number in FIELD.Type.items()}


def type_of(message, field):
    """"optional uint32", "map<string, string>", "string of source" (a oneof)."""
    entry = next((nested for nested in message.nested_type
                  if nested.options.map_entry and field.type_name.endswith(f".{message.name}.{nested.name}")), None)
    if entry:
        return f"map<{', '.join(type_of(entry, part) for part in entry.field)}>"
    name = field.type_name.lstrip(".") or TYPES[field.type]
    if field.label == FIELD.LABEL_REPEATED:
        return "repeated " + name
    if field.proto3_optional:
        return "optional " + name
    return name + (f" of {message.oneof_decl[field.oneof_index].name}" if field.HasField("oneof_index") else "")


def reserved(descriptor, last):
    """Lines of the reserved numbers and names; `last` is what to add to the end of a range to exclude it."""
    for span in descriptor.reserved_range:
        yield from (f"  {number} reserved" for number in range(span.start, span.end + last))
    yield from (f"  {name} reserved" for name in descriptor.reserved_name)


def block(scope, descriptor):
    """The lines of a message or enum, and of what it holds."""
    name = f"{scope}.{descriptor.name}"
    if hasattr(descriptor, "value"):
        yield f"enum {name}"
        yield from (f"  {value.number} {value.name}" for value in descriptor.value)
        yield from reserved(descriptor, 1)
        return
    yield f"message {name}"
    yield from (f"  {field.number} {field.name} {type_of(descriptor, field)}" for field in descriptor.field)
    yield from reserved(descriptor, 0)
    for nested in [*descriptor.nested_type, *descriptor.enum_type]:
        if not nested.HasField("options") or not getattr(nested.options, "map_entry", False):
            yield from block(name, nested)


def api(root):
    """The public API as text: a line for each message, enum and service, below it one for each part, by name."""
    blocks = []
    for file in compiled(root).file:
        if file.name.startswith(("google/protobuf/", "traind/internal/")):
            continue
        for descriptor in [*file.message_type, *file.enum_type]:
            blocks.append("\n".join(block(file.package, descriptor)))
        for service in file.service:
            lines = [f"service {file.package}.{service.name}"]
            for method in service.method:
                request = "stream " * method.client_streaming + method.input_type.lstrip(".")
                response = "stream " * method.server_streaming + method.output_type.lstrip(".")
                lines.append(f"  {method.name} {request} -> {response}")
            blocks.append("\n".join(lines))
    return "\n".join(sorted(blocks)) + "\n"


def parsed(text):
    """{"message traind.v1.Job": {"1": "name string", ...}, ...}"""
    blocks = collections.defaultdict(dict)
    for line in text.splitlines():
        if not line.startswith("  "):
            head = line
            blocks[head] = {}
        else:
            key, value = line.strip().split(" ", 1)
            blocks[head][key] = value
    return blocks


def breaks(old, new):
    """(what, whether it may be allowed) of everything that a program made for `old` would trip over."""
    for head, parts in old.items():
        kind, name = head.split(" ")
        if head not in new:
            yield f"{head} removed", True
        elif kind == "service":
            yield from methods(name, parts, new[head])
        else:
            yield from numbers("field" if kind == "message" else "value", name, parts, new[head])


def methods(service, old, new):
    for method, types in old.items():
        if method not in new:
            yield f"method {service}.{method} removed", True
        elif new[method] != types:
            yield f"method {service}.{method} changed from {types} to {new[method]}", True


def numbers(kind, owner, old, new):
    places = {value.split(" ")[0]: number for number, value in new.items() if value != "reserved"}
    for number, value in old.items():
        if value == "reserved":
            if new.get(number) != "reserved":
                yield f"{kind} {owner}: {number} is not reserved any more", False
            continue
        name, _, its_type = value.partition(" ")
        now_name, _, now_type = new.get(number, "reserved").partition(" ")
        if now_name == name:
            if now_type != its_type:
                yield f"{kind} {owner}.{name} changed from {its_type} to {now_type}", True
            continue
        if now_name != "reserved":
            renamed = now_type == its_type and name not in places
            yield f"{kind} {owner}.{name} {'renamed to' if renamed else 'gave its number to'} {now_name}", renamed
        elif name in places:
            yield f"{kind} {owner}.{name} renumbered from {number} to {places[name]}", True
        else:
            yield f"{kind} {owner}.{name} removed", True
        if now_name == "reserved" and new.get(number) != "reserved":
            yield f"{kind} {owner}.{name} removed, and {number} is not reserved", False
        if now_name == "reserved" and name not in places and new.get(name) != "reserved":
            yield f"{kind} {owner}.{name} removed, and its name is not reserved", False


def allowances(folder, root):
    """[(expression of a break, words)], and the top section of the changelog as one line."""
    lines = (folder / "allowed_breaks.txt").read_text().splitlines()
    allowed = [tuple(part.strip() for part in line.split(" | ", 1)) for line in lines if line and line[0] != "#"]
    section = re.split(r"^## ", (root / "CHANGELOG.md").read_text(), maxsplit=2, flags=re.M)[1]
    return allowed, " ".join(section.split())


def main():
    arguments = sys.argv[1:]
    show = "--text" in arguments
    root = pathlib.Path(next((a for a in arguments if a != "--text"), pathlib.Path(__file__).parents[1]))
    if show:
        print(api(root), end="")
        return 0
    folder = root / "proto/released"
    release = max(folder.glob("[0-9]*.txt"), key=lambda path: [int(part) for part in path.stem.split(".")])
    allowed, section = allowances(folder, root)
    faults, used = [], set()
    for what, may in breaks(parsed(release.read_text()), parsed(api(root))):
        allowing = [expression for expression, _ in allowed if may and re.fullmatch(expression, what)]
        used.update(allowing)
        if not allowing:
            faults.append(what)
    for expression, words in allowed:
        if expression not in used:
            faults.append(f"allowed_breaks.txt: nothing is broken like this: {expression}")
        if words not in section:
            faults.append(f"CHANGELOG.md: the top section does not say: {words}")
    print("\n".join(faults) or f"protobreak: since {release.stem} only what the changelog names was broken")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
