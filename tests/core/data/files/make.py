#!/usr/bin/env python3
"""Makes the files beside it, which the tests of core/data read: by NumPy, Pillow, GNU tar and Python's zipfile.

    make.py     needs numpy, Pillow, tar, xz, bzip2 and zstd; the files in the repository are of NumPy 2.4.6, Pillow 13.0.0
"""
import os
import subprocess
import tempfile
import zipfile

import numpy
from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))


def path(name):
    return os.path.join(HERE, name)


def oriented():
    """One upright picture, 24 wide and 16 high: red at the left, then green, blue, white by rows. Each file stores it in
    another orientation, with the tag that brings it upright (Pillow's own exif_transpose checks it)."""
    from PIL import ImageOps
    upright = Image.new("RGB", (24, 16), (255, 255, 255))
    upright.paste((255, 0, 0), (0, 0, 8, 16))
    upright.paste((0, 255, 0), (8, 0, 24, 8))
    upright.paste((0, 0, 255), (8, 8, 16, 16))
    turn = Image.Transpose
    stored = {1: None, 2: turn.FLIP_LEFT_RIGHT, 3: turn.ROTATE_180, 4: turn.FLIP_TOP_BOTTOM, 5: turn.TRANSPOSE,
              6: turn.ROTATE_90, 7: turn.TRANSVERSE, 8: turn.ROTATE_270}
    for orientation, method in stored.items():
        image = upright if method is None else upright.transpose(method)
        exif = Image.Exif()
        exif[0x0112] = orientation
        exif[0x010F] = "a camera"
        for suffix, options in (("jpg", {"quality": 95, "subsampling": 0}), ("png", {})):
            if suffix == "png" and orientation != 6:
                continue
            # Big-endian for half of them: Exif.endian is what tobytes writes.
            exif.endian = ">" if orientation % 2 == 0 else "<"
            image.save(path(f"oriented-{orientation}.{suffix}"), exif=exif, **options)
            with Image.open(path(f"oriented-{orientation}.{suffix}")) as again:
                assert ImageOps.exif_transpose(again).size == (24, 16)


def archives():
    with tempfile.TemporaryDirectory() as work:
        for name, color in (("cat/1.png", (10, 20, 30)), ("dog/grün.png", (40, 50, 60))):
            os.makedirs(os.path.join(work, "pets", os.path.dirname(name)), exist_ok=True)
            Image.new("RGB", (4, 4), color).save(os.path.join(work, "pets", name))
        os.link(os.path.join(work, "pets/cat/1.png"), os.path.join(work, "pets/dog/0-same-as-cat.png"))
        base = ["tar", "-b1", "--sort=name", "--owner=0", "--group=0", "--mtime=2020-01-01", "-C", work]
        for form in ("v7", "ustar", "gnu", "pax"):
            subprocess.run([*base, f"--format={form}", "-cf", path(f"{form}.tar"), "pets"], check=True)
        for packer, suffix in (("gzip", "gz"), ("xz", "xz"), ("bzip2", "bz2"), ("zstd", "zst")):
            subprocess.run([*base, f"--{packer}", "-cf", path(f"pets.tar.{suffix}"), "pets"], check=True)
        # What Finder and Explorer leave.
        for name in ("__MACOSX/pets/cat/._1.png", "pets/cat/.DS_Store", "pets/cat/Thumbs.db", "pets/dog/desktop.ini",
                     "pets/.ipynb_checkpoints/1.png"):
            os.makedirs(os.path.dirname(os.path.join(work, name)), exist_ok=True)
            with open(os.path.join(work, name), "w") as file:
                file.write("no image")
        with zipfile.ZipFile(path("pets.zip"), "w", zipfile.ZIP_DEFLATED) as archive:
            for folder, _, files in sorted(os.walk(work)):
                for name in sorted(files):
                    full = os.path.join(folder, name)
                    archive.write(full, os.path.relpath(full, work))


def arrays():
    x = numpy.arange(24, dtype=numpy.float32).reshape(2, 3, 4)
    numpy.save(path("fortran.npy"), numpy.asfortranarray(x))
    numpy.save(path("fortran-half-big.npy"), numpy.asfortranarray(x.astype(">f2")))
    numpy.save(path("half.npy"), numpy.array([[1.5, -0.0], [65504, 5.9604645e-08]], dtype=numpy.float16))
    numpy.save(path("big-int16.npy"), numpy.array([[-300, 2], [3, 32767]], dtype=">i2"))
    numpy.save(path("bool.npy"), numpy.array([[True, False], [False, True]]))
    numpy.save(path("one-hot.npy"), numpy.eye(3, dtype=numpy.int64)[[1, 0]])
    numpy.save(path("one-hot-float.npy"), numpy.eye(3, dtype=numpy.float32)[[1, 0]])
    numpy.save(path("column.npy"), numpy.array([[4], [2]], dtype=numpy.uint8))
    numpy.save(path("objects.npy"), numpy.array([[1, None], [2, 3]], dtype=object), allow_pickle=True)
    numpy.save(path("text.npy"), numpy.array(["cat", "dog"]))
    images = numpy.arange(3 * 2 * 2, dtype=numpy.uint8).reshape(3, 2, 2)
    keras = {"x_train": images, "y_train": numpy.array([0, 1, 2]), "x_test": images[::-1] + 100, "y_test": numpy.array([2, 1, 0])}
    numpy.savez(path("keras.npz"), **keras)
    numpy.savez_compressed(path("keras-compressed.npz"), **keras)


if __name__ == "__main__":
    oriented()
    archives()
    arrays()
