"""Tables as files: CSV, JSON lines and Parquet."""

from __future__ import annotations

import csv
import json
import math
import os
import pathlib
from typing import Any, Callable, Dict, Iterator, Union

from traind import _values


def _plain(value: Any) -> Any:
    """A cell as JSON has it. What is no number there is null; infinity, which JSON has not, is a word."""
    value = value.tolist() if hasattr(value, "tolist") else list(value) if isinstance(value, tuple) else value
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def _rows(table: Any) -> Iterator[Dict[str, Any]]:
    for row in zip(*table.values()):
        yield {name: _plain(cell) for name, cell in zip(table, row)}


def _csv(table: Any, path: pathlib.Path) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(table)
        for row in _rows(table):
            writer.writerow(json.dumps(cell) if isinstance(cell, list) else cell for cell in row.values())


def _jsonl(table: Any, path: pathlib.Path) -> None:
    with open(path, "w", encoding="utf-8") as file:
        for row in _rows(table):
            file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")


def _parquet(table: Any, path: pathlib.Path) -> None:
    try:
        table.pandas().to_parquet(path, index=False)
    except ImportError as error:
        raise ImportError(f"Parquet needs pandas and pyarrow: pip install traind[parquet] ({error})") from None


_WRITERS: Dict[str, Callable[[Any, pathlib.Path], None]] = {".csv": _csv, ".jsonl": _jsonl, ".parquet": _parquet}


def save(table: Any, path: Union[str, "os.PathLike[str]"]) -> None:
    """Whole or not at all. ValueError: the name does not say which kind it is."""
    target = pathlib.Path(path)
    writer = _WRITERS.get(target.suffix.lower())
    if writer is None:
        raise ValueError(f"{target}: {_values.known('kind of file', target.suffix, _WRITERS)}")
    part = target.with_name(target.name + ".part")
    try:
        writer(table, part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
