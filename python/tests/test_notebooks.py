"""The notebooks, from top to bottom on the sample. They are kept without outputs, so none can be stale."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import nbclient
import nbformat
import pytest

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook(path: Path, data: Path, tmp_path: Path) -> None:
    book = nbformat.read(path, as_version=4)
    assert all(not cell.get("outputs") for cell in book.cells), "kept without outputs"
    # Where it writes files, and finds the sample as from its own folder.
    own = tmp_path / "python" / "notebooks"
    own.mkdir(parents=True)
    (tmp_path / "data").symlink_to(data)
    shutil.copy(path, own)
    nbclient.NotebookClient(book, timeout=300, resources={"metadata": {"path": own}}).execute()
    images = [
        output
        for cell in book.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    assert images, "a notebook without a plot"
    # To be looked at.
    keep = os.environ.get("CONCENTRA_KEEP_PLOTS")
    if keep:
        nbformat.write(book, Path(keep) / path.name)


def test_there_are_notebooks() -> None:
    assert len(NOTEBOOKS) == 5
