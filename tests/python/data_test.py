"""Data in all the forms that people have it in."""

import io
import struct
import tarfile
import zlib

import numpy as np
import pytest

import traind
from conftest import images
from traind import _core, _sources, _uploads, data


class Tensor:
    """What torch.Tensor has of methods."""

    def __init__(self, array):
        self.array = array

    def detach(self):
        return self

    cpu = detach

    def numpy(self):
        return self.array


class Frame:
    """What a table of pandas has."""

    def __init__(self, array):
        self.array = array

    def to_numpy(self):
        return self.array


class Stream:
    """What a tf.data.Dataset has."""

    def __init__(self, parts):
        self.parts = parts

    def as_numpy_iterator(self):
        return iter(self.parts)


X = np.arange(12.0).reshape(6, 2)
Y = np.array([0, 1, 2, 0, 1, 2])


@pytest.mark.parametrize(
    "source",
    [
        (X, Y),
        (Tensor(X), Tensor(Y)),
        (Frame(X.astype(object)), Frame(Y)),
        Stream(list(zip(X, Y))),
        Stream([(X[:4], Y[:4]), (X[4:], Y[4:])]),
        list(zip(X, Y)) + [],
        [(Tensor(X[i]), int(Y[i])) for i in range(6)],
    ],
)
def test_pairs(source):
    split = data.split_of("train", *data.pairs_of(source))
    assert split.examples.dtype == np.float32 and (split.examples == X).all()
    assert split.targets.dtype.kind == "i" and (split.targets == Y).all()


def test_words_are_classes():
    split = data.split_of("train", X, ["b", "a", "b", "c", "a", "a"])
    assert split.class_names == ["a", "b", "c"] and split.targets.tolist() == [1, 0, 1, 2, 0, 0]
    again = data.split_of("test", X[:2], ["c", "b"], split.class_names)
    assert again.targets.tolist() == [2, 1]
    with pytest.raises(ValueError, match="none of the class names"):
        data.split_of("test", X[:2], ["c", "z"], split.class_names)


@pytest.mark.parametrize(
    "words, make",
    [
        ("6 examples, but 5", lambda: data.split_of("train", X, Y[:5])),
        ("other than numbers", lambda: data.to_examples(np.array([["a", 1]], dtype=object))),
        ("of one example say", lambda: data.to_examples(X[0])),
        ("complex", lambda: data.to_array(X.astype(complex))),
        ("belong together", lambda: _uploads.plan("a", None, {"train": (X, None, None)}, None, None, {})),
        ("either a source or arrays", lambda: _uploads.plan("a", None, {}, None, None, {})),
        (
            "did you mean image_size",
            lambda: _uploads.plan("a", None, {"train": (X, Y, None)}, None, None, {"image_siz": 3}),
        ),
    ],
)
def test_what_is_refused(words, make):
    with pytest.raises((TypeError, ValueError), match=words):
        make()


def test_a_source_gives_the_same_bytes_from_everywhere():
    array = np.arange(200_000, dtype=np.int32)
    source = _sources.array_source("x", array)
    whole = b"".join(source.chunks(0))
    assert (np.load(io.BytesIO(whole)) == array).all()
    assert source.crc32 == f"{zlib.crc32(whole):08x}" and source.size == len(whole)
    for offset in (1, 100, 128, _sources.CHUNK, len(whole) - 1, len(whole)):
        assert b"".join(source.chunks(offset)) == whole[offset:]
    assert max(map(len, source.chunks(0))) <= _sources.CHUNK


def test_examples_travel_as_they_lie_in_memory():
    array = np.arange(30, dtype=np.float32).reshape(5, 6)[:, ::2]
    message = _core.examples_message(array)
    assert list(message.shape) == [5, 3] and list(message.values) == array.reshape(-1).tolist()


def test_safetensors():
    tensors = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.float32([1.5])}
    read = _core.read_safetensors(_core.write_safetensors(tensors))
    assert all((read[name] == tensors[name]).all() and read[name].shape == tensors[name].shape for name in tensors)


def test_uploads(client, tmp_path):
    x, y = images(20)
    for i, words in enumerate(
        (
            {"x_train": x, "y_train": y, "x_test": x[:5], "y_test": y[:5]},
            {"train": (Tensor(x), Tensor(y)), "test": Stream(list(zip(x[:5], y[:5])))},
            {"source": {"train": (x, y), "test": (x[:5], y[:5])}},
        )
    ):
        made = client.upload_dataset(f"form-{i}", **words)
        assert made.splits == {"train": 20, "test": 5} and made.shape == (1, 8, 8) and made.num_classes == 4
    np.savez(tmp_path / "all.npz", x_train=x, y_train=y, x_test=x[:5], y_test=y[:5])
    assert client.upload_dataset("npz", tmp_path / "all.npz").splits == {"train": 20, "test": 5}
    same = [client.dataset(name).proto.splits[0].checksum for name in ("form-0", "form-1", "form-2", "npz")]
    assert len(set(same)) == 1


def test_targets_and_tables(client, tmp_path):
    made = client.upload_dataset("targets", x_train=X, y_train=X[:, :1] / 2)
    assert made.proto.target_width == 1 and "1 targets" in repr(made)
    (tmp_path / "t.csv").write_text("a,b,kind\n" + "".join(f"{i},{i % 3},{'xy'[i % 2]}\n" for i in range(10)))
    table = client.upload_dataset("table", tmp_path / "t.csv", label_column="kind")
    assert table.class_names == ["x", "y"] and table.shape == (2,)
    with pytest.raises(traind.InvalidSpec, match="label_column"):
        client.upload_dataset("table2", tmp_path / "t.csv")
    with pytest.raises(traind.AlreadyExists):
        client.upload_dataset("table", tmp_path / "t.csv", label_column="kind")
    words = client.upload_dataset("words", x_train=X, y_train=list("abcabc"))
    assert words.class_names == ["a", "b", "c"]


def png(value):
    """A grey image of 8 x 8."""

    def part(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = b"".join(b"\0" + bytes([value] * 8) for _ in range(8))
    return (
        b"\x89PNG\r\n\x1a\n"
        + part(b"IHDR", struct.pack(">2I5B", 8, 8, 8, 0, 0, 0, 0))
        + part(b"IDAT", zlib.compress(rows))
        + part(b"IEND", b"")
    )


def test_a_folder_of_images(client, tmp_path):
    for split, count in (("train", 4), ("test", 2)):
        for name in ("cat", "dog"):
            (tmp_path / split / name).mkdir(parents=True)
            for i in range(count):
                (tmp_path / split / name / f"{i}.png").write_bytes(png(100 * (name == "dog") + i))
    (tmp_path / "train/.hidden").write_text("x")
    with pytest.warns(UserWarning, match="1 hidden"):
        made = client.upload_dataset("pets", tmp_path, image_size=8, grayscale=True)
    assert made.splits == {"train": 8, "test": 4} and made.class_names == ["cat", "dog"] and made.shape == (1, 8, 8)
    picture = made.preview(rows=2, columns=2)
    assert picture._repr_png_().startswith(b"\x89PNG")
    assert made.describe().splits[0].class_counts == [4, 4]
    packed = [io.BytesIO(), io.BytesIO()]
    for out in packed:
        data.pack_folder(tmp_path / "train", out)
    assert packed[0].getvalue() == packed[1].getvalue()
    assert tarfile.open(fileobj=io.BytesIO(packed[0].getvalue())).getnames()[0] == "cat/0.png"


def test_a_broken_upload_goes_on(client, monkeypatch):
    """The first stream breaks in the middle: the second one begins behind what was committed."""
    from traind import errors
    from traind._sync.connection import Connection

    x = np.random.default_rng(5).normal(size=(4000, 100)).astype(np.float32)
    offsets, send = [], Connection.send

    def breaking(self, name, requests):
        def some():
            for i, request in enumerate(requests):
                if request.HasField("header"):
                    offsets.append(request.header.offset)
                if len(offsets) == 1 and i == 4:
                    raise ConnectionError
                yield request

        try:
            return send(self, name, some())
        except errors.ServerError:
            if len(offsets) == 1:
                raise errors.Unavailable("UNAVAILABLE", "broken") from None
            raise

    monkeypatch.setattr(Connection, "send", breaking)
    made = client.upload_dataset("broken", x_train=x, y_train=np.arange(4000) % 2)
    assert made.splits == {"train": 4000}
    assert offsets[0] == 0 and len(offsets) >= 3, offsets
