"""What an upload sends, and the request that makes a dataset of it. Talks to nobody."""

from __future__ import annotations

import os
import pathlib
import tempfile
import warnings
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from traind import _core, _pool, _sources, _values, data

_CSV = (
    "label_column",
    "target_columns",
    "feature_columns",
    "drop_columns",
    "categorical_columns",
    "delimiter",
    "missing",
)
NOT_SENT = "uploads/to-be-sent"
_ARCHIVES = (".tar", ".tgz", ".tar.gz", ".tar.xz", ".tar.bz2", ".tar.zst", ".zip")


class _File:
    """A file of the request, and where its bytes come from."""

    def __init__(self, message: Any, source: _sources.Source) -> None:
        self.message, self.source = message, source


class Plan:
    """An import that waits for its files."""

    def __init__(self, request: Any) -> None:
        self._request = request
        self._files: List[_File] = []
        self._open: List[Any] = []  # Temporary files.

    def __enter__(self) -> "Plan":
        return self

    def __exit__(self, *exception: Any) -> None:
        for file in self._files:
            file.source.close()
        for temporary in self._open:
            temporary.close()

    def add(self, message: Any, source: _sources.Source) -> None:
        message.display_name = source.name
        message.upload = NOT_SENT
        self._files.append(_File(message, source))

    def keep(self, temporary: Any) -> Any:
        self._open.append(temporary)
        return temporary

    def sources(self) -> List[_sources.Source]:
        return [file.source for file in self._files]

    def trial(self) -> Any:
        """Has the server check all that it can without the files."""
        trial = type(self._request).FromString(self._request.SerializeToString())
        trial.validate_only = True
        return trial

    def request(self, sent: Mapping[str, str]) -> Any:
        """With the names of the uploads, by their checksums."""
        for file in self._files:
            file.message.upload = sent[file.source.crc32]
        self._request.request_id = _core.request_id()
        return self._request


def _apply(split: Any, options: Dict[str, Any], ends: str) -> None:
    """The options of one split; its format by them or by how its file ends."""
    given = {name: value for name, value in options.items() if value is not None}
    image_size = given.pop("image_size", None)
    images: Dict[str, Any] = {}
    if image_size is not None:
        height, width = (image_size, image_size) if isinstance(image_size, int) else image_size
        images = {"height": height, "width": width}
    if "grayscale" in given:
        images["grayscale"] = given.pop("grayscale")
    if images:
        split.format = _pool.enum("Format", "images")
        _values.fill(split, {"images": images})
    csv = {name: given.pop(name) for name in _CSV if name in given}
    if isinstance(csv.get("missing"), (int, float)):
        csv["missing_value"], csv["missing"] = csv["missing"], "value"
    if csv or ends.endswith((".csv", ".tsv", ".csv.gz", ".tsv.gz")):
        split.format = _pool.enum("Format", "csv")
        _values.fill(split, {"csv": csv})
    elif ends.endswith(_ARCHIVES) and not images:
        split.format = _pool.enum("Format", "images")
    for name in ("examples_array", "labels_array", "layout", "format"):
        _values.fill(split, {name: given.pop(name, None)})
    if given:
        known = (
            *_CSV,
            "image_size",
            "grayscale",
            "skip_bad_files",
            "examples_array",
            "labels_array",
            "layout",
            "format",
        )
        raise TypeError(_values.known("option", next(iter(given)), known))


def _request(
    name: str, class_names: Optional[Sequence[str]], labels: Optional[Mapping[str, str]], options: Dict[str, Any]
) -> Any:
    return _pool.new(
        "ImportDatasetRequest",
        dataset_id=name,
        class_names=list(class_names or []),
        labels=dict(labels or {}),
        skip_bad_files=bool(options.pop("skip_bad_files", False)),
    )


def plan(
    name: str,
    source: Any,
    pairs: Mapping[str, Tuple[Any, Any, Any]],
    class_names: Optional[List[str]],
    labels: Optional[Mapping[str, str]],
    options: Dict[str, Any],
) -> Plan:
    """Of a source, or of arrays for each split."""
    options = dict(options)
    splits, class_names = _arrays(pairs, class_names)
    if (source is None) == (not splits):
        raise TypeError("give either a source or arrays: x_train=, y_train=, ...")
    made = Plan(_request(name, class_names, labels, options))
    for split in splits:
        _add_arrays(made, split, options)
    if source is not None:
        for split_name, files in _files_of(source).items():
            _add_files(made, split_name, files, options)
    return made


def _arrays(
    pairs: Mapping[str, Tuple[Any, Any, Any]], class_names: Optional[List[str]]
) -> Tuple[List[data.Split], Optional[List[str]]]:
    splits: List[data.Split] = []
    for name, (examples, targets, pair) in pairs.items():
        if pair is not None:
            if examples is not None or targets is not None:
                raise TypeError(f"give either {name}= or x_{name}= and y_{name}=")
            examples, targets = data.pairs_of(pair)
        if examples is None and targets is None:
            continue
        if examples is None or targets is None:
            raise TypeError(f"x_{name}= and y_{name}= belong together: give both")
        split = data.split_of(name, examples, targets, class_names)
        class_names = split.class_names or class_names  # The words of the first split.
        splits.append(split)
    return splits, class_names


def _add_arrays(made: Plan, split: data.Split, options: Dict[str, Any]) -> None:
    message = made._request.splits.add(name=split.name)
    _apply(message, options, ".npy")
    made.add(message.examples, _sources.array_source(f"x_{split.name}", split.examples))
    made.add(message.labels, _sources.array_source(f"y_{split.name}", split.targets))


def _files_of(source: Any) -> Dict[str, Any]:
    """The splits of a file or a folder: of an NPZ training and test, of a folder with train/ and test/ these."""
    if isinstance(source, Mapping):
        return dict(source)
    path = pathlib.Path(source)
    if path.suffix.lower() == ".npz":
        return {"train": path, "test": path}
    if path.is_dir():
        parts = [part for part in ("train", "val", "valid", "validation", "test") if (path / part).is_dir()]
        if "train" in parts:
            return {part: path / part for part in parts}
    return {"train": path}


def _add_files(made: Plan, name: str, files: Any, options: Dict[str, Any]) -> None:
    if isinstance(files, tuple) and len(files) == 2 and not _sources.is_path(files[0]):
        split = data.split_of(name, *files)
        _add_arrays(made, split, options)
        return
    paths = [pathlib.Path(file) for file in (files if isinstance(files, (list, tuple)) else [files])]
    message = made._request.splits.add(name=name)
    _apply(message, options, str(paths[0]).lower())
    if paths[0].is_dir() and not message.format:
        message.format = _pool.enum("Format", "images")
    inside = message.format not in (0, _pool.enum("Format", "arrays"))  # Labels stand in the same file.
    if not inside and len(paths) > 2:
        raise ValueError(f"{name}: arrays are EXAMPLES and LABELS, not {len(paths)} files")
    for i, path in enumerate(paths):
        target = message.examples if i == 0 else message.more_examples.add() if inside else message.labels
        made.add(target, _source_of(made, path))


def _source_of(made: Plan, path: pathlib.Path) -> _sources.Source:
    if not path.is_dir():
        return _sources.file_source(path)
    packed = made.keep(tempfile.TemporaryFile())
    hidden = data.pack_folder(path, packed)
    if hidden:
        warnings.warn(f"{path}: {hidden} hidden files and folders are not sent", stacklevel=2)
    return _sources.Source(os.fspath(path), [packed])


def import_request(
    name: str,
    splits: Mapping[str, Any],
    class_names: Sequence[str],
    labels: Optional[Mapping[str, str]],
    options: Dict[str, Any],
) -> Any:
    """Of files on the server's machine."""
    options = dict(options)
    request = _request(name, class_names, labels, options)
    for split_name, files in splits.items():
        paths = [os.fspath(file) for file in (files if isinstance(files, (list, tuple)) else [files])]
        message = request.splits.add(name=split_name)
        _apply(message, options, paths[0].lower())
        inside = message.format not in (0, _pool.enum("Format", "arrays"))
        for i, path in enumerate(paths):
            target = message.examples if i == 0 else message.more_examples.add() if inside else message.labels
            target.path = path
    request.request_id = _core.request_id()
    return request


# --- streams of requests


def requests(source: _sources.Source, upload: str, offset: int, bar: Any) -> Iterator[Any]:
    """Of UploadDataset: the header, then the chunks."""
    header = {"upload_id": upload, "size_bytes": source.size, "crc32": source.crc32, "offset": offset}
    yield _pool.new("UploadDatasetRequest", header=header)
    for chunk in source.chunks(offset):
        yield _pool.new("UploadDatasetRequest", chunk=chunk)
        offset += len(chunk)
        bar.update(source.name, offset, source.size, "bytes")


def model_requests(header: Any, source: _sources.Source) -> Iterator[Any]:
    """Of UploadModel."""
    yield _pool.new("UploadModelRequest", header=header)
    for chunk in source.chunks(0):
        yield _pool.new("UploadModelRequest", chunk=chunk)
