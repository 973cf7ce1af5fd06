"""Examples of one's own files, in calls that the server takes: images as they are, lines of a CSV file."""

from __future__ import annotations

import os
import pathlib
from typing import Any, Dict, Iterator, List, NamedTuple, Sequence, Tuple, Union

Path = Union[str, "os.PathLike[str]"]
IMAGES_OF_A_CALL = 1000
IMAGE_BYTES_OF_A_CALL = 7 << 20
LINES_OF_A_CALL = 1000
TABLE_BYTES_OF_A_CALL = 3 << 20
LARGEST_TABLE = 256 << 20
ENDINGS = (".jpg", ".jpeg", ".png")


class Call(NamedTuple):
    """A part of the examples: fields of a PredictRequest, and the file of each example."""

    fields: Dict[str, Any]
    files: List[str]


def image_paths(images: Union[Path, Sequence[Path]]) -> List[str]:
    """The files, and those in folders by name."""
    paths: List[str] = []
    for one in [images] if isinstance(images, (str, os.PathLike)) else images:
        path = pathlib.Path(one)
        if not path.is_dir():
            paths.append(str(path))
            continue
        found = [
            str(file)
            for file in sorted(path.iterdir())
            if file.is_file() and not file.name.startswith(".") and file.suffix.lower() in ENDINGS
        ]
        if not found:
            raise ValueError(f"{path} has no images (*.jpg, *.jpeg, *.png) in it; folders in it are not looked into")
        paths += found
    if not paths:
        raise ValueError("images: there are none")
    return paths


def image_calls(images: Union[Path, Sequence[Path]], most: List[int]) -> Iterator[Call]:
    """JPEG and PNG files, at most most[0] in a call, which may change between calls."""
    batch: List[Dict[str, Any]] = []
    size = 0
    for path in image_paths(images):
        content = pathlib.Path(path).read_bytes()
        if len(content) > IMAGE_BYTES_OF_A_CALL:
            raise ValueError(f"{path} has {len(content):,} bytes, a call takes {IMAGE_BYTES_OF_A_CALL:,}: make it smaller")
        if batch and (size + len(content) > IMAGE_BYTES_OF_A_CALL or len(batch) >= min(IMAGES_OF_A_CALL, most[0])):
            yield Call({"images": batch}, [one["name"] for one in batch])
            batch, size = [], 0
        batch.append({"name": path, "content": content})
        size += len(content)
    yield Call({"images": batch}, [one["name"] for one in batch])


def _delimiter(text: bytes) -> bytes:
    """As the server does: by the first line, as far as it lies in 64 KiB."""
    outside = b"".join(text[: 1 << 16].split(b'"')[::2])
    first = outside.replace(b"\r", b"\n").split(b"\n", 1)[0]
    return max((b",", b";", b"\t"), key=first.count)


def _is_blank(line: bytes, delimiter: bytes) -> bool:
    """Whether the server's reader leaves out the line: it is one field, and that is empty."""
    return delimiter not in line and line.strip() in (b"", b'""')


def _rows(text: bytes, delimiter: bytes) -> Tuple[int, List[Tuple[int, int, int]]]:
    """Where the header ends, and of each row that is not blank its beginning, end and line, counted from 1. Quotes may
    hold line ends."""
    header, begin, line, first_line, quoted = 0, 0, 1, 1, False
    rows: List[Tuple[int, int, int]] = []
    at, end = 0, len(text)
    while at <= end:
        byte = text[at : at + 1]
        if byte == b'"':
            quoted = not quoted
        ends = byte in (b"\n", b"\r") and text[at : at + 2] != b"\r\n"
        line += ends
        if (ends and not quoted) or at == end:
            stop = min(at + 1, end)
            if not _is_blank(text[begin:stop], delimiter):
                if header == 0:
                    header = stop
                else:
                    rows.append((begin, stop, first_line))
            begin, first_line = stop, line
        at += 1
    return header, rows


def table_calls(path: Path, options: Dict[str, Any], most: List[int]) -> Iterator[Call]:
    """Lines of a CSV file under its header, at most most[0] in a call; `options` are fields of an ExampleTable."""
    size = os.path.getsize(path)
    if size > LARGEST_TABLE:
        raise ValueError(f"{path} has {size:,} bytes; at most {LARGEST_TABLE:,}")
    text = pathlib.Path(path).read_bytes()
    header, rows = _rows(text, str(options.get("delimiter", "")).encode()[:1] or _delimiter(text))
    if not rows:
        raise ValueError(f"{path}: a header line and at least one more are needed")
    at = 0
    while at < len(rows):
        end = at + 1
        while end < min(len(rows), at + LINES_OF_A_CALL, at + most[0]) and (
            header + rows[end][1] - rows[at][0] <= TABLE_BYTES_OF_A_CALL
        ):
            end += 1
        content = text[:header] + text[rows[at][0] : rows[end - 1][1]]
        table = {"name": str(path), "content": content, "first_line": rows[at][2], **options}
        yield Call({"table": table}, [])
        at = end
