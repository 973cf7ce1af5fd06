"""Part, of which everything in the catalogue is made: a message, with its fields as a person writes them."""

from __future__ import annotations

import inspect
import os
import pathlib
from typing import Any, Dict, List, Mapping, Tuple, Type, TypeVar, Union

from google.protobuf import json_format

from traind import _pool, _values

P = TypeVar("P", bound="Part")


class Part:
    """A part of a job. Its `proto` is the message that it stands for; print() shows it as in a job file."""

    _full = ""  # Of `proto`.
    _path: Tuple[str, ...] = ()  # From `proto` to the kind's own message.
    __slots__ = ("proto",)
    proto: Any

    def __init__(self, *args: Any, **fields: Any) -> None:
        bound = _bind(type(self), args, fields)
        self.proto = _pool.message_class(self._full)()
        places = [self.proto]
        for step in self._path:
            place = getattr(places[-1], step)
            place.SetInParent()
            places.append(place)
        for name, (level, field) in slots_of(type(self)).items():
            if bound.get(name) is not None:
                _values.fill(places[level], {field: bound[name]})

    @classmethod
    def _of(cls: Type[P], proto: Any) -> P:
        part = cls.__new__(cls)
        part.proto = proto
        return part

    @classmethod
    def from_text(cls: Type[P], text: str) -> P:
        """Of what stands in a job file."""
        return cls._checked(_values.parse_text(text, cls._full))

    @classmethod
    def from_file(cls: Type[P], path: Union[str, "os.PathLike[str]"]) -> P:
        """Of a file in the form of a job file."""
        try:
            return cls.from_text(pathlib.Path(path).read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{os.fspath(path)}: {error}") from None

    @classmethod
    def from_dict(cls: Type[P], fields: Mapping[str, Any]) -> P:
        """Of nested dicts, with the names of a job file."""
        message = _pool.message_class(cls._full)()
        _values.fill(message, fields)
        return cls._checked(message)

    @classmethod
    def _checked(cls: Type[P], proto: Any) -> P:
        part = part_of(proto)
        if not isinstance(part, cls):
            raise ValueError(f"this is a {type(part).__name__}, not a {cls.__name__}")
        return part

    def to_text(self) -> str:
        """As in a job file."""
        return _values.to_text(self.proto)

    def to_dict(self) -> Dict[str, Any]:
        """As nested dicts, with the names of a job file; from_dict takes them."""
        return dict(json_format.MessageToDict(self.proto, preserving_proto_field_name=True, descriptor_pool=_pool.POOL))

    def save(self, path: Union[str, "os.PathLike[str]"]) -> None:
        """Writes a file that trainctl and from_file read."""
        pathlib.Path(path).write_text(self.to_text(), encoding="utf-8")

    def replace(self: P, **changes: Any) -> P:
        """The same with some fields changed."""
        fields = {name: getattr(self, name) for name in slots_of(type(self)) if _is_set(self, name)}
        return type(self)(**{**fields, **changes})

    def __getattr__(self, name: str) -> Any:
        slot = slots_of(type(self)).get(name)
        if slot is None or name.startswith("__"):
            raise AttributeError(f"{type(self).__name__}: {_values.known('field', name, slots_of(type(self)))}")
        return _shown(_place(self, slot[0]), slot[1])

    def __setattr__(self, name: str, value: Any) -> None:
        if name != "proto":
            raise AttributeError(f"a {type(self).__name__} does not change; replace({name}=...) makes another one")
        object.__setattr__(self, name, value)

    def __dir__(self) -> List[str]:
        return [*super().__dir__(), *slots_of(type(self))]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Part) and self.proto == other.proto

    def __hash__(self) -> int:
        return hash(self.proto.SerializeToString(deterministic=True))

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        words, leading = [], True
        for name, parameter in signature_of(type(self)).parameters.items():
            if not _is_set(self, name):
                leading = leading and parameter.default is parameter.empty
                continue
            value = repr(getattr(self, name))
            leading = leading and parameter.default is parameter.empty
            words.append(value if leading else f"{name}={value}")
        return f"{type(self).__name__}({', '.join(words)})"


def _place(part: Part, level: int) -> Any:
    place = part.proto
    for step in part._path[:level]:
        place = getattr(place, step)
    return place


def _is_set(part: Part, name: str) -> bool:
    level, field = slots_of(type(part))[name]
    return any(descriptor.name == field for descriptor, _ in _place(part, level).ListFields())


def _shown(message: Any, name: str) -> Any:
    """A field as Python has it."""
    field = _pool.info_of(message).fields[name]
    value = getattr(message, name)

    def one(item: Any) -> Any:
        if field.kind == "message":
            return _values.seconds_of(item) if field.type == _values.DURATION else part_of(item)
        return _pool.value_name(field.type, item) if field.kind == "enum" else item

    if field.kind == "map":
        return dict(value)
    if field.repeated:
        items = [one(item) for item in value]
        return items[0] if len(items) == 1 and field.kind == "int" else items
    absent = field.kind in ("message", "enum") or field.optional or field.oneof
    if absent and not any(descriptor.name == name for descriptor, _ in message.ListFields()):
        return None
    return one(value)


def part_of(proto: Any) -> Part:
    """The object that stands for a message: a Layer with a conv2d is a Conv2d."""
    full = proto.DESCRIPTOR.full_name
    for cls in _BY_MESSAGE.get(full, ()):
        place, found = proto, True
        for step in cls._path:
            if not any(descriptor.name == step for descriptor, _ in place.ListFields()):
                found = False
                break
            place = getattr(place, step)
        if found:
            return cls._of(proto)
    raise TypeError(f"{full} is no part of a job")


_SIGNATURES: Dict[type, inspect.Signature] = {}
_SLOTS: Dict[type, Dict[str, Tuple[int, str]]] = {}
_BY_MESSAGE: Dict[str, List[Type[Part]]] = {}


def field_of(cls: type, name: str) -> _pool.Field:
    """The field that a parameter sets."""
    level, field = _SLOTS[cls][name]
    message = _pool.MESSAGES[cls._full]  # type: ignore[attr-defined]
    for step in cls._path[:level]:  # type: ignore[attr-defined]
        message = _pool.MESSAGES[message.fields[step].type]
    return message.fields[field]


def slots_of(cls: type) -> Dict[str, Tuple[int, str]]:
    """Of each parameter: how deep in the message its field stands, and its name."""
    return _SLOTS[cls]


def signature_of(cls: type) -> inspect.Signature:
    return _SIGNATURES[cls]


def _bind(cls: type, args: Tuple[Any, ...], fields: Dict[str, Any]) -> Mapping[str, Any]:
    for name in fields:
        if name not in _SLOTS[cls]:
            raise TypeError(f"{cls.__name__}: {_values.known('field', name, _SLOTS[cls])}")
    try:
        return _SIGNATURES[cls].bind(*args, **fields).arguments
    except TypeError as error:
        raise TypeError(f"{cls.__name__}: {error}: {cls.__name__}{_SIGNATURES[cls]}") from None


def register(cls: Type[Part], slots: Dict[str, Tuple[int, str]], signature: inspect.Signature) -> None:
    _SLOTS[cls] = slots
    _SIGNATURES[cls] = signature
    cls.__signature__ = signature  # type: ignore[attr-defined]
    # The deepest kind first: a Conv2d is a Layer, too.
    classes = _BY_MESSAGE.setdefault(cls._full, [])
    classes.append(cls)
    classes.sort(key=lambda one: -len(one._path))
