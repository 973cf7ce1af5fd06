#!/usr/bin/python3
"""What docs/api.md shows works. The blocks of its Python program run one after the other against a real server, and each
prints what the page says. Numbers may differ: the images here are few and made up.

    tests/api/guide_test.py                 see googleapis.py for TRAIND_PYPI
    tests/api/guide_test.py --print ROOT    runs it with the dataset root given, and prints the page's outputs
"""
import contextlib
import gzip
import io
import random
import re
import struct
import sys
import unittest

import googleapis  # noqa: F401  (Makes what the page imports importable.)
import service
from pages_test import filter_fields

GUIDE = service.ROOT / "docs/api.md"
BLOCKS = re.compile(r"```python\n(.*?)```\n+```text\n(.*?)```", re.S)


def write_images(root):
    """Files with the names of Fashion-MNIST's: images of ten classes that differ by where they are bright."""
    folder = root / "fashion-mnist"
    folder.mkdir()
    draw = random.Random(1)
    for stem, count in (("train", 1280), ("t10k", 100)):
        labels = bytes(i % 10 for i in range(count))
        images = b"".join(bytes(draw.randrange(64) + 160 * (row // 2 == label) for row in range(28) for _ in range(28))
                          for label in labels)
        for name, head, data in (("images-idx3", struct.pack(">4B3I", 0, 0, 8, 3, count, 28, 28), images),
                                 ("labels-idx1", struct.pack(">4BI", 0, 0, 8, 1, count), labels)):
            (folder / f"{stem}-{name}-ubyte.gz").write_bytes(gzip.compress(head + data, 1))


def blocks():
    """[(program, what it prints)], and fails when a block of Python has no output."""
    text = GUIDE.read_text()
    found = BLOCKS.findall(text)
    assert len(found) == text.count("```python"), "a block of Python in docs/api.md is not followed by its output"
    return found


def outputs(address):
    """What each block of the page prints."""
    scope = {}
    for program, _ in blocks():
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(program.replace("localhost:50051", address), str(GUIDE), "exec"), scope)
        yield printed.getvalue()


def without_numbers(text):
    return re.sub(r"\d+(\.\d+)?", "#", text)


class GuideTest(unittest.TestCase):
    def test_fields_of_filters_are_those_of_the_protos(self):
        for method, fields in filter_fields().items():
            self.assertIn(f"| {method.removeprefix('List')} | {', '.join(fields)} |", GUIDE.read_text())

    def test_every_example_of_a_filter_is_one(self):
        table = GUIDE.read_text().split("`filter` is a subset")[1].split("What is absent")[0]
        examples = [text for row in re.findall(r"^\| (`.*?) \|", table, re.M) for text in re.findall(r"`([^`]+)`", row)]
        self.assertGreater(len(examples), 10)
        server = service.Service()
        for example in examples:
            with self.subTest(filter=example):
                server.call("ListJobs", filter=example)

    def test_every_block_prints_what_the_page_says(self):
        server = service.Service()
        write_images(server.root)
        for printed, (program, expected) in zip(outputs(server.address), blocks()):
            with self.subTest(program=program):
                self.assertEqual(without_numbers(printed), without_numbers(expected))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--print"]:
        for output in outputs(service.Service("--dataset-root", sys.argv[2]).address):
            print(output)
    else:
        unittest.main()
