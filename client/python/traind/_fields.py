"""What a field's comment in the .proto files says of it: its default, whether it is required, its help."""

from __future__ import annotations

import re
import textwrap
from typing import Any, Iterator

from traind import _pool, _values

WIDTH = 100  # Of the lines of help.
_NUMBER = r"-?\d+(?:\.\d+)?(?:e-?\d+)?(?:/\d+)?"
# "Default 0.5.", not "Default 0.01 for sgd": what depends on more is no value.
_DEFAULT = re.compile(
    rf'\bDefault:? (true|false|{_NUMBER}|"[^"]*"|[a-z]\w*)(?=[,;]|\.(?!\d)|$)(?![,;]? (?:for|with|or)\b)'
)


def required(field: _pool.Field) -> bool:
    """A kind makes no sense without it; parts as large as messages are left to the server's check."""
    return field.kind != "message" and re.search(r"\bRequired\b(?!,? (?:for|or)\b)", field.doc) is not None


def default_of(field: _pool.Field) -> Any:
    """What its comment says that it is when it is left out; None where that is more than a value."""
    if field.kind == "enum":
        same = re.match(r"Same as (\w+)\.", _pool.ENUMS[field.type][0].doc)
        return same.group(1).lower() if same else None
    found = _DEFAULT.search(field.doc)
    if found is None:
        return {"bool": False, "int": 0, "float": 0.0}.get(field.kind) if _implicit(field) else None
    text = found.group(1)
    if text in ("true", "false"):
        return text == "true"
    if re.fullmatch(r"[-\d./e]+", text):
        above, _, below = text.partition("/")
        number = float(above) / float(below or 1)
        return int(number) if field.kind == "int" else number
    return text.strip('"') if field.kind in ("str", "message") and text != "none" else None


def _implicit(field: _pool.Field) -> bool:
    return not field.repeated and not field.optional and not field.oneof and not field.doc.startswith("0")


class _Kind(str):
    """A type in a signature that people read: without quotes."""

    __repr__ = str.__str__


def short(field: _pool.Field) -> _Kind:
    """A field's type in a signature."""
    name = {"map": "Mapping[str, str]", "enum": "str", "message": field.type.rsplit(".", 1)[-1]}.get(
        field.kind, field.kind
    )
    if field.type == _values.DURATION:
        name = "float"
    return _Kind(f"Sequence[{name}]" if field.repeated and field.kind != "map" else name)


def words(field: _pool.Field) -> str:
    """A field's type as its help says it."""
    name = field.type.rsplit(".", 1)[-1]
    if field.type == _values.DURATION:
        return "float or datetime.timedelta"
    if field.kind == "enum":
        text = ", ".join(repr(value.name) for value in _pool.ENUMS[field.type] if value.number)
    elif name == "Padding":
        text = "Padding, 'valid', 'same', or pixels"
    elif field.kind == "message":
        names = [repr(choice.name) for choice in _pool.MESSAGES[field.type].choices()]
        text = f"{name} or dict" + (f", or a name: {', '.join(names)}" if 0 < len(names) < 20 else "")
    else:
        text = field.kind
    return f"one or several of {text}" if field.repeated else text


def annotation(field: _pool.Field) -> str:
    """A field's type for type checkers."""
    if field.kind == "map":
        return "Mapping[str, str]"
    if field.type == _values.DURATION:
        return "Union[float, datetime.timedelta]"
    name = field.type.rsplit(".", 1)[-1]
    if field.kind == "enum":
        values = ", ".join(repr(value.name) for value in _pool.ENUMS[field.type] if value.number)
        return f"Sequence[Literal[{values}]]" if field.repeated else f"Literal[{values}]"
    if field.kind == "message":
        name = f"{name}Like"
        return f"Union[{name}, Sequence[{name}]]" if field.repeated else name
    return f"Union[{field.kind}, Sequence[{field.kind}]]" if field.repeated else field.kind


def help_of(field: _pool.Field) -> Iterator[str]:
    """The lines below a parameter."""
    lines = [field.doc.replace("Required, unique,", "Unique; made up when it is not given.")] if field.doc else []
    if field.kind == "enum":
        lines += [f"{value.name}: {value.doc}" for value in _pool.ENUMS[field.type] if value.number]
    for line in lines:
        yield from textwrap.wrap(line, WIDTH)
