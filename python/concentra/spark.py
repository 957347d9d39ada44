"""Groups of a Spark data frame, each measured as on one machine.

Every executor needs this package, in the driver's version, and pyarrow; the driver needs pandas, too. Where the nodes have
them, ``spark-submit job.py`` runs a job. Elsewhere an archive brings an environment along; the Python that it was made
from must be at the same path on all nodes (``conda-pack`` packs that as well)::

    python3 -m venv env && . env/bin/activate
    pip install ./python pyarrow pandas venv-pack
    venv-pack -o env.tar.gz
    export PYSPARK_DRIVER_PYTHON=python PYSPARK_PYTHON=./env/bin/python
    spark-submit --archives env.tar.gz#env job.py

``PYSPARK_DRIVER_PYTHON`` is left out with ``--deploy-mode cluster``. ``job.py`` is::

    import concentra.spark
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.getOrCreate()
    holders = spark.read.parquet("s3a://bucket/holders/")
    found = concentra.spark.analyze(holders, by=["date", "token_address"], amount="balance", owners="merge")
    found.write.parquet("s3a://bucket/concentration/")
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow
import pyarrow.ipc
import pyspark.sql.functions as F
from pyspark import TaskContext
from pyspark.sql import DataFrame, Window
from pyspark.sql.types import (
    ArrayType,
    BooleanType,
    DataType,
    DoubleType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
)

import concentra
from concentra import _spark_parts as parts

__all__ = ["analyze"]

# Options that are refused, and what to do instead.
_REFUSED = {
    "snapshot": "name its column in by",
    "cumulative": "it compares groups, and here each is measured alone",
    "look_through": "it looks into other groups, and here each is measured alone",
    "look_through_depth": "it looks into other groups, and here each is measured alone",
    "rewards": "join them to the data frame, and name their column with reward",
    "keep_going": "there are no files here that could be left out",
    "progress": "Spark shows how far its tasks are",
    "partial": "large groups are measured in parts by themselves",
    "unit": "parts of large groups agree on it by themselves",
}

# Options with which nobody looks at owners. With any other, their column goes along.
_WITHOUT_OWNERS = {
    "decimals", "device", "memory_limit", "metrics", "min_amount", "min_value", "negatives", "price", "require_gpu",
    "reward", "temp_dir", "threads", "threshold", "top", "top_holders",
}

# What stands for the types of results. Spark has no unsigned integers; counts are far from where that matters.
_TYPES: dict[Any, DataType] = {
    pyarrow.bool_(): BooleanType(),
    pyarrow.int32(): IntegerType(),
    pyarrow.uint64(): LongType(),
    pyarrow.float64(): DoubleType(),
    pyarrow.string(): StringType(),
}

# Rows of a batch of results, each of some 2 kB.
_BATCH = 10_000


def analyze(
    df: DataFrame,
    by: str | Iterable[str] | None = None,
    amount: str | None = None,
    *,
    owner: str | None = None,
    rows_per_task: int = 4_000_000,
    large: int = 20_000_000,
    **options: Any,
) -> DataFrame:
    """Measures how concentrated each group is: one row per group, equal to the bit to :func:`concentra.analyze`.

    ``by`` names the columns of the groups; with ``"none"`` all rows are one, in one task. ``amount`` and ``owner`` are
    recognised by their names where they are not given. ``options`` are those of :func:`concentra.analyze`, but for those
    by which groups depend on each other. Files that they name (``labels``, ``cohorts``, lists of ``exclude``) must be at the
    same path on the driver and on all executors; ``memory_limit`` and ``temp_dir`` are each task's. Unless given, ``device``
    is ``"cpu"`` and ``threads`` is ``spark.task.cpus``.

    The rows of each group are counted at once, the rest runs when the result is used: ``df`` is read twice, so cache it
    where that is costly. Then its columns that are needed are shuffled by group. A task holds ``rows_per_task`` rows on
    average, always whole groups. Its Python process takes some 150 bytes a row, or 350 where owners are merged, and
    ``spark.executor.memoryOverhead`` is room for that.

    A group of more than ``large`` rows is held by no task, and measured at once: tasks sum the holders of ranges of its
    amounts, the driver appends the sums, and looks into those few thousand holders alone in which a percentile, a threshold
    or a point of the Lorenz curve lies. Text and doubles are read once more before, for tasks to agree on the unit. With
    that go ``exclude``, ``labels``, ``negatives`` and what chooses metrics; with other options one task holds the group,
    which is warned of. Rows of equal amounts stay in one task, too. ``df`` is read four times then, or five.

    The result has the columns of :func:`concentra.analyze`, and the metadata of each field says what it means. Group
    columns have the types of ``df``, counts are ``bigint``, ``lorenz`` and its like arrays of ``double``. Rows are in no
    order. A table of cohorts is not returned.

    Raises :class:`concentra.UsageError` or :class:`concentra.InputError` where arguments or columns are wrong. What is wrong
    in a cell, such as a negative amount, is raised when the result is used: Spark's ``PythonException`` has concentra's
    message, in which rows are numbered within the task. What a task warns of is written to its executor's stderr, and is
    said of the task's groups alone.

    >>> found = analyze(df, by=["date", "token_address"], metrics=["gini", "nakamoto_1_2"])  # doctest: +SKIP
    >>> found.orderBy("date").select("date", "token_address", "n_holders", "gini").show()  # doctest: +SKIP
    """
    by = by.split(",") if isinstance(by, str) else list(by or [])
    if not by:
        raise concentra.UsageError('by: name the columns of the groups, or "none" to make all rows one')
    for name, rows in [("rows_per_task", rows_per_task), ("large", large)]:
        if rows < 1:
            raise concentra.UsageError(f"{name}: at least 1 row, not {rows}")
    options = {"device": "cpu", **{name: value for name, value in options.items() if value is not None}}
    for name in options.keys() & _REFUSED.keys():
        raise concentra.UsageError(f"{name} is not for Spark: {_REFUSED[name]}")

    groups, amount, owner = _roles(df, by, amount, owner)
    options["amount"] = amount
    if owner is not None and options.keys() - _WITHOUT_OWNERS - {"amount"}:
        options["owner"] = owner
    others = [_column(df, options[name]) for name in ("amount", "owner", "reward", "price") if name in options]
    needed = dict.fromkeys([*groups, *(name for name in others if name is not None)])
    df = df.select(*("`" + name.replace("`", "``") + "`" for name in needed))

    rows, larger = _sizes(df, groups, large)
    if larger and parts.fits(options):
        return _with_large_groups(df, groups, options, large, rows - sum(larger), rows_per_task)
    if larger:
        text = f"the largest group has {max(larger):,} rows, all of which one task holds"
        warnings.warn(text, concentra.ConcentraWarning, stacklevel=2)
    # All rows are in one task where they are one group.
    tasks = math.ceil(rows / rows_per_task) if groups else min(rows, 1)
    return _whole_groups(df, groups, options, tasks)


def _roles(df: DataFrame, by: list[str], amount: str | None, owner: str | None) -> tuple[list[str], str, str | None]:
    """The group columns, the amount and the owner, as they are called in ``df``."""
    found = _without_rows(df, by=by, amount=amount, owner=owner)
    for text in found.warnings:
        if text != "the input has no rows":
            warnings.warn(text, concentra.ConcentraWarning, stacklevel=3)
    [read] = json.loads(found.metadata["concentra.inputs"])
    for group in read["group"]:
        if group["from"] != "column":
            raise concentra.UsageError(f"by: there is no column `{group['name']}`")
    return list(dict.fromkeys(group["name"] for group in read["group"])), read["amount"], read["owner"]


def _without_rows(df: DataFrame, **options: Any) -> concentra.Result:
    """The result that ``df`` would have without rows."""
    with warnings.catch_warnings():
        # That there are none, and what follows from that.
        warnings.simplefilter("ignore", concentra.ConcentraWarning)
        return concentra.analyze(df.limit(0).toArrow(), **options)


def _column(df: DataFrame, name: Any) -> str | None:
    """The column of this name, whatever its case."""
    same = [column for column in df.columns if column.lower() == str(name).lower()]
    return name if name in same else next(iter(same), None)


def _counts(df: DataFrame, groups: list[str]) -> DataFrame:
    """The rows of each group, whose columns go by number."""
    keys = [F.col(f"_{at}") for at in range(len(groups))]
    return _numbered(df).groupBy(*keys).agg(F.count("*").alias("rows"))


def _sizes(df: DataFrame, groups: list[str], large: int) -> tuple[int, list[int]]:
    """The rows of ``df``, and those of each group of more than ``large``."""
    is_large = F.when(F.col("rows") > large, F.col("rows"))
    [(rows, larger)] = _counts(df, groups).agg(F.sum("rows"), F.collect_list(is_large)).collect()
    return int(rows or 0), larger


def _with_large_groups(
    df: DataFrame, groups: list[str], options: dict[str, Any], large: int, rest: int, rows_per_task: int
) -> DataFrame:
    """Measures groups of more than ``large`` rows in parts, the ``rest`` of the rows as whole groups."""
    # What is wrong with options shows before the work begins.
    nothing = _without_rows(df, **{**options, "by": groups or "none", "progress": False}).to_arrow()
    schema = _schema(nothing.schema, [df.schema[name] for name in groups])
    keys = [F.col(f"key_{at}") for at in range(len(groups))]
    larger = _counts(df, groups).where(F.col("rows") > large)
    larger = larger.select(*(F.col(f"_{at}").alias(f"key_{at}") for at in range(len(groups))))
    number = F.row_number().over(Window.orderBy(*keys)) if groups else F.lit(1)
    larger = F.broadcast(larger.withColumn("number", number).persist())
    # Null is a key like any other.
    same = F.lit(True)
    for at, key in enumerate(keys):
        same = same & F.col(f"_{at}").eqNullSafe(key)
    rows = _numbered(df)
    own = {name: df.columns.index(options[name]) for name in ("amount", "owner") if name in options}
    of_larger = rows.join(larger, same).select("number", *(F.col(f"_{at}").alias(name) for name, at in own.items()))
    found = _signed(parts.measure(of_larger, options, rows_per_task))

    # Names may have points in them, and go by number until the end.
    spark, width = df.sparkSession, found.num_columns
    measured = spark.createDataFrame(found.rename_columns(["number", *(f"_{at}" for at in range(1, width))]))
    columns = [*keys, *(F.col(f"_{at}") for at in range(1, width))]
    named = [column.alias(field.name, metadata=field.metadata) for column, field in zip(columns, schema)]
    measured = measured.join(larger, "number").select(*named)
    if rest == 0:
        return measured
    others = rows.join(larger, same, "left_anti").toDF(*df.columns)
    return _whole_groups(others, groups, options, math.ceil(rest / rows_per_task)).union(measured)


def _whole_groups(df: DataFrame, groups: list[str], options: dict[str, Any], tasks: int) -> DataFrame:
    """Measures groups in this many tasks, each group whole in one of them.

    ``df`` has the columns that are needed and no others, those of the groups first.
    """
    options = {**options, "by": groups or "none", "progress": False}
    # The driver needs no device.
    nothing = _without_rows(df, **{**options, "device": "cpu", "require_gpu": False}).to_arrow()
    schema = _schema(nothing.schema, [df.schema[name] for name in groups])
    if tasks == 0:
        # Without tasks nobody says that the group of all rows is empty.
        return df.sparkSession.createDataFrame(nothing.to_pylist(), schema)
    names, version = df.columns, concentra.__version__

    def measure(batches: Iterable[Any]) -> Iterator[Any]:
        return _measure(batches, names, options, version)

    numbered = _numbered(df)
    # Where their number is given, adaptive execution neither joins partitions nor splits them.
    shuffled = numbered.repartition(tasks, *numbered.columns[: len(groups)])
    return shuffled.mapInArrow(measure, schema)


def _numbered(df: DataFrame) -> DataFrame:
    """``df`` with numbers for names: Spark takes a point in a name for a field of a struct."""
    return df.toDF(*(f"_{at}" for at in range(len(df.columns))))


def _schema(found: Any, groups: list[StructField]) -> StructType:
    """The columns of the result: those of the groups as they are in ``df``, then what was found."""
    fields = []
    for field in list(found)[len(groups) :]:
        told = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
        fields.append(StructField(field.name, _type(field.type), True, told))
    return StructType([*groups, *fields])


def _type(kind: Any) -> DataType:
    if pyarrow.types.is_list(kind):
        return ArrayType(_type(kind.value_type), kind.value_field.nullable)
    return _TYPES[kind]


def _measure(batches: Iterable[Any], names: list[str], options: dict[str, Any], version: str) -> Iterator[Any]:
    """A task: the rows of whole groups in, a row per group out."""
    parts.check(version)
    context = TaskContext.get()
    options = {"threads": context.cpus() if context else 1, **options}
    for table in parts.pieces(batches, None):
        found = concentra.analyze(table.rename_columns(names), **options)
        yield from _signed(found.to_arrow()).to_batches(max_chunksize=_BATCH)


def _signed(found: Any) -> Any:
    """A result with signed counts."""
    types = [pyarrow.int64() if kind == pyarrow.uint64() else kind for kind in found.schema.types]
    return found.cast(pyarrow.schema(zip(found.column_names, types)))
