from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def data() -> Path:
    """The sample that comes with the source."""
    return ROOT / "data"


@pytest.fixture
def real() -> Path:
    """Real snapshots, which lie outside of the source."""
    folder = os.environ.get("CONCENTRA_REAL_DATA")
    if folder is None:
        pytest.skip("SKIPPED: set CONCENTRA_REAL_DATA")
    return Path(folder)
