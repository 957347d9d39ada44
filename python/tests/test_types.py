"""The stubs' own test: mypy, strictly, on code as users write it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

GOOD = """
import concentra
import polars

result = concentra.analyze("a.parquet", by=["date", "token"], decimals=18, top_holders="10%", owners="merge")
frame: polars.DataFrame = result.to_polars()
concentra.snapshot(["a.parquet", frame], at=[1, 2], from_="giver", progress=True)
concentra.change(frame, between=("a", "b"), cumulative=True).vintages.write("v.parquet", overwrite=True)
def look(stage: str, done: int, rows: int) -> None: ...
concentra.power(frame, quota="2/3", progress=look)
try:
    concentra.flows("x", every=2)
except concentra.InputError as error:
    print(error.file)
"""
BAD = [
    'import concentra\nconcentra.analyze("a", decimls=1)',
    'import concentra\nconcentra.analyze("a", owners="mix")',
    "import concentra\nconcentra.analyze(3)",
    'import concentra\nx: int = concentra.devices()',
]


def mypy(path: Path) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", str(path)]
    return subprocess.run(line, capture_output=True, text=True, check=False, cwd=path.parent)


def test_good_code_has_types(tmp_path: Path) -> None:
    path = tmp_path / "good.py"
    path.write_text(GOOD)
    checked = mypy(path)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_wrong_code_is_found(tmp_path: Path) -> None:
    for number, code in enumerate(BAD):
        path = tmp_path / f"bad{number}.py"
        path.write_text(code)
        checked = mypy(path)
        assert checked.returncode == 1 and f"bad{number}.py:2" in checked.stdout, checked.stdout


def test_the_package_itself(tmp_path: Path) -> None:
    settings = Path(__file__).parents[1] / "pyproject.toml"
    line = [sys.executable, "-m", "mypy", "--no-error-summary", f"--config-file={settings}", "-p", "concentra"]
    checked = subprocess.run(line, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
