"""Who really holds, earns and decides? Exact concentration metrics of token-holder and LP snapshots.

Every function takes what its namesake on the command line takes, paths or tables, and returns what that would
write: a :class:`Result`, which Polars, pandas, DuckDB and pyarrow read as it is. Keyword arguments are the flags:
``--top-holders 100`` is ``top_holders=100``, ``--by date,token`` is ``by=["date", "token"]``, ``--entities`` is
``entities=True``.

>>> import concentra
>>> concentra.analyze("snapshots/", decimals=18).to_polars()  # doctest: +SKIP
"""

from __future__ import annotations

import datetime
import difflib
import json
import os
import sys
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Union

from . import _concentra, _options
from ._concentra import (
    ConcentraError,
    DeviceError,
    InputError,
    MemoryLimitError,
    UsageError,
    __version__,
)
from ._progress import watcher

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow
    from typing_extensions import Unpack

    from ._options import Analyze, Change, Compare, Flows, Generate, Merge, Power, Snapshot, Sweep

__all__ = [
    "ConcentraError", "ConcentraWarning", "DeviceError", "InputError", "MemoryLimitError", "Result", "UsageError",
    "__version__", "analyze", "change", "compare", "devices", "flows", "generate", "main", "merge", "metrics",
    "power", "snapshot", "sweep",
]


class ArrowStream(Protocol):
    """Anything with the Arrow PyCapsule interface: pyarrow, Polars, DuckDB, pandas 3 and more."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object: ...


Source = Union[str, "os.PathLike[str]", ArrowStream]
"""A path to a file, a folder or a pattern; or a table."""

Progress = Union[bool, Callable[[str, int, int], object], None]
"""Whether to show how far the work is: by default in notebooks alone. A function is called with the stage, the rows
that are done, and all."""


# Rows that are shown of a result.
_SHOWN = 20


class ConcentraWarning(UserWarning):
    """Something that the user should know."""


class Result:
    """What a command found: a table with an Arrow stream, and what goes with it."""

    def __init__(
        self, table: _concentra.Table, others: dict[str, _concentra.Table], told: list[str], note: str | None
    ) -> None:
        self._table = table
        self._others = others
        self.warnings: list[str] = told
        """What the user should know, in full sentences. It was also raised as :class:`ConcentraWarning`."""
        self.note: str | None = note
        """What computed and why; of a comparison, what was found."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)

    def __arrow_c_schema__(self) -> object:
        return self._table.__arrow_c_schema__()

    def __len__(self) -> int:
        return len(self._table)

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return self._table.columns

    @property
    def metadata(self) -> dict[str, str]:
        """What the table says of its making: versions, options, inputs."""
        return self._table.metadata

    def to_polars(self) -> polars.DataFrame:
        """As a Polars data frame."""
        import polars

        return polars.DataFrame(self)

    def to_arrow(self) -> pyarrow.Table:
        """As a pyarrow table."""
        import pyarrow

        return pyarrow.table(self)

    def to_pandas(self) -> pandas.DataFrame:
        """As a pandas data frame; by way of pyarrow."""
        frame: pandas.DataFrame = self.to_arrow().to_pandas()
        return frame

    def write(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Writes the table as the command line does, whole or not at all: Parquet, CSV, JSON or NDJSON by the name."""
        try:
            self._table._write(os.fspath(path), overwrite)
        except UsageError as error:
            raise UsageError(str(error).replace("--overwrite", "overwrite=True")) from None

    def other(self, name: str) -> Result:
        """Another table of the same command, by its name: see :attr:`others`."""
        if name not in self._others:
            raise AttributeError(f"there is no {name} here; there are {', '.join(self._others)}")
        return Result(self._others[name], {}, [], None)

    @property
    def others(self) -> list[str]:
        """The names of the other tables."""
        return list(self._others)

    @property
    def cohort_table(self) -> Result:
        """A row per group and cohort, of :func:`analyze` with ``cohorts``."""
        return self.other("cohort_table")

    @property
    def summary(self) -> Result:
        """How far each metric moves, of :func:`sweep`."""
        return self.other("summary")

    @property
    def games(self) -> Result:
        """A row per group, of :func:`power`."""
        return self.other("games")

    @property
    def vintages(self) -> Result:
        """What those hold who came first, of :func:`change`."""
        return self.other("vintages")

    @property
    def records(self) -> Result:
        """What ran where and for how long: a row per task, and per thread's share of it."""
        return self.other("records")

    def __repr__(self) -> str:
        text = self._table._text(_SHOWN).rstrip()
        return text if len(self) <= _SHOWN else f"{text}\n… {len(self):,} rows"

    def _repr_html_(self) -> str:
        return self._table._html(_SHOWN)


def analyze(source: Source | Iterable[Source], *, progress: Progress = None, **options: Unpack[Analyze]) -> Result:
    """Measures how concentrated each snapshot is: one row per group."""
    return _run("analyze", source, progress, options)


def merge(source: Source | Iterable[Source], *, progress: Progress = None, **options: Unpack[Merge]) -> Result:
    """Merges what :func:`analyze` found with ``partial=True`` of several parts of the same holders."""
    return _run("merge", source, progress, options)


def sweep(source: Source | Iterable[Source], *, progress: Progress = None, **options: Unpack[Sweep]) -> Result:
    """Measures it in many settings: how much do the figures depend on who is counted."""
    return _run("sweep", source, progress, options)


def power(source: Source | Iterable[Source], *, progress: Progress = None, **options: Unpack[Power]) -> Result:
    """Finds out who decides: voting power of every voter in every group."""
    return _run("power", source, progress, options)


def change(source: Source | Iterable[Source], *, progress: Progress = None, **options: Unpack[Change]) -> Result:
    """Compares the snapshots of each asset: who came, who went, what moved, do the rich get richer."""
    return _run("change", source, progress, options)


def flows(source: Source | Iterable[Source], *, progress: Progress = None, **options: Unpack[Flows]) -> Result:
    """Follows capital from asset to asset between snapshots."""
    return _run("flows", source, progress, options)


def snapshot(source: Source | Iterable[Source], *, progress: Progress = None, **options: Unpack[Snapshot]) -> Result:
    """Builds holder snapshots from transfer logs: who had what before the transactions of the blocks ``at``."""
    return _run("snapshot", source, progress, options)


def compare(source: Source | Iterable[Source], *, progress: Progress = None, **options: Unpack[Compare]) -> Result:
    """Measures the same on several devices: are all bits equal, and how fast is each. ``note`` is the report."""
    return _run("compare", source, progress, options)


def generate(output: str | os.PathLike[str], *, progress: Progress = None, **options: Unpack[Generate]) -> list[Path]:
    """Makes snapshots to try things on, and returns their paths."""
    arguments = _arguments("generate", {**options, "output": os.fspath(output)})
    with watcher(progress) as look:
        _, written, _, _ = _concentra._run(arguments, [], look)
    return [Path(path) for path in written]


def devices() -> dict[str, Any]:
    """What this machine can compute on."""
    found: dict[str, Any] = json.loads(_concentra._devices())
    return found


def metrics(name: str | None = None) -> list[dict[str, Any]]:
    """Explains the metrics, or one of them: formula, range, source, how to read them."""
    found: list[dict[str, Any]] = json.loads(_concentra._metrics(name))
    return found


def main() -> None:
    """The command line."""
    sys.exit(_concentra._main(sys.argv))


def _describe() -> None:
    """Lists the keyword arguments where ``help`` shows them."""
    for function in (analyze, merge, sweep, power, change, flows, snapshot, compare, generate):
        kinds: Any = getattr(_options, function.__name__.title())
        names = ", ".join(sorted(kinds.__required_keys__ | kinds.__optional_keys__))
        function.__doc__ = f"{function.__doc__}\n\n    Keyword arguments, as the flags of the command line: {names}."


_describe()


def _run(command: str, source: Source | Iterable[Source], progress: Progress, options: Any) -> Result:
    paths: list[str] = []
    tables: list[ArrowStream] = []
    for one in _sources(source):
        if isinstance(one, (str, os.PathLike)):
            paths.append(os.fspath(one))
        elif hasattr(one, "__arrow_c_stream__"):
            tables.append(one)
        else:
            remedy = "collect() it first" if hasattr(one, "collect") else (
                "pass it through pyarrow.table or polars.DataFrame"
            )
            raise UsageError(
                f"{type(one).__name__} is no path and has no Arrow stream (__arrow_c_stream__); {remedy}"
            )
    if any("\0" in path for path in paths):
        raise UsageError("a path has a null character")
    arguments = [*_arguments(command, options), "--", *(paths or [_concentra._NO_PATH])]
    with watcher(progress) as look:
        found, _, told, note = _concentra._run(arguments, tables, look)
    for text in told:
        warnings.warn(text, ConcentraWarning, stacklevel=3)
    by_name = dict(found)
    return Result(by_name.pop(""), by_name, told, note)


def _sources(source: Any) -> list[Any]:
    # A data frame may be iterable, too.
    if isinstance(source, (str, os.PathLike)) or hasattr(source, "__arrow_c_stream__"):
        return [source]
    # A dictionary's keys are no paths, nor are the numbers of bytes.
    if isinstance(source, (dict, bytes)) or not isinstance(source, Iterable):
        return [source]
    several = list(source)
    if not several:
        raise UsageError("there is no input: give a path, a table, or several")
    return several


# What is written, shown or configured elsewhere.
_ELSEWHERE = {
    "output": "results are returned: write them from there",
    "format": "results are returned: write them from there",
    "overwrite": "results are returned: write them from there",
    "cohort_table": "it is returned as .cohort_table",
    "summary": "it is returned as .summary",
    "games": "they are returned as .games",
    "vintages": "they are returned as .vintages",
    "records": "they are returned as .records",
    "timing": "what ran where is returned as .records",
    "trace": "what ran where is returned as .records",
    "explain": "what computed and why is returned as .note",
    "config": "configuration files are for the command line",
}


def _arguments(command: str, options: Any) -> list[str]:
    kinds: Any = getattr(_options, command.title())
    known = set(kinds.__required_keys__ | kinds.__optional_keys__) | ({"output"} if command == "generate" else set())
    arguments = [command]
    for name, value in options.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = _ELSEWHERE.get(name) or (f"did you mean {near[0]}?" if near else f"{command} has no such option")
            raise UsageError(f"unexpected argument {name}: {hint}")
        flag = "--" + name.rstrip("_").replace("_", "-")
        # Numbers and truths of NumPy are those of Python.
        if hasattr(value, "item") and not hasattr(value, "__len__"):
            value = value.item()
        if hasattr(value, "__arrow_c_stream__"):
            raise UsageError(f"{name} takes a path, not a table; write the table to Parquet first")
        if value is None or value is False:
            continue
        if value is True:
            arguments.append(flag)
        elif isinstance(value, Iterable) and not isinstance(value, (str, os.PathLike)):
            several = [_text(name, one) for one in value]
            # None of several is nothing.
            if several:
                arguments.append(f"{flag}=" + ",".join(several))
        elif isinstance(value, str):
            arguments.append(f"{flag}={value}")
        else:
            arguments.append(f"{flag}={_text(name, value)}")
    return arguments


def _text(name: str, value: Any) -> str:
    if hasattr(value, "item") and not hasattr(value, "__len__"):
        value = value.item()
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        value = value.date()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = os.fspath(value) if isinstance(value, os.PathLike) else str(value)
    if "," in text:
        raise UsageError(f"{name}: a comma separates values, and {text!r} has one in itself; rename it")
    return text
