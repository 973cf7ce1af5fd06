"""A job's spec of what a person gives: a network in any form, a dataset, and fields by name."""

from __future__ import annotations

import pathlib
from typing import Any, Dict, Mapping

from traind import _pool, _values
from traind._catalog import CLASSES

# Fields that stand in a part of the spec, and may be given without it: the rest of that part stays as it is.
_PARTS = {"data": ("DataSpec", ()), "optimizer": ("Optimizer", ("sgd", "adam", "adamw", "rmsprop", "adagrad"))}


def _short_forms() -> Dict[str, str]:
    """Of a field its part: "learning_rate" is the optimizer's."""
    spec = _pool.MESSAGES["traind.v1.JobSpec"].fields
    found = {}
    for part in _PARTS:
        info = _pool.MESSAGES[spec[part].type]
        for field in info.fields.values():
            if not field.oneof and field.name not in (*spec, "dataset"):
                found[field.name] = part
    return found


SHORT_FORMS = _short_forms()


def _text_of(value: Any) -> Any:
    """The text of a job file that a path or a text of several words names; None of anything else."""
    if (
        isinstance(value, pathlib.PurePath)
        or isinstance(value, str)
        and value.endswith((".textproto", ".txt", ".pbtxt"))
    ):
        return pathlib.Path(value).read_text(encoding="utf-8")
    return value if isinstance(value, str) and ("{" in value or ":" in value) else None


def to_network(value: Any) -> Any:
    """A Network message of a Network, layers, a preset ("mlp { classes: 10 }"), a dict, a text or a file of either."""
    text = _text_of(value)
    if text is not None:
        try:
            return _values.parse_text(text, "traind.v1.JobSpec").network
        except ValueError:
            return _values.parse_text(text, "traind.v1.Network")
    return _values.to_message(value, "traind.v1.Network")


def to_spec(value: Any) -> Any:
    """A JobSpec message of a JobSpec, a dict, or a job file: its path or its text."""
    text = _text_of(value)
    return (
        _values.to_message(value, "traind.v1.JobSpec")
        if text is None
        else _values.parse_text(text, "traind.v1.JobSpec")
    )


def change(spec: Any, fields: Mapping[str, Any]) -> Any:
    """The spec with fields replaced; those of its data and its optimizer may be given by themselves."""
    changed = type(spec).FromString(spec.SerializeToString())
    info = _pool.info_of(changed)
    for name, value in fields.items():
        if value is None:
            continue
        if name in SHORT_FORMS:
            continue
        if name not in info.fields:
            raise TypeError(_values.known("field of a job", name, [*info.fields, *SHORT_FORMS]))
        changed.ClearField(name)
        if name == "network":
            changed.network.CopyFrom(to_network(value))
        else:
            _values.fill(changed, {name: value})
    for name, part in SHORT_FORMS.items():
        if fields.get(name) is not None:
            place = getattr(changed, part)
            place.ClearField(name)
            _values.fill(place, {name: fields[name]})
    return changed


def job_spec(network: Any, dataset: Any, fields: Mapping[str, Any]) -> Any:
    """Of a network and a dataset's name."""
    spec = _pool.new("JobSpec")
    spec.network.CopyFrom(to_network(network))
    if dataset is not None:
        spec.data.dataset = str(getattr(dataset, "name", dataset))
    data = fields.get("data")
    if data is not None:
        spec.data.MergeFrom(_values.to_message(data, "traind.v1.DataSpec"))
    return change(spec, {name: value for name, value in fields.items() if name != "data"})


def as_part(spec: Any) -> Any:
    return CLASSES["JobSpec"]._of(spec)
