"""Predictions of files of one's own, and models made of others."""

import struct
import zlib

import numpy as np
import pytest

import traind
from conftest import images, small_network
from traind import _files


def png(pixels):
    """A file of gray [height, width] bytes."""
    height, width = pixels.shape

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_images_are_what_the_import_made_of_them(client, tmp_path):
    draw = np.random.default_rng(3)
    for kind in ("dark", "light"):
        (tmp_path / "pets" / kind).mkdir(parents=True)
        for i in range(12):
            pixels = draw.integers(0, 100, (8, 8)) + (150 if kind == "light" else 0)
            (tmp_path / "pets" / kind / f"{i:02}.png").write_bytes(png(pixels.astype(np.uint8)))
    client.upload_dataset(
        "pets", {"train": tmp_path / "pets", "test": tmp_path / "pets"}, image_size=(8, 8), grayscale=True
    )
    job = client.train(
        traind.Sequential([traind.Dense(2)]), "pets", epochs=5, threads=1, batch_size=8, preprocessing=["standardize"]
    ).wait(progress=False)
    split = job.predict_split("test")
    own = job.predict(images=[tmp_path / "pets" / "dark", tmp_path / "pets" / "light"])
    np.testing.assert_allclose(own.outputs, split.outputs, rtol=1e-5, atol=1e-5)
    assert own.names == [split.class_names[one] for one in split.classes]
    assert own.files[0].endswith("dark/00.png") and len(own.files) == 24 and own.notes == []
    assert [row[0][0] for row in own.top(2)] == own.names
    assert own.top(2)[3][0][1] == pytest.approx(own.probabilities[3].max())
    with pytest.raises(traind.errors.ServerError, match="none.png, byte 0"):
        (tmp_path / "none.png").write_bytes(b"nothing")
        job.predict(images=tmp_path / "none.png")


def test_a_table_is_read_by_its_names(client, tmp_path):
    draw = np.random.default_rng(4)
    area, price = draw.uniform(1, 3, 60), draw.normal(size=60)
    lines = [f"{i},{area[i]:.4f},{price[i]:.4f}\n" for i in range(60)]
    (tmp_path / "houses.csv").write_text("id,area,price\n" + "".join(lines))
    client.upload_dataset(
        "houses", {"train": tmp_path / "houses.csv"}, target_columns=["price"], drop_columns=["id"]
    )
    job = client.train(
        traind.Sequential([traind.Dense(1, name="line")]), "houses", epochs=1, threads=1, evaluation_split="none"
    ).wait(progress=False)
    (tmp_path / "new.csv").write_text("price,area\n5,2\n\n7,3\n")
    said = job.predict(table=tmp_path / "new.csv")
    weights = job.weights()
    expected = np.array([[2], [3]]) @ weights["line.weight"].T + weights["line.bias"]
    np.testing.assert_allclose(said.outputs, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(said.errors[:, 0], expected[:, 0] - [5, 7], rtol=1e-5, atol=1e-6)
    assert said.target_names == ["price"]
    with pytest.raises(traind.errors.ServerError, match="line 1: the column 'id' is none that the model reads"):
        job.predict(table=tmp_path / "houses.csv")
    assert len(job.predict(table=tmp_path / "houses.csv", drop_columns=["id"])) == 60


def test_an_ensemble_is_the_mean_of_its_members(client, trained):
    x, _ = images(40, seed=9)
    other = client.train(small_network(), "toy", epochs=2, batch_size=16, threads=1, seed=5).wait(progress=False)
    both = client.ensemble("both", [trained, other])
    assert both.members == [trained.checkpoints()[-1].name, other.checkpoints()[-1].name]
    mean = (trained.predict(x).probabilities.astype(float) + other.predict(x).probabilities) / 2
    said = both.predict(x)
    np.testing.assert_allclose(said.probabilities, mean, atol=1e-5)
    assert said.spread.shape == mean.shape
    assert both.evaluate("test", dataset="toy").examples == 32
    with pytest.raises(traind.errors.ServerError, match="has no weights of its own"):
        both.weights()
    flat = client.ensemble("flat", [trained, other], mean="weights")
    mine, theirs = trained.weights(), other.weights()
    for name, tensor in flat.weights().items():
        np.testing.assert_allclose(tensor, (mine[name].astype(float) + theirs[name]) / 2, atol=1e-6)
    other.delete()
    assert (both.predict(x).outputs == said.outputs).all()


def test_rows_hold_line_ends_in_quotes(tmp_path):
    (tmp_path / "x.csv").write_bytes(b'\na,b\r\n1,"x\ny"\r\n\r\n2,z\r\n3,')
    calls = list(_files.table_calls(tmp_path / "x.csv", {}, [1]))
    assert [one.fields["table"]["content"][len(b"\na,b\r\n") :] for one in calls] == [b'1,"x\ny"\r\n', b"2,z\r\n", b"3,"]
    assert [one.fields["table"]["first_line"] for one in calls] == [3, 6, 7]


def test_lines_that_the_server_leaves_out_are_no_rows(tmp_path):
    (tmp_path / "x.csv").write_bytes(b'a\n1\n\t\t\n2\n \"\" \n3\n\"\"')
    calls = list(_files.table_calls(tmp_path / "x.csv", {}, [1]))
    assert [one.fields["table"]["first_line"] for one in calls] == [2, 4, 6]
    (tmp_path / "y.csv").write_bytes(b"a\tb\n1\t2\n\t\n")
    assert len(list(_files.table_calls(tmp_path / "y.csv", {}, [1]))) == 2
    assert len(list(_files.table_calls(tmp_path / "y.csv", {"delimiter": ","}, [1]))) == 1
