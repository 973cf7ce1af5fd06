"""What a job is made of, as Python objects: layers, activations, optimizers, ..., made of the API's descriptors.

A component that the server gains is here as soon as the package is built with its .proto files: its signature, its
defaults and its help are what their comments say.
"""

from __future__ import annotations

import inspect
import keyword
import textwrap
import types
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple, Type

from traind import _fields, _pool
from traind._part import Part, register

# What stands around a kind, and which field holds it: its other fields are written beside the kind's own.
_AROUND = {"Block": "Layer", "Preset": "Network"}
_NAMESPACES = {
    "Layer": "layers",
    "Block": "layers",
    "Activation": "activations",
    "Initializer": "initializers",
    "Loss": "losses",
    "Optimizer": "optimizers",
    "Schedule": "schedules",
    "Preprocessing": "preprocessing",
    "Augmentation": "augmentations",
    "Regularizer": "regularizers",
    "DataInitialization": "data_initializations",
    "Preset": "presets",
}
# What stands in place of a kind, not beside it.
_ALTERNATIVES = {("block", "Layer"), ("layers", "Network"), ("preset", "Network")}


def _parameters(
    levels: Sequence[_pool.Message], path: Sequence[str]
) -> Iterator[Tuple[inspect.Parameter, int, _pool.Field]]:
    """Of the kind's own fields, then by keyword alone of those beside it."""
    own = sorted(levels[-1].fields.values(), key=lambda field: (not _fields.required(field), field.number))
    used = set()
    for field in own:
        if field.type == "google.protobuf.Any":
            continue
        used.add(field.name)
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        default = inspect.Parameter.empty if _fields.required(field) else _fields.default_of(field)
        name = field.name + "_" * keyword.iskeyword(field.name)  # global_
        yield inspect.Parameter(name, kind, default=default, annotation=_fields.short(field)), len(levels) - 1, field
    for level in range(len(levels) - 2, -1, -1):
        for field in levels[level].fields.values():
            if field.name in path or field.oneof or (field.name, levels[level].name) in _ALTERNATIVES:
                continue
            name = field.name if field.name not in used else f"{levels[level].name.lower()}_{field.name}"
            name += "_" * keyword.iskeyword(name)  # from_
            used.add(name)
            yield (
                inspect.Parameter(
                    name,
                    inspect.Parameter.KEYWORD_ONLY,
                    default=_fields.default_of(field),
                    annotation=_fields.short(field),
                ),
                level,
                field,
            )


def _make(name: str, base: Type[Part], levels: Sequence[_pool.Message], path: Tuple[str, ...], doc: str) -> Type[Part]:
    slots, parameters, help_ = {}, [], []
    for parameter, level, field in _parameters(levels, path):
        parameters.append(parameter)
        slots[parameter.name] = (level, field.name)
        help_.append(
            f"{parameter.name} : {_fields.words(field)}" + "".join(f"\n    {line}" for line in _fields.help_of(field))
        )
    text = textwrap.fill(doc, _fields.WIDTH) + ("\n\nParameters\n----------\n" + "\n".join(help_) if help_ else "")
    cls = types.new_class(
        name,
        (base,),
        {},
        lambda body: body.update(
            {
                "__slots__": (),
                "__doc__": text,
                "__module__": "traind",
                "_full": levels[0].full,
                "_path": path,
                "__init__": Part.__init__,
            }
        ),
    )
    register(cls, slots, inspect.Signature(parameters))
    return cls


# --- networks


def _assign_names(layers: Any, used: Dict[str, None]) -> None:
    """Gives each layer without a name one of its kind: conv2d1, conv2d2, dense1."""
    for layer in layers:
        kind = layer.WhichOneof("kind")
        if kind is None:
            holder = layer.block if layer.HasField("block") else layer.activation
            kind = holder.WhichOneof("kind") or "layer"
        if not layer.name:
            number = 1
            while f"{kind}{number}" in used:
                number += 1
            layer.name = f"{kind}{number}"
        used[layer.name] = None
        if layer.HasField("block"):
            _assign_inside(layer.block, {})


def _assign_inside(message: Any, used: Dict[str, None]) -> None:
    for descriptor, value in message.ListFields():
        field = _pool.info_of(message).fields[descriptor.name]
        if field.type == "traind.v1.Layer" and field.repeated:
            _assign_names(value, used)
        elif field.kind == "message" and field.type.startswith(_pool.V1):
            for one in value if field.repeated else [value]:
                _assign_inside(one, used)


class Network(Part):
    """The layers of a network, in order; or a graph of them, where layers say with `inputs` what they read.

    Layers are objects, names of kinds ("relu", "flatten") or dicts. One without a name gets one of its kind and a
    number: conv2d1.

    Parameters
    ----------
    layers : Sequence[LayerLike]
        At least one; the last layer's output is the network's output (a classifier's logits).
    input_shape : Sequence[int]
        Shape of one example. In a job it may be left out: the dataset knows it.
    regularizers : Sequence[RegularizerLike]
        Penalties on the weights of every layer that names none of its own.
    """

    __slots__ = ()
    _full = "traind.v1.Network"

    def __init__(
        self, layers: Sequence[Any] = (), *, input_shape: Optional[Sequence[int]] = None, regularizers: Any = None
    ) -> None:
        super().__init__(list(layers), input_shape=input_shape, regularizers=regularizers)
        _assign_names(self.proto.layers, {layer.name: None for layer in self.proto.layers if layer.name})

    def __len__(self) -> int:
        return len(self.proto.layers)


def _register_network() -> None:
    fields = _pool.MESSAGES[Network._full].fields
    parameters = [
        inspect.Parameter(
            "layers", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=_fields.short(fields["layers"]), default=()
        )
    ]
    parameters += [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_fields.short(fields[name]))
        for name in ("input_shape", "regularizers")
    ]
    register(
        Network, {name: (0, name) for name in ("layers", "input_shape", "regularizers")}, inspect.Signature(parameters)
    )


# --- all of it


def reachable() -> List[_pool.Message]:
    """The messages of which a job's spec is made."""
    found: Dict[str, None] = {}

    def visit(full: str) -> None:
        if full in found or not full.startswith(_pool.V1):
            return
        found[full] = None
        for field in _pool.MESSAGES[full].fields.values():
            if field.kind == "message":
                visit(field.type)

    visit("traind.v1.JobSpec")
    return [_pool.MESSAGES[full] for full in found]


def _build() -> Tuple[Dict[str, Type[Part]], Dict[str, Dict[str, Type[Part]]]]:
    messages = reachable()
    classes: Dict[str, Type[Part]] = {"Network": Network}
    spaces: Dict[str, Dict[str, Type[Part]]] = {space: {} for space in _NAMESPACES.values()}
    kinds = {field.type for message in messages for field in message.choices() if field.kind == "message"}
    for message in messages:
        if message.full not in kinds and message.name not in classes and message.name != "Preset":
            classes[message.name] = _make(message.name, Part, [message], (), message.doc)
    for holder in messages:
        if holder.name == "Block":
            continue  # Its kinds are blocks, which are layers; they come below.
        _add_kinds(holder, [holder], (), classes, spaces)
    for inner, outer in _AROUND.items():
        field = next(
            field for field in _pool.MESSAGES[_pool.V1 + outer].fields.values() if field.type == _pool.V1 + inner
        )
        _add_kinds(
            _pool.MESSAGES[_pool.V1 + inner],
            [_pool.MESSAGES[_pool.V1 + outer], _pool.MESSAGES[_pool.V1 + inner]],
            (field.name,),
            classes,
            spaces,
        )
    return classes, spaces


def _add_kinds(
    holder: _pool.Message,
    levels: List[_pool.Message],
    path: Tuple[str, ...],
    classes: Dict[str, Type[Part]],
    spaces: Dict[str, Dict[str, Type[Part]]],
) -> None:
    for field in holder.choices():
        if field.kind != "message" or holder.name in _AROUND and not path:
            continue
        message = _pool.MESSAGES[field.type]
        preset = holder.name == "Preset"
        cls = _make(
            field.name if preset else message.name,
            classes[levels[0].name],
            [*levels, message],
            (*path, field.name),
            message.doc,
        )
        spaces.setdefault(_NAMESPACES.get(holder.name, holder.name.lower()), {})[cls.__name__] = cls
        if not preset:
            classes[cls.__name__] = cls


_register_network()
CLASSES, SPACES = _build()
