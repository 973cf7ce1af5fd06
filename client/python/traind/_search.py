"""A sweep of what a person writes: a space as a dict, values as text, an algorithm by name. Talks to nobody."""

from __future__ import annotations

import datetime
from typing import Any, Dict, List, Mapping, Optional, Union

from traind import _part, _pool, _spec, _values

# Of their trials, budget.max_trials is required.
_COUNTED = ("random", "latin_hypercube", "asha", "external")


def uniform(low: float, high: float, *, points: int = 0) -> Any:
    """Numbers between two, each equally likely. points: with a grid, so many at equal distances."""
    return _pool.new("Parameter", uniform=_pool.new("Range", low=low, high=high, points=points))


def log_uniform(low: float, high: float, *, points: int = 0) -> Any:
    """Numbers between two, each factor equally likely: for rates."""
    return _pool.new("Parameter", log_uniform=_pool.new("Range", low=low, high=high, points=points))


def integer(low: int, high: int, *, log: bool = False, points: int = 0) -> Any:
    """Integers between two, both ends included."""
    return _pool.new("Parameter", integer=_pool.new("IntegerRange", low=low, high=high, log=log, points=points))


def value_text(value: Any) -> str:
    """A value as it stands in a job file; None: the field is absent."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, _part.Part):
        return "{ " + " ".join(value.to_text().split()) + " }"
    if isinstance(value, Mapping):
        raise TypeError(f"{value!r} could be of any type: give a part, traind.Adam(...), or its text, '{{ adam {{}} }}'")
    if isinstance(value, datetime.timedelta):
        return f"{value.total_seconds()!r}s"
    if hasattr(value, "item"):  # Of numpy.
        value = value.item()
    return repr(value) if isinstance(value, float) else str(value)


def parameters(space: Mapping[Any, Any]) -> List[Any]:
    """{"optimizer.learning_rate": log_uniform(1e-4, 1e-1), "batch_size": [32, 64]}; a tuple of paths gets one value."""
    made = []
    for paths, values in space.items():
        descriptor = getattr(values, "DESCRIPTOR", None)
        if descriptor is not None and descriptor.full_name == "traind.v1.Parameter":
            parameter = type(values).FromString(values.SerializeToString())
        elif isinstance(values, (list, tuple, range)) or hasattr(values, "tolist"):
            if not len(values):
                raise ValueError(f"space[{paths!r}]: there is no value to choose from")
            parameter = _pool.new("Parameter", choice=_pool.new("Choice", values=[value_text(one) for one in values]))
        else:
            raise TypeError(
                f"space[{paths!r}]: {values!r} is no space: give a list of values, traind.uniform(low, high), "
                "traind.log_uniform(low, high) or traind.integer(low, high)"
            )
        parameter.paths.extend([paths] if isinstance(paths, str) else paths)
        made.append(parameter)
    return made


def sweep_spec(
    base: Any,
    space: Optional[Mapping[Any, Any]],
    algorithm: Union[str, Mapping[str, Any]],
    trials: Optional[int],
    maximize: str,
    minimize: str,
    fields: Mapping[str, Any],
) -> Any:
    """A SweepSpec message."""
    spec = _pool.new("SweepSpec")
    if base is not None:
        spec.base.CopyFrom(_spec.to_spec(base))
    spec.space.extend(parameters(space or {}))
    kinds = [field.name for field in _pool.info_of(spec).fields.values() if field.oneof == "algorithm"]
    name, settings = _algorithm(algorithm)
    if name not in kinds:
        raise ValueError(_values.known("algorithm", name, kinds))
    _values.fill(spec, {name: settings})
    if maximize and minimize:
        raise ValueError("give maximize or minimize, not both")
    if maximize or minimize:
        goal = "maximize" if maximize else "minimize"
        _values.fill(spec, {"objective": {"metric": maximize or minimize, "goal": goal}})
    _values.fill(spec, fields)
    if trials is not None:
        spec.budget.max_trials = trials
    elif name in _COUNTED and not spec.budget.HasField("max_trials"):
        raise ValueError(f"trials: {name} needs to know how many")
    return spec


def _algorithm(given: Union[str, Mapping[str, Any]]) -> Any:
    if isinstance(given, str):
        return given, {}
    if len(given) != 1:
        raise ValueError('algorithm: a name, or a dict of one: {"asha": {"min_epochs": 1}}')
    return next(iter(given.items()))


def number_or_text(assignment: Any) -> Any:
    """Whole numbers as int."""
    if not assignment.HasField("number"):
        return str(assignment.value)
    number = float(assignment.number)
    return int(number) if number.is_integer() and "." not in assignment.value and "e" not in assignment.value else number


def assignments(values: Mapping[str, Any]) -> List[Any]:
    return [_pool.new("Assignment", parameter=name, value=value_text(one)) for name, one in values.items()]


def row_of(trial: Any) -> Dict[str, Any]:
    return {
        "trial": int(trial.number),
        "state": _pool.value_name("traind.v1.TrialState", trial.state),
        "objective": trial.objective if trial.HasField("objective") else None,
        "step": int(trial.step),
        "job": str(trial.job),
    }
