"""The messages of the API, made from the packaged descriptor set.

They live in a descriptor pool of their own, so that they stand beside generated stubs and googleapis-common-protos in
one program, and with every protobuf runtime from 3.20 on. What the .proto files say in comments is here too.
"""

from __future__ import annotations

import pathlib
import re
from typing import Any, Dict, Iterator, List, NamedTuple, Tuple

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

V1 = "traind.v1."
_NO_PATH: Tuple[int, ...] = ()
_PROTO = descriptor_pb2.FieldDescriptorProto
_KINDS = {
    _PROTO.TYPE_MESSAGE: "message",
    _PROTO.TYPE_ENUM: "enum",
    _PROTO.TYPE_STRING: "str",
    _PROTO.TYPE_BYTES: "bytes",
    _PROTO.TYPE_BOOL: "bool",
    _PROTO.TYPE_DOUBLE: "float",
    _PROTO.TYPE_FLOAT: "float",
}


class Field(NamedTuple):
    """A field of a message."""

    name: str
    number: int
    kind: str  # "message", "enum", "map", "str", "bytes", "bool", "float", "int".
    type: str  # The full name of a message or an enum.
    repeated: bool
    optional: bool  # Absent is something else than zero.
    oneof: str  # The group of which only one is set; empty: none.
    doc: str


class Value(NamedTuple):
    """A value of an enum."""

    name: str  # As Python says it: "same".
    full: str  # "MODE_SAME".
    number: int
    doc: str


class Method(NamedTuple):
    """A method of a service."""

    path: str  # "/traind.v1.TrainingService/GetJob".
    request: str
    response: str
    client_streaming: bool
    server_streaming: bool
    doc: str


class Message(NamedTuple):
    """What is known of a message."""

    name: str  # Without the package: "Padding", "SplitSource.Layout".
    full: str
    doc: str
    fields: Dict[str, Field]  # By name, in the order of their numbers.

    def choices(self) -> List[Field]:
        """The kinds of which one is set, of a message like Activation."""
        return [
            field for field in self.fields.values() if field.oneof == "kind" and field.type != "google.protobuf.Any"
        ]


def _joined(comment: str) -> str:
    """A comment's lines as one; paragraphs stay."""
    paragraphs = re.split(r"\n\s*\n", comment.strip())
    return "\n\n".join(" ".join(line.strip() for line in paragraph.splitlines()) for paragraph in paragraphs)


def snake_upper(camel: str) -> str:
    """ConvolutionAlgorithm -> CONVOLUTION_ALGORITHM."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", camel).upper()


class _Reader:
    """Reads one file of the set, with its comments."""

    def __init__(self, file: Any) -> None:
        self.file = file
        self.places = {tuple(place.path): place for place in file.source_code_info.location}

    def doc(self, *path: int) -> str:
        place = self.places.get(path)
        if place is None:
            return ""
        return " ".join(filter(None, (_joined(place.leading_comments), _joined(place.trailing_comments))))

    def read(self) -> None:
        for i, message in enumerate(self.file.message_type):
            self.message(message, "", (4, i))
        for i, enum in enumerate(self.file.enum_type):
            self.enum(enum, "", (5, i))
        for i, service in enumerate(self.file.service):
            for k, method in enumerate(service.method):
                METHODS[method.name] = Method(
                    f"/{self.file.package}.{service.name}/{method.name}",
                    method.input_type[1:],
                    method.output_type[1:],
                    method.client_streaming,
                    method.server_streaming,
                    self.doc(6, i, 2, k),
                )

    def message(self, proto: Any, outside: str, path: Tuple[int, ...]) -> None:
        name = outside + proto.name
        maps = {nested.name for nested in proto.nested_type if nested.options.map_entry}
        fields = []
        for i, field in enumerate(proto.field):
            type_name = field.type_name[1:]
            kind = _KINDS.get(field.type, "int")
            if kind == "message" and type_name.rsplit(".", 1)[-1] in maps:
                kind = "map"
            real = field.HasField("oneof_index") and not field.proto3_optional
            fields.append(
                Field(
                    field.name,
                    field.number,
                    kind,
                    type_name,
                    field.label == _PROTO.LABEL_REPEATED,
                    field.proto3_optional,
                    proto.oneof_decl[field.oneof_index].name if real else "",
                    self.doc(*path, 2, i),
                )
            )
        fields.sort(key=lambda field: field.number)
        full = f"{self.file.package}.{name}"
        MESSAGES[full] = Message(name, full, self.doc(*path), {field.name: field for field in fields})
        for i, nested in enumerate(proto.nested_type):
            if nested.name not in maps:
                self.message(nested, name + ".", (*path, 3, i))
        for i, enum in enumerate(proto.enum_type):
            self.enum(enum, name + ".", (*path, 4, i))

    def enum(self, proto: Any, outside: str, path: Tuple[int, ...]) -> None:
        prefix = snake_upper(proto.name) + "_"
        ENUMS[f"{self.file.package}.{outside}{proto.name}"] = [
            Value(value.name[len(prefix) :].lower(), value.name, value.number, self.doc(*path, 2, i))
            for i, value in enumerate(proto.value)
        ]


def _load() -> Any:
    path = pathlib.Path(__file__).with_name("descriptors.pb")
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ImportError(
            f"{path} is missing: this folder is the source of the package. Build the package with CMake "
            "(build/release/python), or install it with pip"
        ) from None
    files = descriptor_pb2.FileDescriptorSet.FromString(data)
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:  # In the order of their imports.
        _Reader(file).read()
        bare = descriptor_pb2.FileDescriptorProto()
        bare.CopyFrom(file)
        bare.ClearField("source_code_info")
        pool.AddSerializedFile(bare.SerializeToString())
    return pool


MESSAGES: Dict[str, Message] = {}
ENUMS: Dict[str, List[Value]] = {}
METHODS: Dict[str, Method] = {}
POOL = _load()
_CLASSES: Dict[str, Any] = {}

if hasattr(message_factory, "GetMessageClass"):
    _class_of = message_factory.GetMessageClass
else:  # Before protobuf 4.22.
    _factory: Any = message_factory.MessageFactory(POOL)
    _class_of = _factory.GetPrototype


def message_class(full: str) -> Any:
    """The class of a message: "traind.v1.Job"."""
    if full not in _CLASSES:
        _CLASSES[full] = _class_of(POOL.FindMessageTypeByName(full))
    return _CLASSES[full]


def new(name: str, /, **fields: Any) -> Any:
    """A message of traind.v1 with some fields set."""
    return message_class(V1 + name)(**fields)


def info_of(message: Any) -> Message:
    """What is known of a message's type."""
    return MESSAGES[message.DESCRIPTOR.full_name]


def value_name(enum: str, number: int) -> str:
    """A value as Python says it; of a newer server its number."""
    for value in ENUMS[enum]:
        if value.number == number:
            return value.name
    return str(number)


def enum(name: str, value: str) -> int:
    """The number of a value of an enum of traind.v1."""
    return next(one.number for one in ENUMS[V1 + name] if one.name == value)


def top_level(package: str) -> Iterator[Tuple[str, Any]]:
    """The messages of a package by name, and the numbers of its enums' values."""
    for full in MESSAGES:
        head, _, name = full.rpartition(".")
        if head == package:
            yield name, message_class(full)
    for full, values in ENUMS.items():
        if full.rpartition(".")[0] == package:
            for value in values:
                yield value.full, value.number
