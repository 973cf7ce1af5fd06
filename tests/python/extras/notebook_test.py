"""The lecture's notebook runs from its first cell to its last, and every figure is there."""

import pathlib

import nbclient
import nbformat

NOTEBOOK = pathlib.Path(__file__).parents[3] / "examples/notebooks/lecture10.ipynb"
IMAGES = pathlib.Path("/usr/share/datasets/fashion-mnist")


def outputs(cell, kind):
    return [one["data"][kind] for one in cell.get("outputs", []) if kind in one.get("data", {})]


def test_runs():
    assert IMAGES.is_dir(), "Debian's dataset-fashion-mnist"
    notebook = nbformat.read(NOTEBOOK, 4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "it is kept without outputs"
    nbclient.NotebookClient(notebook, timeout=900, kernel_name="python3").execute()
    figures = sum(
        "plt.show()" in cell.source or cell.source.startswith(("compare(", "deep =")) or ".preview(" in cell.source
        for cell in notebook.cells
        if cell.cell_type == "code"
    )
    shown = [png for cell in notebook.cells for png in outputs(cell, "image/png")]
    assert len(shown) >= figures > 6
    pages = [page for cell in notebook.cells for page in outputs(cell, "text/html")]
    assert len(pages) >= 4 and all("<svg" in page for page in pages), "jobs show themselves"
    assert "succeeded: step" in pages[-1] and "layers at step" in pages[-1]
