#!/usr/bin/env python3
"""Writes the API's messages as TypeScript: an interface for each, and one table by which src/rpc/wire.ts reads and
writes them. Input is a descriptor set as protoc makes it, with imports.

    generate_messages.py DESCRIPTORS.pb > messages.ts
"""
import json
import sys

from google.protobuf import descriptor_pb2

F = descriptor_pb2.FieldDescriptorProto
KINDS = {getattr(F, f"TYPE_{name.upper()}"): name for name in (
    "double float int64 uint64 int32 fixed64 fixed32 bool string bytes uint32 sfixed32 sfixed64 sint32 sint64 message"
    " enum").split()}
WIDE = {"int64", "uint64", "fixed64", "sfixed64", "sint64"}


def scalar(kind, field):
    """The TypeScript type. A seed needs all of its 64 bits; other whole numbers fit 53, which the reader checks."""
    if kind in WIDE and field.name == "seed":
        return "bigint"
    return {"bool": "boolean", "string": "string", "bytes": "Uint8Array"}.get(kind, "number")


class Names:
    """Short names of messages and enums, and what they stand for."""

    def __init__(self, files):
        self.messages, self.enums, self.short = {}, {}, {}
        for file in files:
            self.collect("." + file.package, file.message_type, file.enum_type, "")
        taken = list(self.short.values())
        twice = {name for name in taken if taken.count(name) > 1}
        if twice:
            sys.exit(f"generate_messages: these names are taken twice: {', '.join(sorted(twice))}")

    def collect(self, scope, messages, enums, outer):
        for enum in enums:
            self.enums[f"{scope}.{enum.name}"] = enum
            self.short[f"{scope}.{enum.name}"] = outer + enum.name
        for message in messages:
            name = f"{scope}.{message.name}"
            if not message.options.map_entry:
                self.short[name] = outer + message.name
            self.messages[name] = message
            self.collect(name, message.nested_type, message.enum_type, f"{outer}{message.name}_")


MAPPED = {F.TYPE_STRING: "string", F.TYPE_UINT32: "number"}


def type_of(field, names):
    """(type of one value, is it a map)"""
    kind = KINDS[field.type]
    if kind == "message" and names.messages[field.type_name].options.map_entry:
        key, value = names.messages[field.type_name].field
        if key.type != F.TYPE_STRING or value.type not in MAPPED:
            sys.exit(f"generate_messages: {field.name}: only maps from strings to strings or uint32 are known; teach "
                     "src/rpc/wire.ts more")
        return f"Map<string, {MAPPED[value.type]}>", True
    return (names.short[field.type_name] if kind in ("message", "enum") else scalar(kind, field)), False


def interface(name, message, names):
    lines = [f"export interface {names.short[name]} {{"]
    for field in message.field:
        one, is_map = type_of(field, names)
        if field.label == F.LABEL_REPEATED and not is_map:
            lines.append(f"  {field.name}: {one}[];")
        else:
            absent = field.type == F.TYPE_MESSAGE and not is_map or field.HasField("oneof_index")
            lines.append(f"  {field.name}{'?' if absent else ''}: {one};")
    return "\n".join(lines + ["}"])


def table_row(field, message, names):
    """[name, number, kind, label, type, oneof]: what wire.ts and the text format need."""
    one, is_map = type_of(field, names)
    real_oneof = field.HasField("oneof_index") and not field.proto3_optional
    label = "map" if is_map else "repeated" if field.label == F.LABEL_REPEATED else (
        "optional" if field.HasField("oneof_index") or field.type == F.TYPE_MESSAGE else "plain")
    kind = "wide" if scalar(KINDS[field.type], field) == "bigint" else ""
    row = [field.name, field.number, KINDS[field.type], label,
           field.type_name[1:] if not is_map else "number" if "number" in one else "", message.oneof_decl[field.oneof_index].name if real_oneof else "",
           kind]
    while row[-1] == "":
        row.pop()
    return json.dumps(row)


def main():
    everything = descriptor_pb2.FileDescriptorSet()
    with open(sys.argv[1], "rb") as file:
        everything.ParseFromString(file.read())
    files = [f for f in everything.file if f.package in ("traind.v1", "traind.rpc") or f.name.split("/")[-1] in (
        "timestamp.proto", "duration.proto", "any.proto", "field_mask.proto", "empty.proto")]
    names = Names(files)
    shown = {name: m for name, m in names.messages.items() if name in names.short}

    out = ["// Made by generate_messages.py from proto/; do not edit."]
    for name, enum in names.enums.items():
        out.append(f"export type {names.short[name]} = " + " | ".join(json.dumps(v.name) for v in enum.value) + ";")
    out += [interface(name, message, names) for name, message in shown.items()]
    out.append("export interface Messages {")
    out += [f"  {json.dumps(name[1:])}: {names.short[name]};" for name in shown]
    out.append("}\n/** [name, number, kind, label, type, oneof, width] of each field. */")
    out.append("export type Row = [string, number, string, string, string?, string?, string?];")
    out.append("export const rows: Record<string, Row[]> = {")
    for name, message in shown.items():
        out.append(f"  {json.dumps(name[1:])}: [{', '.join(table_row(f, message, names) for f in message.field)}],")
    out.append("};\nexport const enumValues: Record<string, Record<string, number>> = {")
    for name, enum in names.enums.items():
        out.append(f"  {json.dumps(name[1:])}: {json.dumps({v.name: v.number for v in enum.value})},")
    out.append("};")
    for streaming in (False, True):
        kind = "Streams" if streaming else "Calls"
        out.append(f"export interface {kind} {{")
        ways = []
        for file in files:
            for service in file.service:
                for method in service.method:
                    if method.server_streaming == streaming and not method.client_streaming:
                        path = json.dumps(f"{service.name}/{method.name}")
                        out.append(f"  {path}: [{names.short[method.input_type]}, {names.short[method.output_type]}];")
                        ways.append(f"  {path}: [{json.dumps(method.input_type[1:])}, "
                                    f"{json.dumps(method.output_type[1:])}],")
        out.append(f"}}\nexport const {kind.lower()}: Record<keyof {kind}, [keyof Messages, keyof Messages]> = {{")
        out += ways + ["};"]
    print("\n".join(out))


if __name__ == "__main__":
    main()
