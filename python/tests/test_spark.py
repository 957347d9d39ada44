"""Groups of a Spark data frame against one machine, on executors that are processes of their own."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow
import pytest

import concentra

if os.environ.get("CONCENTRA_TEST_SPARK") != "require":
    pytest.importorskip("pyspark", reason="SKIPPED: no pyspark; CONCENTRA_TEST_SPARK=require makes that an error")
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.skip("SKIPPED: no Java; CONCENTRA_TEST_SPARK=require makes that an error", allow_module_level=True)

import concentra.spark
import pyspark
from concentra import _spark_parts
from pyspark import TaskContext
from pyspark.errors import PythonException
from pyspark.sql import SparkSession

pytestmark = [
    pytest.mark.filterwarnings("ignore::concentra.ConcentraWarning"),
    # It says so of version 3 at every use.
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning"),
]


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Spark as it is installed, with a folder for what executors write, which would lie among its files."""
    home = tmp_path_factory.mktemp("spark")
    for part in ["bin", "jars"]:
        (home / part).symlink_to(Path(pyspark.__file__).parent / part)
    return home


@pytest.fixture(scope="session")
def spark(home: Path) -> Iterator[SparkSession]:
    """A cluster of two executors of one core and 1 GB."""
    settings = {
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        # Of short lives, on few cores.
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        "spark.executor.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        "spark.executor.memory": "1g",
        "spark.local.dir": str(home / "local"),
        "spark.log.level": "ERROR",
        "spark.sql.session.timeZone": "Asia/Kolkata",
        "spark.sql.shuffle.partitions": "4",
        "spark.task.maxFailures": "2",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_HOME", str(home))
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        session = SparkSession.builder.master("local-cluster[2,1,1024]").config(map=settings).getOrCreate()
        yield session
        session.stop()


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """Makes a file of this encoding and many groups of uneven sizes."""
    folder = tmp_path_factory.mktemp("made")

    def make(encoding: str, rows: int, groups: int) -> str:
        path = folder / f"{encoding}-{rows}-{groups}.parquet"
        concentra.generate(
            path, rows=rows, groups=groups, snapshots=10, group_sizes="zipf", encoding=encoding, no_owner=True,
            row_group_rows=rows // 8,
        )
        return str(path)

    yield make
    shutil.rmtree(folder)


def same(found: pyarrow.Table, one: concentra.Result, by: list[str]) -> None:
    """Equal to the bit, but for what computed it and the order of rows."""
    expected = one.to_arrow()
    assert found.column_names == expected.column_names
    assert found.num_rows == expected.num_rows
    expected = expected.cast(found.schema)
    order = [(name, "ascending") for name in by]
    found, expected = (table.sort_by(order) if by else table for table in (found, expected))
    for name in set(found.column_names) - {"backend", "adapter", "backend_note"}:
        assert bits(found[name]).equals(bits(expected[name])), name


def bits(column: pyarrow.ChunkedArray) -> pyarrow.Array:
    """Doubles as integers: -0 is not 0, and NaN is NaN."""
    array = column.combine_chunks()
    if pyarrow.types.is_list(array.type):
        return array.view(pyarrow.list_(pyarrow.int64()))
    return array.view(pyarrow.int64()) if array.type == pyarrow.float64() else array


@pytest.mark.parametrize("owners", ["trust", "merge"])
def test_what_liquidity_providers_earned_each_week(spark: SparkSession, real: Path, owners: Any) -> None:
    folder = str(real / "lp/balancer_weekly")
    found = concentra.spark.analyze(spark.read.parquet(folder), by="week", owners=owners, rows_per_task=100_000)
    table = found.toArrow()
    assert table.num_rows == 97 and sum(table["n_rows"].to_pylist()) == 790_975
    assert found.rdd.getNumPartitions() == 8
    same(table, concentra.analyze(folder, by="week", owners=owners), ["week"])


@pytest.mark.parametrize(("encoding", "rows"), [("f64", 10_000_000), ("decimal128", 2_000_000)])
def test_many_groups_of_uneven_sizes(spark: SparkSession, made: Callable[..., str], encoding: str, rows: int) -> None:
    path, by = made(encoding, rows, rows // 500), ["block_number", "token"]
    found = concentra.spark.analyze(spark.read.parquet(path), by=by, rows_per_task=rows // 5).toArrow()
    sizes = found["n_rows"].to_pylist()
    assert sum(sizes) == rows and max(sizes) > 1_000 * min(sizes)
    same(found, concentra.analyze(path, by=by), by)


@pytest.mark.parametrize(("encoding", "rows"), [("f64", 10_000_000), ("decimal-text", 200_000), ("hex", 200_000)])
def test_one_distribution_larger_than_a_task(
    spark: SparkSession, made: Callable[..., str], encoding: str, rows: int
) -> None:
    path = made(encoding, rows, 10)
    df = spark.read.parquet(path)
    found = concentra.spark.analyze(df, by="none", rows_per_task=rows // 6, large=rows - 1, top=[5], threshold=["2/3"])
    same(found.toArrow(), concentra.analyze(path, by="none", top=[5], threshold=["2/3"]), [])


def test_large_groups_beside_small_ones(spark: SparkSession) -> None:
    # Ties at borders, half of all to the last digit, decimals and doubles of many sizes, null keys, and null amounts.
    df = spark.range(60_000).selectExpr(
        "if(id % 3 = 0, null, if(id % 7 < 6, id % 3, id % 900)) as `the.token`",
        "if(id % 11 = 0, null, concat(id % 500 * id, '.', lpad(id % 40, 2, '0'))) as text",
        "if(id % 11 = 0, 0, exp(id % 1000 / 100) * pow(2, id % 90 - 45)) as double",
        "cast(id % 200 as decimal(38,4)) * 100000000000000000000 as money",
        "concat('0x', lpad(hex(id % 700), 40, '0')) as address",
    )
    table = df.toArrow()
    for options in [
        {"amount": "text", "exclude": ["burn"]},
        {"amount": "double"},
        {"amount": "money", "metrics": ["gini", "nakamoto_1_2", "whales_1pct"]},
    ]:
        found = concentra.spark.analyze(df, by="the.token", large=15_000, rows_per_task=4_000, **options)
        assert found.schema["the.token"] == df.schema["the.token"] and found.schema["gini"].metadata["title"]
        same(found.toArrow(), concentra.analyze(table, by="the.token", **options), ["the.token"])


def test_columns_as_spark_has_them(spark: SparkSession) -> None:
    df = spark.range(3_000).selectExpr(
        "if(id % 5 = 0, null, timestamp_seconds(id % 5 * 86400 + 1700000000)) as time",
        "if(id % 3 = 0, null, unhex(lpad(id % 3, 40, '0'))) as token",
        "cast(id % 2 as decimal(38,0)) as `the.pool`",
        "concat('0x', lpad(hex(id % 700), 40, 'aB')) as Owner",
        "cast(id as decimal(38,0)) * 1000000000000000000000000 as whole",
        "if(id % 7 = 0, null, exp(id / 100)) as double",
        "concat(id * id, '.', id % 10) as text",
        "unhex(lpad(hex(id * id), 64, '0')) as bytes",
        "double(id % 90) as Reward",
        "array(id) as nested",
    )
    by, table = ["time", "token", "the.pool"], df.toArrow()
    for options in [
        {"amount": "whole", "owners": "merge", "exclude": ["burn"]},
        {"amount": "double", "top": [5], "threshold": "3/4", "metrics": ["gini", "lorenz"]},
        {"amount": "text", "decimals": 1, "top_holders": "10%"},
        {"amount": "bytes", "reward": "reward", "min_amount": 9},
    ]:
        found = concentra.spark.analyze(df, by=by, rows_per_task=1_000, **options)
        assert found.schema.fields[:3] == [df.schema[name] for name in by]
        same(found.toArrow(), concentra.analyze(table, by=by, **options), by)
    # All rows as one, and none.
    for rows, one in [(3_000, "none"), (0, "none"), (0, "token")]:
        found = concentra.spark.analyze(df.limit(rows), by=one, amount="text", metrics="gini")
        same(found.toArrow(), concentra.analyze(table.slice(0, rows), by=one, amount="text", metrics="gini"), [])
    assert found.schema["n_rows"].simpleString() == "n_rows:bigint"
    assert found.schema["gini"].metadata["title"] == "Gini coefficient"


def test_what_is_wrong_is_said_on_the_driver(spark: SparkSession) -> None:
    df = spark.createDataFrame([("a", "-1", 2.5)], ["token", "balance_str", "balance"])
    negative = 'concentra.InputError: the table: column `balance_str`, row 1: the amount "-1" is negative; drop such rows'
    with pytest.raises(PythonException, match=negative):
        concentra.spark.analyze(df, by="token").collect()
    [row] = concentra.spark.analyze(df, by="token", negatives="drop").collect()
    assert (row.token, row.n_negative, row.n_holders) == ("a", 1, 0)
    for wrong, text in [
        ({"by": None}, 'name the columns of the groups, or "none"'),
        ({"by": "tokn"}, "no column `tokn` for --by; did you mean `token`"),
        ({"by": "snapshot"}, "no column `snapshot`"),
        ({"amount": "amounts"}, "no column `amounts` for --amount"),
        ({"owners": "merge"}, "no owner column"),
        ({"rows_per_task": 0}, "rows_per_task"),
        ({"output": "x.parquet"}, "results are returned"),
        ({"cumulative": True}, "not for Spark: it compares groups"),
        ({"progress": True}, "not for Spark"),
    ]:
        with pytest.raises((concentra.UsageError, concentra.InputError), match=text):
            concentra.spark.analyze(df, **{"by": "token", **wrong})


@pytest.mark.filterwarnings("default::concentra.ConcentraWarning")
def test_what_the_user_should_know(spark: SparkSession, home: Path) -> None:
    df = spark.createDataFrame([("a", "100", 100.0), ("a", "1", 1.0)], ["token", "balance_str", "balance"])
    with pytest.warns(concentra.ConcentraWarning) as told:
        concentra.spark.analyze(df, by="token", amount="balance", large=1, min_amount=1).collect()
    texts = [str(warning.message) for warning in told if warning.category is concentra.ConcentraWarning]
    assert texts == [
        "the table: amounts are taken from the double `balance` although `balance_str` is exact",
        "the largest group has 2 rows, all of which one task holds",
    ]
    # Of what a task sees, its executor's log has it.
    until(lambda: any("one amount above all" in log.read_text() for log in home.glob("work/*/*/stderr")))


def test_an_executor_is_killed(spark: SparkSession, made: Callable[..., str], tmp_path: Path) -> None:
    path, by = made("u64", 200_000, 400), ["block_number", "token"]
    measured = concentra.spark.analyze(spark.read.parquet(path), by=by, rows_per_task=20_000)
    holding = tmp_path / "holding"

    def lost() -> bool:
        executors = spark.sparkContext._jsc.sc().statusStore().executorList(False)
        return any(not executors.apply(at).isActive() for at in range(executors.size()))

    def hold(batches: Any) -> Iterator[Any]:
        # In the tasks that measure.
        executor = os.getppid()
        while b"CoarseGrainedExecutorBackend" not in Path(f"/proc/{executor}/cmdline").read_bytes():
            executor = int(Path(f"/proc/{executor}/stat").read_text().rpartition(")")[2].split()[1])
        task = f"{TaskContext.get().partitionId()}-{executor}"
        (tmp_path / task).touch()
        for batch in batches:
            # The third of ten on two cores: at least one is done, and some have not begun.
            if len(list(tmp_path.glob("*-*"))) >= 3:
                try:
                    with open(holding, "x") as file:
                        file.write(task)
                except FileExistsError:
                    pass
                else:
                    time.sleep(60)
                    raise TimeoutError("nobody killed the executor")
            yield batch

    def kill() -> None:
        until(lambda: holding.exists() and "-" in holding.read_text())
        os.kill(int(holding.read_text().split("-")[1]), signal.SIGKILL)

    assert not lost()
    killer = threading.Thread(target=kill)
    killer.start()
    table = measured.mapInArrow(hold, measured.schema).toArrow()
    killer.join()
    same(table, concentra.analyze(path, by=by), by)

    partition, killed = holding.read_text().split("-")
    tasks = [path.name.split("-") for path in tmp_path.glob("*-*")]
    assert [other for again, other in tasks if again == partition and other != killed], "the task was not tried again"
    assert len({again for again, _ in tasks}) == 10
    until(lost)


def test_an_executor_is_killed_between_sums_and_amounts(
    spark: SparkSession, made: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = made("f64", 200_000, 10)
    application, fetch, killed = spark.sparkContext.applicationId, _spark_parts._with_amounts, []

    def kill_then_fetch(*arguments: Any) -> Any:
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            line = process.read_bytes() if process.exists() else b""
            if b"CoarseGrainedExecutorBackend" in line and application.encode() in line and not killed:
                killed.append(int(process.parent.name))
                os.kill(killed[0], signal.SIGKILL)
        return fetch(*arguments)

    monkeypatch.setattr(_spark_parts, "_with_amounts", kill_then_fetch)
    found = concentra.spark.analyze(spark.read.parquet(path), by="none", rows_per_task=20_000, large=1).toArrow()
    # Its part of what was kept is made again.
    assert killed and not Path(f"/proc/{killed[0]}").exists()
    same(found, concentra.analyze(path, by="none"), [])


def until(true: Callable[[], object], seconds: float = 60) -> None:
    """Waits for what happens elsewhere."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)
