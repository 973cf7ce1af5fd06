"""Examples and labels of what people have them in: numpy, pandas, PyTorch, tf.data, lists."""

from __future__ import annotations

import os
import pathlib
import tarfile
from typing import IO, Any, List, NamedTuple, Optional, Tuple

import numpy as np


class Split(NamedTuple):
    """One split as arrays."""

    name: str
    examples: Any
    targets: Any  # Integers are labels, floats are targets. None: an autoencoder's, or the examples are in a file.
    class_names: Optional[List[str]] = None  # Of labels that were words.


def to_array(value: Any) -> Any:
    """A numpy array of anything that holds one. TypeError: a table with words in it."""
    if hasattr(value, "detach"):  # torch.Tensor
        value = value.detach().cpu().numpy()
    elif hasattr(value, "to_numpy"):  # pandas, polars
        value = value.to_numpy()
    array = np.asarray(value)
    if array.dtype == object:
        try:
            array = array.astype(np.float32)
        except (TypeError, ValueError):
            raise TypeError(
                "the examples hold something other than numbers: encode words as numbers, or upload the table as a "
                "CSV file with categorical_columns"
            ) from None
    if array.dtype.kind == "c":
        raise TypeError("complex data is not supported")
    if array.dtype.kind not in "buif":
        raise TypeError(f"examples are numbers, not {array.dtype}")
    return array


def to_examples(value: Any) -> Any:
    """What a network is asked about: [N, ...] of float32."""
    array = np.asarray(to_array(value), dtype=np.float32)
    if array.ndim < 2:
        raise ValueError(
            f"examples have the shape [N, features] or [N, channels, height, width], not {list(array.shape)}; of one "
            "example say x[None]"
        )
    return array


def to_stored(value: Any) -> Any:
    """As it is sent: float64 travels as the float32 that the server keeps."""
    array = to_array(value)
    return array.astype(np.float32) if array.dtype.kind == "f" and array.dtype != np.float32 else array


def to_targets(value: Any) -> Tuple[Any, Optional[List[str]]]:
    """Labels or targets, and the names of the classes where the labels are words."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    array = np.asarray(value)
    if array.dtype.kind in "OUS" and all(isinstance(one, (str, bytes)) for one in array.reshape(-1)):
        names, numbers = np.unique(array.astype(str), return_inverse=True)
        return numbers.reshape(array.shape).astype(np.int64), [str(name) for name in names]
    array = to_array(value)
    if array.dtype == bool:
        return array.astype(np.int64), None
    return (array.astype(np.float32) if array.dtype.kind == "f" else array), None


def pairs_of(source: Any) -> Tuple[Any, Any]:
    """(examples, targets) of a pair, a tf.data.Dataset, a torch Dataset or DataLoader."""
    if isinstance(source, (tuple, list)) and len(source) == 2:
        return source[0], source[1]
    if hasattr(source, "as_numpy_iterator"):
        parts = list(source.as_numpy_iterator())
    elif hasattr(source, "__getitem__") and hasattr(source, "__len__") and not hasattr(source, "dtype"):
        parts = [source[i] for i in range(len(source))]
    elif hasattr(source, "__iter__") and not hasattr(source, "dtype"):
        parts = list(source)
    else:
        raise TypeError(
            "a split is (examples, targets), a tf.data.Dataset, a torch Dataset or a DataLoader, "
            f"not {type(source).__name__}"
        )
    if not parts or not isinstance(parts[0], (tuple, list)) or len(parts[0]) != 2:
        raise TypeError("each element of the data must be (example, target)")
    xs, ys = [np.asarray(to_array(x)) for x, _ in parts], [np.asarray(to_array(y)) for _, y in parts]
    batched = ys[0].ndim > 0 and xs[0].shape[:1] == ys[0].shape[:1] and xs[0].ndim > 1
    return (np.concatenate(xs), np.concatenate(ys)) if batched else (np.stack(xs), np.stack(ys))


def split_of(name: str, examples: Any, targets: Any, class_names: Optional[List[str]] = None) -> Split:
    """ValueError: examples and targets are not of the same number."""
    x = to_stored(examples)
    y, names = to_targets(targets)
    if class_names is not None and names is not None:
        unknown = sorted(set(names) - set(class_names))
        if unknown:
            raise ValueError(f'{name}: the class "{unknown[0]}" is none of the class names')
        y, names = np.array([class_names.index(one) for one in names], dtype=np.int64)[y], class_names
    if len(x) != len(y):
        raise ValueError(f"{name}: {len(x)} examples, but {len(y)} labels or targets")
    return Split(name, x, y, names)


def pack_folder(folder: "os.PathLike[str]", out: IO[bytes]) -> int:
    """A folder of images as a tar archive, always the same of the same files; the number of hidden files left out."""
    root = pathlib.Path(folder)
    hidden = 0
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(root.rglob("*")):
            inside = path.relative_to(root)
            if any(part.startswith(".") for part in inside.parts):
                hidden += 1
            elif path.is_file():
                entry = tarfile.TarInfo(inside.as_posix())
                entry.size = path.stat().st_size
                with open(path, "rb") as file:
                    archive.addfile(entry, file)
    out.flush()
    return hidden
