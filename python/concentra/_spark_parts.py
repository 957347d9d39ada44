"""Groups that are larger than an executor: ranges of their amounts, summed where they lie and merged on the driver."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow
import pyarrow.ipc
import pyspark.sql.functions as F
from pyspark import StorageLevel, TaskContext
from pyspark.sql import DataFrame
from pyspark.sql.types import (
    BinaryType,
    DataType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
)

import concentra
from concentra import _concentra

# What can be asked of a part, and of who merges parts.
_OF_PARTS = {"negatives", "exclude", "labels", "memory_limit", "temp_dir"}
_OF_MERGING = {"decimals", "metrics", "threshold", "top"}
# What neither has a use for: sums of parts are the CPU's.
_OF_NEITHER = {"amount", "owner", "owners", "device", "require_gpu", "threads"}

# What the task of a part gives: the sums of its runs as one Arrow stream, then the amounts of each run.
_PART = StructType([
    StructField("part", IntegerType(), False),
    StructField("run", LongType(), False),
    StructField("data", BinaryType(), False),
])
_SUMS = -1

# Runs of a batch, each of some 4,096 amounts.
_BATCH = 256
# Rows in which a unit is looked for at a time.
_LOOK = 1_000_000


def fits(options: dict[str, Any]) -> bool:
    """Whether a group can be measured in parts with these options."""
    known = _OF_PARTS | _OF_MERGING | _OF_NEITHER
    on_cpu = options.get("device") in ("cpu", "auto", None) and not options.get("require_gpu")
    return options.get("owners", "trust") == "trust" and on_cpu and not options.keys() - known


def measure(own: DataFrame, options: dict[str, Any], rows_per_task: int) -> Any:
    """The result of large groups as an Arrow table.

    ``own`` has the columns ``number``, of the group, ``amount`` and perhaps ``owner``. The result has ``number`` for a key.
    """
    of_parts = {name: value for name, value in options.items() if name in _OF_PARTS}
    of_parts |= {"by": "number", "progress": False, **{name: name for name in own.columns[1:]}}
    merging = {name: value for name, value in options.items() if name in _OF_MERGING}
    sizes = {row["number"]: row["count"] for row in own.groupBy("number").count().collect()}
    jobs: list[DataFrame] = []
    try:
        for unit, numbers in _units(own, of_parts, sorted(sizes)).items():
            tasks = math.ceil(sum(sizes[number] for number in numbers) / rows_per_task)
            parts = _parts(own.where(F.col("number").isin(numbers)), {**of_parts, "unit": unit}, max(tasks, 1))
            jobs.append(parts.persist(StorageLevel.DISK_ONLY))
        tables = _with_amounts([(job, part, sums) for job in jobs for part, sums in _sums(job)], merging)
        return concentra.merge(tables, progress=False, **merging).to_arrow()
    finally:
        for job in jobs:
            job.unpersist()


def _units(own: DataFrame, options: dict[str, Any], numbers: list[int]) -> dict[str | None, list[int]]:
    """Groups by their units, on which parts of text and doubles have to agree; other types have one."""
    if not isinstance(own.schema["amount"].dataType, (StringType, DoubleType, FloatType)):
        return {None: numbers}
    version = concentra.__version__
    columns = ["number", "decimals", "low", "high"]
    found = pyarrow.schema([(name, pyarrow.int32()) for name in columns])

    def look(batches: Iterable[Any]) -> Iterator[Any]:
        check(version)
        for table in pieces(batches, _LOOK):
            runs = concentra.analyze(table, partial=True, **options).to_arrow()
            spans = []
            for run in runs.select(["number", "decimals", "unit_log2", "n_holders", "last"]).to_pylist():
                if run["n_holders"] == 0:
                    continue
                # The highest bit of the largest amount, by its key: 8 bits of exponent, 56 of mantissa.
                high = (run["last"] >> 56) + (run["last"] & ((1 << 56) - 1)).bit_length() - 1
                low = run["unit_log2"]
                high = None if low is None else low + high
                spans.append({"number": run["number"], "decimals": run["decimals"], "low": low, "high": high})
            yield pyarrow.RecordBatch.from_pylist(spans, found)

    schema = StructType([StructField(name, IntegerType()) for name in columns])
    spans = own.mapInArrow(look, schema).groupBy("number").agg(F.max("decimals"), F.min("low"), F.max("high"))
    # Groups that nobody holds anything of have no unit to agree on.
    units: dict[str | None, list[int]] = {}
    rest = set(numbers)
    for number, decimals, low, high in spans.collect():
        # Of doubles 256 bits count, as on one machine.
        unit = f"1e-{decimals}" if low is None else f"2^{max(low, high - 255)}"
        units.setdefault(unit, []).append(number)
        rest.discard(number)
    return {**units, None: sorted(rest)} if rest else units


def _parts(own: DataFrame, options: dict[str, Any], tasks: int) -> DataFrame:
    """A part for each range of amounts, as rows of ``_PART``."""
    options = {name: value for name, value in options.items() if value is not None}
    version = concentra.__version__

    def sum_up(batches: Iterable[Any]) -> Iterator[Any]:
        check(version)
        context = TaskContext.get()
        part = context.partitionId() if context else 0
        for table in pieces(batches, None):
            runs = concentra.analyze(table, partial=True, **options).to_arrow()
            sums = runs.drop_columns(["amounts"])
            stream = pyarrow.BufferOutputStream()
            with pyarrow.ipc.new_stream(stream, sums.schema) as writer:
                writer.write_table(sums)
            yield _rows(part, [_SUMS], [stream.getvalue().to_pybytes()])
            for first in range(0, runs.num_rows, _BATCH):
                amounts = runs["amounts"].slice(first, _BATCH).to_pylist()
                yield _rows(part, list(range(first, first + len(amounts))), amounts)

    order = [F.col("amount")]
    if isinstance(own.schema["amount"].dataType, StringType):
        # Doubles are in the order of the amounts that they are made of. Hexadecimal digits are in that of their length.
        double = F.expr("try_cast(amount as double)")
        order = [double, F.when(double.isNull(), F.length("amount")), F.when(double.isNull(), F.col("amount"))]
    return own.repartitionByRange(tasks, "number", *order).mapInArrow(sum_up, _PART)


def _rows(part: int, runs: list[int], data: list[bytes]) -> Any:
    columns = [
        pyarrow.array([part] * len(runs), pyarrow.int32()),
        pyarrow.array(runs, pyarrow.int64()),
        pyarrow.array(data, pyarrow.binary()),
    ]
    return pyarrow.RecordBatch.from_arrays(columns, names=_PART.names)


def _sums(job: DataFrame) -> list[tuple[int, Any]]:
    """Each part and its runs, without amounts."""
    rows = job.where(F.col("run") == _SUMS).orderBy("part").collect()
    return [(row["part"], pyarrow.ipc.open_stream(row["data"]).read_all()) for row in rows]


def _with_amounts(parts: list[tuple[DataFrame, int, Any]], merging: dict[str, Any]) -> list[Any]:
    """The runs of each part, with the amounts of those in which answers lie; all others stay where they are."""
    light = [sums.append_column("amounts", pyarrow.nulls(len(sums), pyarrow.binary())) for _, _, sums in parts]
    arguments = [*concentra._arguments("merge", merging), "--", _concentra._NO_PATH]
    wanted = set(_concentra._wanted(arguments, light))
    runs: list[list[int]] = []
    before = 0
    for _, _, sums in parts:
        runs.append([run for run in range(len(sums)) if before + run in wanted])
        before += len(sums)
    # One request of each job.
    fetched: dict[tuple[int, int, int], bytes] = {}
    for job in {id(job): job for job, _, _ in parts}.values():
        keys = [(part << 32) + run for (of, part, _), own in zip(parts, runs) if of is job for run in own]
        key = F.shiftleft(F.col("part").cast("bigint"), 32) + F.col("run")
        for row in job.where((F.col("run") != _SUMS) & key.isin(keys)).collect() if keys else []:
            fetched[id(job), row["part"], row["run"]] = bytes(row["data"])
    tables = []
    for job, part, sums in parts:
        amounts = [fetched.get((id(job), part, run)) for run in range(len(sums))]
        tables.append(sums.append_column("amounts", pyarrow.array(amounts, pyarrow.binary())))
    return tables


def pieces(batches: Iterable[Any], most: int | None) -> Iterator[Any]:
    """Batches as tables of about so many rows, or one of all: concentra takes its time with each."""
    waiting: list[Any] = []
    rows = 0
    for batch in batches:
        waiting.append(batch)
        rows += batch.num_rows
        if most is not None and rows >= most:
            yield pyarrow.Table.from_batches(waiting).combine_chunks()
            waiting, rows = [], 0
    if waiting:
        yield pyarrow.Table.from_batches(waiting).combine_chunks()


def check(version: str) -> None:
    """Refuses to go on with what another version began."""
    if concentra.__version__ != version:
        raise concentra.ConcentraError(f"concentra is {version} on the driver, but {concentra.__version__} here")
