"""Every function, on paths and tables, against the command line."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import sysconfig
import threading
import time
import typing
from pathlib import Path

import duckdb
import numpy
import pandas
import polars
import pyarrow
import pyarrow.parquet
import pytest

import concentra
from concentra import _concentra, _options

COMMAND = Path(sysconfig.get_path("scripts")) / "concentra"


def typed(*words: str | Path) -> pyarrow.Table:
    """What the command line writes."""
    done = subprocess.run([COMMAND, *words, "--format", "parquet", "-q"], capture_output=True, check=True)
    return pyarrow.parquet.read_table(pyarrow.BufferReader(done.stdout))


def same(result: concentra.Result, table: pyarrow.Table, but: tuple[str, ...] = ()) -> None:
    """Equal to the bit, but for some columns."""
    ours = result.to_arrow()
    names = [name for name in table.column_names if name not in but]
    assert [name for name in ours.column_names if name not in but] == names
    for name in names:
        assert ours[name].type == table[name].type, name
        assert ours[name].to_pylist() == table[name].to_pylist(), name


def test_the_uni_airdrop_from_everything(real: Path) -> None:
    path = real / "holders/uni_airdrop_2020-09-01.parquet"
    golden = json.loads((real / "GOLDEN.json").read_text())
    own = golden["holders/uni_airdrop_2020-09-01.parquet"]
    expected = typed("analyze", path)
    [row] = expected.to_pylist()
    known = [name for name in own if name in row and isinstance(own[name], (int, float, str))]
    assert {"total", "n_holders", "gini", "hhi", "nakamoto_1_2", "top_10_share"} <= set(known)
    # Logarithms are promised to a billionth, all else nearly to the last bit.
    logarithms = {"theil_t", "theil_l", "atkinson_0_5", "atkinson_1", "hill_alpha", "shannon_entropy", "entropy_normalized",
                  "min_entropy"}
    for name in known:
        near = 1e-9 if name in logarithms else 1e-13
        golden_value = pytest.approx(own[name], rel=near) if isinstance(own[name], float) else own[name]
        assert row[name] == golden_value, name
    same(concentra.analyze(path), expected)
    table = pyarrow.parquet.read_table(path)
    for source in [polars.read_parquet(path), table, duckdb.sql(f"from '{path}'"), pandas.read_parquet(path)]:
        # A table has no name that could be its snapshot.
        same(concentra.analyze(source), expected, but=("snapshot",))


@pytest.mark.filterwarnings("ignore::concentra.ConcentraWarning")
def test_every_command_equals_the_command_line(data: Path, tmp_path: Path) -> None:
    lark, base, votes = data / "holders/lark", data / "holders/base.parquet", data / "governance/votes.parquet"
    same(
        concentra.analyze(lark, decimals=18, exclude=["burn"], metrics=["gini", "lorenz"], top=[5, 20]),
        typed("analyze", lark, "--decimals", "18", "--exclude", "burn", "--metrics", "gini,lorenz", "--top", "5,20"),
    )
    swept = concentra.sweep(lark, top_holders=["all", 100, "10%"], metrics="gini")
    same(swept, typed("sweep", lark, "--top-holders", "all,100,10%", "--metrics", "gini"))
    assert len(swept.summary) == 12
    by = ["dao", "proposal_id"]
    powers = concentra.power(votes, by=by, quota="1/2")
    same(powers, typed("power", votes, "--by", ",".join(by), "--quota", "1/2"))
    assert {"dao", "proposal_id"} <= set(powers.games.columns)
    changed = concentra.change(lark, every=4, metrics="gini")
    same(changed, typed("change", lark, "--every", "4", "--metrics", "gini"))
    assert changed.vintages.columns[-1] == "share"
    flown = concentra.flows(base, by=["date", "token_address"], between=["2025-01-06", "2025-03-24"])
    same(flown, typed("flows", base, "--by", "date,token_address", "--between", "2025-01-06,2025-03-24"))
    built = concentra.snapshot(data / "transfers", at=[21_715_200, 22_118_400])
    same(built, typed("snapshot", data / "transfers", "--at", "21715200,22118400"))
    compared = concentra.compare(lark, devices="cpu", runs=1)
    assert compared.note is not None and "cpu" in compared.note and "stage" in compared.columns
    [made] = concentra.generate(tmp_path / "made.parquet", rows=1000, seed=7)
    assert made == tmp_path / "made.parquet"
    assert concentra.analyze(made).to_arrow()["n_rows"].to_pylist() == [1000]
    assert concentra.devices()["threads"] >= 1
    assert concentra.metrics("gini")[0]["name"] == "gini" and len(concentra.metrics()) > 30


@pytest.mark.filterwarnings("ignore::concentra.ConcentraWarning")
def test_tables_as_they_come(data: Path) -> None:
    path = data / "holders/base.parquet"
    expected = typed("analyze", path)
    table = pyarrow.parquet.read_table(path)
    half = table.num_rows // 2
    # Chunked, sliced, and as other types hold the same.
    chunked = pyarrow.concat_tables([table.slice(0, half), table.slice(half)])
    padded = pyarrow.concat_tables([table.slice(3, 5), table, table.slice(0, 7)]).slice(5, table.num_rows)
    encoded = table
    for name in ["token_address", "chain"]:
        at = encoded.column_names.index(name)
        encoded = encoded.set_column(at, name, encoded[name].dictionary_encode())
    at = encoded.column_names.index("balance_str")
    encoded = encoded.set_column(at, "balance_str", encoded["balance_str"].cast(pyarrow.string_view()))
    for source in [chunked, padded, encoded, polars.from_arrow(table), table.to_reader(max_chunksize=100)]:
        same(concentra.analyze(source), expected)
    # Several at once, tables and paths alike.
    both = concentra.analyze([table.slice(0, half), table.slice(half)], owners="merge")
    same(both, typed("analyze", path, "--owners", "merge"))
    # Nothing at all.
    nothing = concentra.analyze(table.slice(0, 0))
    assert len(nothing) == 0 and nothing.columns[:2] == ["date", "chain"]
    assert len(concentra.analyze(polars.DataFrame({"balance": []}, schema={"balance": polars.UInt64}), by="none")) == 1


def test_results_are_arrow_streams(data: Path, tmp_path: Path) -> None:
    result = concentra.analyze(data / "holders/lark", metrics="gini,lorenz")
    assert polars.DataFrame(result).height == len(result) == 12
    assert duckdb.sql("select count(*) from result").fetchall() == [(12,)]
    assert result.to_polars()["gini"].to_list() == result.to_pandas()["gini"].to_list()
    assert pyarrow.schema(result).field("gini").type == pyarrow.float64()
    assert "concentra.options" in result.metadata
    html = result._repr_html_()
    assert "<table" in html and "12 rows" in html and "<script" not in html
    assert "gini" in repr(result)
    assert result.records.to_arrow()["stage"].to_pylist().count("open") == 12
    with pytest.raises(AttributeError, match="records"):
        _ = result.games
    # A stream is taken once, the result gives as many as one likes.
    reader = pyarrow.RecordBatchReader.from_stream(result)
    reader.read_all()
    assert pyarrow.table(result).num_rows == 12
    result.write(tmp_path / "r.parquet")
    typed_file = tmp_path / "t.parquet"
    line = [COMMAND, "analyze", data / "holders/lark", "--metrics", "gini,lorenz", "-o", typed_file, "-q"]
    subprocess.run(line, check=True)
    assert typed_file.read_bytes() == (tmp_path / "r.parquet").read_bytes()
    with pytest.raises(concentra.UsageError, match="exists.*overwrite=True"):
        result.write(tmp_path / "r.parquet")
    result.write(tmp_path / "r.csv")
    assert (tmp_path / "r.csv").read_text().startswith("block_number,")


def test_errors_say_what_and_where(data: Path, tmp_path: Path) -> None:
    with pytest.raises(concentra.InputError, match="no such file") as missing:
        concentra.analyze(tmp_path / "none.parquet")
    assert missing.value.file == str(tmp_path / "none.parquet")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 is no file")
    with pytest.raises(concentra.InputError, match="bad.parquet"):
        concentra.analyze(tmp_path / "bad.parquet")
    frame = polars.DataFrame({"address": ["a", "b"], "balance": ["1", "x"]})
    with pytest.raises(concentra.InputError, match=r"the table: column `balance`, row 2: .*not a number"):
        concentra.analyze(frame)
    for wrong, text in [
        (dict(decimls=3), "decimls"),
        (dict(top_holders=-1), "top-holders"),
        (dict(output="x.parquet"), "returned"),
        (dict(timing=True), "returned"),
        (dict(config="x.toml"), "command line"),
        (dict(by=["a,b"]), "comma"),
        (dict(cumulative=True), "snapshots"),
    ]:
        with pytest.raises(concentra.UsageError, match=text):
            concentra.analyze(frame, **wrong)  # type: ignore[arg-type]
    with pytest.raises(concentra.UsageError, match="labels takes a path"):
        concentra.analyze(frame, labels=frame)  # type: ignore[arg-type]
    with pytest.raises(concentra.UsageError, match="int is no path"):
        concentra.analyze(3)  # type: ignore[arg-type]
    for source, text in [([], "no input"), ("\0", "null"), ({"a": 1}, "dict"), (b"x", "bytes"), (frame.lazy(), "collect")]:
        with pytest.raises(concentra.UsageError, match=text) as wrong_source:
            concentra.analyze(source)  # type: ignore[arg-type]
        assert wrong_source.value.file is None
    again = pickle.loads(pickle.dumps(missing.value))
    assert type(again) is concentra.InputError and str(again) == str(missing.value)
    with pytest.raises(concentra.DeviceError):
        concentra.analyze(data / "holders/lark", device="no such device", require_gpu=True)
    assert issubclass(concentra.UsageError, concentra.ConcentraError)
    with pytest.warns(concentra.ConcentraWarning, match="no column of tokens"):
        concentra.snapshot(
            polars.DataFrame({"block": [1], "from": ["0x" + "0" * 40], "to": ["a"], "value": [5]}), at=[2]
        )


def test_a_stream_that_is_closed_or_breaks(data: Path) -> None:
    table = pyarrow.parquet.read_table(data / "holders/base.parquet")

    class Once:
        """A stream that somebody has taken already is closed."""

        taken = table.__arrow_c_stream__()

        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            return self.taken

    assert len(concentra.analyze(Once(), metrics="gini")) > 0
    with pytest.raises(Exception, match="released"):
        concentra.analyze(Once())
    # One that is read to its end has no rows left.
    reader = table.to_reader()
    reader.read_all()
    with pytest.warns(concentra.ConcentraWarning, match="no rows"):
        assert len(concentra.analyze(reader)) == 0

    def broken() -> typing.Iterator[pyarrow.RecordBatch]:
        yield pyarrow.record_batch({"balance": [1]})
        raise ValueError("the well is dry")

    schema = pyarrow.schema({"balance": pyarrow.int64()})
    with pytest.raises(concentra.InputError, match="the well is dry"):
        concentra.analyze(pyarrow.RecordBatchReader.from_batches(schema, broken()))

    def stopped() -> typing.Iterator[pyarrow.RecordBatch]:
        yield pyarrow.record_batch({"balance": [1]})
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        concentra.analyze(pyarrow.RecordBatchReader.from_batches(schema, stopped()))


@pytest.mark.filterwarnings("ignore::concentra.ConcentraWarning")
def test_what_only_tables_can_hold() -> None:
    # More digits than a decimal of 38 has, as DuckDB hands its HUGEINT over.
    owners = duckdb.sql(
        "select 170141183460469231731687303715884105721::hugeint as owner, 5 as balance "
        "union all select 170141183460469231731687303715884105722::hugeint, 6"
    )
    assert concentra.analyze(owners, by="none", owners="merge").to_arrow()["n_holders"].to_pylist() == [2]
    largest = duckdb.sql("select (2::hugeint ** 126)::hugeint * 1 as balance")
    assert concentra.analyze(largest, by="none").to_arrow()["total"].to_pylist() == [str(2**126)]
    # Bytes that are a type of their own are no amounts.
    with pytest.raises(concentra.InputError, match="amount"):
        concentra.analyze(duckdb.sql("select 'a' as address, ('1' || repeat('0', 68))::bignum as balance"), by="none")
    # Text that is none.
    buffers = [pyarrow.py_buffer(b"\x00\x00\x00\x00\x02\x00\x00\x00"), pyarrow.py_buffer(b"x\xf0")]
    broken = pyarrow.StringArray.from_buffers(1, *buffers)
    for table in [{"balance": broken}, {"token": broken, "balance": [1]}, {"address": broken, "balance": [1]}]:
        with pytest.raises(concentra.InputError, match="no UTF-8"):
            concentra.analyze(pyarrow.table(table), by="none")


def test_values_arrive_however_they_are_held() -> None:
    frame = polars.DataFrame({"address": ["a", "A", "b", "b"], "week": [1, 1, 2, 2], "balance": [1, 2, 3, 4]})
    plain = concentra.analyze(frame, by=["week"], owners="merge", metrics=["gini"], top=[5], decimals=0)
    same(concentra.analyze(frame, by=("week",), owners="merge", metrics={"gini"}, top=range(5, 6), decimals=numpy.int64(0),
                           exclude=[], labels=[], entities=numpy.bool_(False), top_holders=None), plain.to_arrow())
    swept = concentra.sweep(frame, by="week", top_holders=["all", 1.0, numpy.int32(2)], metrics=["gini"])
    assert sorted(set(swept.to_arrow()["top_holders"].to_pylist())) == ["1", "2", "all"]


def test_two_at_once(data: Path) -> None:
    expected = concentra.analyze(data / "holders/lark").to_arrow()
    found: list[pyarrow.Table] = []
    work = [threading.Thread(target=lambda: found.append(concentra.analyze(data / "holders/lark").to_arrow()))
            for _ in range(4)]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    assert len(found) == 4 and all(table.equals(expected) for table in found)


def test_others_run_meanwhile(tmp_path: Path) -> None:
    [made] = concentra.generate(tmp_path / "m.parquet", rows=2_000_000, encoding="u64", no_owner=True)
    ticks = 0
    done = threading.Event()

    def count() -> None:
        nonlocal ticks
        while not done.is_set():
            ticks += 1
            time.sleep(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    concentra.analyze(made, threads=1)
    done.set()
    thread.join()
    assert ticks > 5, "the interpreter was held"


def test_ctrl_c(tmp_path: Path) -> None:
    [made] = concentra.generate(tmp_path / "m.parquet", rows=3_000_000, groups=300_000)
    code = (
        "import concentra, signal, os, threading\n"
        "threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
        "try:\n"
        f"    [concentra.analyze({str(made)!r}, owners='merge') for _ in range(100)]\n"
        "except KeyboardInterrupt:\n"
        "    print('stopped')\n"
    )
    began = time.monotonic()
    line = [sys.executable, "-c", code]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
    assert done.stdout == "stopped\n", done.stderr
    assert time.monotonic() - began < 30
    # What a watcher raises ends the work, too.
    def refuse(stage: str, done: int, rows: int) -> None:
        raise LookupError(stage)

    with pytest.raises(LookupError):
        for _ in range(100):
            concentra.analyze(made, progress=refuse)


def test_keyword_arguments_mirror_the_flags() -> None:
    # What is returned, shown or configured there is so here by other means.
    elsewhere = {"output", "format", "overwrite", "timing", "records", "trace", "explain", "cohort-table", "summary",
                 "games", "vintages", "config", "print-config", "color", "progress", "quiet", "verbose", "help"}
    for command in ["analyze", "merge", "sweep", "power", "change", "flows", "snapshot", "compare", "generate"]:
        keys = typing.get_type_hints(getattr(_options, command.title()))
        flags = {key.rstrip("_").replace("_", "-") for key in keys}
        ours = flags | ({"output"} if command == "generate" else set())
        own = elsewhere - {"overwrite", "output"} if command == "generate" else elsewhere
        assert ours == set(_concentra._flags(command)) - own, command


def test_the_console_script_is_the_command_line(data: Path) -> None:
    done = subprocess.run([COMMAND, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"concentra {concentra.__version__}\n"
    done = subprocess.run([COMMAND, "analyze", "none.parquet"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "") and "no such file" in done.stderr
    done = subprocess.run([COMMAND, "analyse"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "analyze" in done.stderr


def test_dictionaries_of_bytes_of_one_length(tmp_path: Path) -> None:
    """Arrow has such columns, and its reader of Parquet in Rust cannot make them."""

    def column(length: int, values: list[int]) -> pyarrow.Array:
        cells = [value.to_bytes(length, "big") for value in values]
        return pyarrow.array(cells, pyarrow.binary(length)).dictionary_encode()

    path = tmp_path / "log.parquet"
    log = pyarrow.table({
        "block_number": [1, 2, 3],
        "erc20": column(20, [7, 7, 7]),
        "from_address": column(20, [0, 0, 1]),
        "to_address": column(20, [1, 1, 2]),
        "value_binary": column(32, [10, 20, 5]),
    })
    pyarrow.parquet.write_table(log, path)
    result = concentra.snapshot(path, at=[4], nfts="keep").to_arrow()
    assert result["balance"].to_pylist() == ["25", "5"]
    assert result["address"].to_pylist() == [value.to_bytes(20, "big") for value in (1, 2)]
