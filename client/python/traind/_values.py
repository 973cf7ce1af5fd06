"""From what a person writes to the messages of the API: names of kinds, dicts, parts, numbers, times."""

from __future__ import annotations

import datetime
import difflib
import operator
import re
from typing import Any, Iterable, Mapping, Optional

from google.protobuf import text_format

from traind import _pool

DURATION = "google.protobuf.Duration"
TIMESTAMP = "google.protobuf.Timestamp"
# Where a message stands in another: an activation alone is a layer, a preset alone is a network.
_INSIDE = {
    ("traind.v1.Layer", "traind.v1.Activation"): "activation",
    ("traind.v1.Layer", "traind.v1.Block"): "block",
    ("traind.v1.Network", "traind.v1.Preset"): "preset",
}


def known(what: str, name: Any, names: Iterable[str]) -> str:
    """ "there is no layer "conv"; did you mean conv2d?"."""
    names = list(names)
    close = difflib.get_close_matches(str(name), names, 1, 0.5)
    help_ = f"did you mean {close[0]}?" if close else "there are " + ", ".join(names)
    return f'there is no {what} "{name}"; {help_}'


def seconds_of(duration: Any) -> float:
    return float(duration.seconds) + float(duration.nanos) / 1e9


def time_of(timestamp: Any) -> datetime.datetime:
    """In UTC."""
    whole = datetime.datetime.fromtimestamp(timestamp.seconds, datetime.timezone.utc)
    return whole + datetime.timedelta(microseconds=timestamp.nanos // 1000)


def to_duration(value: Any) -> Any:
    """Of seconds, "1.5s", or a timedelta."""
    if isinstance(value, str):
        value = value[:-1] if value.endswith("s") else value
    seconds = value.total_seconds() if isinstance(value, datetime.timedelta) else float(value)
    whole = int(seconds // 1)
    return _pool.message_class(DURATION)(seconds=whole, nanos=min(round((seconds - whole) * 1e9), 999_999_999))


def to_enum(value: Any, enum: str) -> int:
    """Of its name, short or full, or its number."""
    values = _pool.ENUMS[enum]
    if not isinstance(value, str):
        return operator.index(value)
    for one in values:
        if value.lower() == one.name or value == one.full:
            return one.number
    raise ValueError(known(enum.rsplit(".", 1)[-1], value, [one.name for one in values if one.number]))


_SHORT = re.compile(r'Enum type "([\w.]+)" has no value named (\w+)')
_MOST_REPAIRS = 10_000  # Of one text.


def parse_text(text: str, full: str) -> Any:
    """A message of its text form, in which values of enums may have their short names, as in trainctl's job files.
    ValueError says where it is wrong.
    """
    for _ in range(_MOST_REPAIRS):
        message = _pool.message_class(full)()
        try:
            text_format.Parse(text, message, descriptor_pool=_pool.POOL)
            return message
        except text_format.ParseError as error:
            longer = _with_full_name(text, error)
            if longer is None:
                raise ValueError(f"not a {full.rsplit('.', 1)[-1]} in text form: {error}") from None
            text = longer
    raise ValueError("the text has too many short names of values")


def _with_full_name(text: str, error: Any) -> Optional[str]:
    """The text with the full name of the value at which its parser stopped, there and wherever its field has it again;
    None when it stopped for something else.
    """
    found, line = _SHORT.search(str(error)), error.GetLine()
    if found is None or line is None:
        return None
    enum, word = found.groups()
    full = [
        value.full
        for value in _pool.ENUMS.get(enum, ())
        if word == value.name.upper() or word.endswith(f"_{value.name.upper()}")
    ]
    if not full or word == full[0]:
        return None
    lines = text.splitlines(keepends=True)
    at = [
        place.start()
        for place in re.finditer(rf"\b{word}\b", lines[line - 1])
        if abs(place.start() - error.GetColumn() + 1) <= len(word)
    ]
    if not at:
        return None
    before = "".join(lines[: line - 1]) + lines[line - 1][: at[-1]]
    rest = text[len(before) + len(word) :]
    field = re.search(r"(\w+)\s*:\s*$", before)
    if field is not None:
        rest = re.sub(rf"\b({field.group(1)}\s*:\s*){word}\b", rf"\g<1>{full[0]}", rest)
    return str(before + full[0] + rest)


def to_text(message: Any) -> str:
    return str(text_format.MessageToString(message, as_utf8=True, descriptor_pool=_pool.POOL))


def to_message(value: Any, full: str) -> Any:
    """A message of the type, of anything that stands for one."""
    proto = getattr(value, "proto", value)
    descriptor = getattr(proto, "DESCRIPTOR", None)
    if descriptor is not None:
        return _placed(proto, descriptor.full_name, full)
    if full == DURATION:
        return to_duration(value)
    info = _pool.MESSAGES[full]
    if isinstance(value, str):
        return _named(value, info)
    if isinstance(value, Mapping):
        message = _pool.message_class(full)()
        fill(message, value)
        return message
    if full == "traind.v1.Network" and isinstance(value, (list, tuple)):
        from traind._catalog import Network

        return to_message(Network(value), full)
    if full == "traind.v1.Padding":  # An amount of pixels says it all.
        return _pool.new("Padding", amount=_numbers(value))
    raise TypeError(f"{value!r} is no {info.name}: give one, its name, or a dict of its fields")


def _placed(proto: Any, have: str, want: str) -> Any:
    if have == want:
        return _pool.message_class(want).FromString(proto.SerializeToString())
    message = _pool.message_class(want)()
    place = _INSIDE.get((want, have))
    for field in _pool.MESSAGES[want].choices():
        if field.type == have:
            place = field.name
    if place is None:
        raise TypeError(f"a {have.rsplit('.', 1)[-1]} does not stand where a {want.rsplit('.', 1)[-1]} is wanted")
    part = getattr(message, place)
    part.SetInParent()
    part.MergeFromString(proto.SerializeToString())
    return message


def _named(name: str, info: _pool.Message) -> Any:
    """ "relu" is an Activation, "same" a Padding, "[...] { ... }" anything in text form."""
    if "{" in name or ":" in name:
        return parse_text(name, info.full)
    if info.name == "Padding":
        return _pool.new("Padding", mode=to_enum(name, "traind.v1.Padding.Mode"))
    kinds = {field.name: field for field in info.choices()}
    if not kinds:
        raise TypeError(f"{name!r} is no {info.name}: give one, or a dict of its fields")
    if name not in kinds:
        inside = _INSIDE.get((info.full, "traind.v1.Activation"))
        if inside:
            return _placed(_named(name, _pool.MESSAGES["traind.v1.Activation"]), "traind.v1.Activation", info.full)
        raise ValueError(known(info.name.lower(), name, kinds))
    message = _pool.message_class(info.full)()
    getattr(message, name).SetInParent()
    return message


def _numbers(value: Any) -> Any:
    return value if isinstance(value, (list, tuple)) else list(value) if hasattr(value, "__iter__") else [value]


def _scalar(value: Any, field: _pool.Field) -> Any:
    if field.kind == "enum":
        return to_enum(value, field.type)
    if field.kind == "int":
        return operator.index(value)
    if field.kind == "float":
        return float(value)
    if field.kind == "bool":
        if value not in (True, False):
            raise TypeError(f"{value!r} is neither True nor False")
        return bool(value)
    return value


def _set(message: Any, field: _pool.Field, value: Any) -> None:
    if field.kind == "map":
        getattr(message, field.name).update(value)
    elif field.repeated and field.kind == "message":
        values = value if isinstance(value, (list, tuple)) else [value]
        getattr(message, field.name).extend(to_message(one, field.type) for one in values)
    elif field.repeated:
        values = [value] if isinstance(value, str) else _numbers(value)
        getattr(message, field.name).extend(_scalar(one, field) for one in values)
    elif field.kind == "message":
        part = getattr(message, field.name)
        part.SetInParent()
        part.MergeFrom(to_message(value, field.type))
    else:
        setattr(message, field.name, _scalar(value, field))


def fill(message: Any, values: Mapping[str, Any]) -> None:
    """Sets fields; what is None stays as it is. TypeError and ValueError name the field."""
    info = _pool.info_of(message)
    for name, value in values.items():
        if value is None:
            continue
        field = info.fields.get(name)
        if field is None:
            raise TypeError(f"{info.name}: {known('field', name, info.fields)}")
        try:
            _set(message, field, value)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{info.name}.{name}: {error}") from None
