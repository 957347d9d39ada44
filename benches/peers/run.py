"""Times concentra beside other tools: the same files, the same metrics, alternating, in processes of their own."""

import argparse
import datetime
import importlib.metadata
import itertools
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
FLOOR = ROOT / "benches/floor/target/release/floor"
VENV = ROOT / "target/peers"
REQUIREMENTS = HERE / "requirements.txt"
PACKAGES = ["datafusion", "duckdb", "numpy", "polars", "pyarrow"]


@dataclass
class Program:
    """What is timed. Of the programs of one family the quickest stands in the tables."""

    family: str
    variant: str
    # Where the input and the output go.
    command: list
    # The same program doing nothing: what it takes to start.
    start: list
    # The format of its answers, None where it has none.
    answers: str | None = "csv"

    @property
    def name(self):
        return f"{self.family} {self.variant}".strip()


@dataclass
class Input:
    encoding: str
    groups: int
    order: str
    path: Path

    @property
    def name(self):
        return f"{self.encoding}, {self.groups:,} group{'s' * (self.groups > 1)}, {self.order}"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000, help="of each input")
    parser.add_argument("--groups", type=int, default=20_000, help="of the inputs with many groups")
    parser.add_argument("--row-group-rows", type=int, default=122_880, help="of each input")
    parser.add_argument("--files", type=int, default=10_000, help="of 1,000 rows, to see what a file costs")
    parser.add_argument("--runs", type=int, default=5, help="of each program on each input, after one not counted")
    parser.add_argument("--peers", default="polars,duckdb,datafusion,numpy,floor", help="those to run")
    parser.add_argument("--concentra", type=Path, default=ROOT / "target/release/concentra")
    parser.add_argument("--floor", type=Path, default=FLOOR)
    parser.add_argument("--machine", default=f"{os.cpu_count()}-core-{platform.machine()}", help="in the folder's name")
    parser.add_argument("--data", type=Path, help="keeps the inputs in this folder, for the next time")
    parser.add_argument("--output", type=Path, default=ROOT / "benches/runs", help="the folder of the record's folder")
    return parser.parse_args()


def programs(args):
    concentra, floor = str(args.concentra), str(args.floor)
    # All metrics of the contract, where the others compute seven.
    analyze = [concentra, "analyze", "--quiet", "{input}", "--by", "block_number,token"]
    yield Program("concentra", "", [*analyze, "--overwrite", "-o", "{output}"], [concentra, "--version"], "parquet")
    # -P: the scripts have the names of the packages that they import.
    python = [sys.executable, "-P"]
    variants = [("polars", "streaming"), ("polars", "in-memory"), ("duckdb", ""), ("datafusion", ""), ("numpy", "")]
    peers = args.peers.split(",")
    for family, variant in variants:
        if family not in peers:
            continue
        engine = ["--engine", variant] if variant else []
        package = "pyarrow.parquet" if family == "numpy" else family
        command = [*python, str(HERE / f"{family}.py"), *engine, "{input}", "{output}"]
        yield Program(family, variant, command, [*python, "-c", f"import {package}"])
    for sort in ["rdst", "voracious", "rayon"] if "floor" in peers else []:
        command = [floor, "{input}", "--groups", "{groups}", "--sort", sort]
        yield Program("floor", sort, command, [floor, "--help"], answers=None)


def run(command):
    """Runs a command: wall time in seconds, peak memory in bytes, and what it printed."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode != 0:
            sys.exit(f"{' '.join(command)} failed:\n{err.read().decode()}")
        return seconds, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024), out.read().decode()


def generate(args, folder):
    """Makes the inputs that are not there yet."""
    for encoding, groups, order in itertools.product(["f64", "decimal128"], [1, args.groups], ["sorted", "shuffled"]):
        name = f"{args.rows}-{args.row_group_rows}-{encoding}-{groups}-{order}.parquet"
        made = Input(encoding, groups, order, folder / name)
        if not made.path.exists():
            shape = ["--rows", str(args.rows), "--groups", str(groups), "--order", order, "--encoding", encoding]
            layout = ["--compression", "zstd", "--row-group-rows", str(args.row_group_rows)]
            run([str(args.concentra), "generate", "--quiet", *shape, *layout, "-o", str(made.path)])
        yield made


def fill(command, **values):
    return [part.format(**values) for part in command]


def measure(contestants, made, runs, folder):
    """All runs of all programs on an input, alternating; the answers must agree."""
    figures = {program.name: {"seconds": [], "peak_bytes": [], "printed": []} for program in contestants}
    output = {program.name: folder / f"{program.name.replace(' ', '-')}.{program.answers}" for program in contestants}
    for index in range(runs + 1):
        for program in contestants:
            command = fill(program.command, input=made.path, output=output[program.name], groups=made.groups)
            seconds, peak, printed = run(command)
            # The first run fills caches.
            if index > 0:
                of_program = figures[program.name]
                of_program["seconds"].append(seconds)
                of_program["peak_bytes"].append(peak)
                if not program.answers:
                    of_program["printed"].append(json.loads(printed))
    answers = [output[program.name] for program in contestants if program.answers]
    # In a process of its own: a child's peak is at least what its parent had in use.
    agree = subprocess.run([sys.executable, "-P", str(HERE / "agree.py"), *answers])
    if agree.returncode != 0:
        sys.exit(f"{made.name}: the answers disagree")
    return figures


def quickest(contestants, figures):
    """Of each family the program with the least median time."""
    best = {}
    for program in contestants:
        seconds = statistics.median(figures[program.name]["seconds"])
        if program.family not in best or seconds < best[program.family][1]:
            best[program.family] = (program, seconds)
    return best


def row(cells):
    return f"| {' | '.join(cells)} |"


def decoding(figures):
    """What the floor says of its parts."""
    times = [printed["decode_s"] for printed in figures["printed"]]
    return f"(decoding {statistics.median(times):.3f})" if times else ""


def tables(record, contestants):
    """Two Markdown tables: time and memory."""
    families = list(dict.fromkeys(program.family for program in contestants))
    head = [row(["input", *families]), row(["---", *["--:"] * len(families)])]
    seconds, memory = list(head), list(head)
    for name, figures in record["inputs"].items():
        best = quickest(contestants, figures)
        base = best["concentra"][1]
        times, peaks = [name], [name]
        for family in families:
            program, median = best[family]
            of_program = figures[program.name]
            ratio = "" if family == "concentra" else f" ({median / base:.2f}×)"
            times.append(" ".join(filter(None, [f"{median:.3f}{ratio}", program.variant, decoding(of_program)])))
            peaks.append(f"{statistics.median(of_program['peak_bytes']) / 1e6:.0f}")
        seconds.append(row(times))
        memory.append(row(peaks))
    start = ["starting alone", *(f"{record['start_seconds'][family]:.3f}" for family in families)]
    seconds.append(row(start))
    return "\n".join(seconds), "\n".join(memory)


def machine():
    cpu = platform.processor()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), cpu)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    system = f"{platform.system()} {platform.machine()}"
    return {"cpu": cpu, "cores": os.cpu_count(), "memory_bytes": memory, "system": system}


def report(record, contestants):
    seconds, memory = tables(record, contestants)
    about, rows = record["machine"], record["rows"]
    scaling = "\n".join(row([name, f"{ratio:.2f}"]) for name, ratio in record["scaling"].items())
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    return f"""# {record["date"]}, {record["name"]}

{rows:,} rows, zstd, row groups of {record["row_group_rows"]:,} rows; median of {record["runs"]} runs, alternating.
{about["cpu"]}, {about["cores"]} cores, {about["memory_bytes"] / 1e9:.0f} GB, {about["system"]}; load before
{record["load_before"]:.2f}, after {record["load_after"]:.2f}. {versions}.

All answers agree. Seconds of wall time, in brackets over concentra's; all of a process, from start to exit:

{seconds}

Peak memory in MB:

{memory}

concentra alone:

| | ratio |
| --- | --: |
{scaling}
"""


def prepare(args):
    """Builds what is timed, and goes on in an environment that has the peers."""
    build = ["cargo", "build", "--release", "--quiet", "--manifest-path"]
    subprocess.run([*build, str(ROOT / "Cargo.toml")], check=True)
    subprocess.run([*build, str(ROOT / "benches/floor/Cargo.toml")], check=True)
    if Path(sys.prefix) != VENV:
        python = VENV / "bin/python"
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "-r", str(REQUIREMENTS)], check=True)
        os.execv(python, [str(python), *sys.argv])


def timings(args, made, threads):
    """Milliseconds of each stage of concentra, the least of some runs."""
    analyze = [str(args.concentra), "analyze", str(made), "--by", "block_number,token", "--timing", "--device", "cpu"]
    best = {}
    for _ in range(args.runs + 1):
        process = subprocess.run([*analyze, "-j", str(threads), "--format", "parquet", "-o", os.devnull], capture_output=True, text=True)
        if process.returncode != 0:
            sys.exit(process.stderr)
        for line in process.stderr.splitlines():
            words = line.split()
            if len(words) == 5 and words[0] in ["sort", "reduce", "search", "prefix", "finish"]:
                best[words[0]] = min(float(words[4]), best.get(words[0], float("inf")))
    return best


def scaling(args, data, scratch):
    """How concentra's time goes with rows, threads and files: name to ratio, and what it is of."""
    found = {}
    analyze = [str(args.concentra), "analyze", "--quiet", "--device", "cpu", "--overwrite", "-o", str(scratch / "s.parquet")]

    def shortest(command):
        return min(run(command)[0] for _ in range(args.runs + 1))

    def file(rows, groups):
        path = data / f"scale-{rows}-{groups}.parquet"
        if not path.exists():
            layout = ["--compression", "zstd", "--row-group-rows", str(args.row_group_rows)]
            shape = ["--rows", str(rows), "--groups", str(groups), "--encoding", "f64"]
            run([str(args.concentra), "generate", "--quiet", *shape, *layout, "-o", str(path)])
        return path

    keys = ["--by", "block_number,token"]
    for groups in [1, args.groups]:
        # As many groups of ten times the size, and ten times as many groups.
        small, large = (file(rows, count) for rows, count in [(args.rows // 10, max(groups // 10, 1)), (args.rows, groups)])
        times = [shortest([*analyze, *keys, str(path)]) for path in (small, large)]
        found[f"time of {args.rows:,} rows over that of a tenth, {groups:,} groups"] = times[1] / times[0]
        one, two = timings(args, large, 1), timings(args, large, 2)
        ratio = sum(one.values()) / sum(two.values())
        found[f"compute stages on one thread over two, {groups:,} groups"] = ratio
    files = data / "files"
    if not files.exists():
        made = data / "files.part"
        made.mkdir(exist_ok=True)
        for index in range(args.files):
            path = made / f"{index:05}.parquet"
            rows = ["--rows", "1000", "--encoding", "f64", "--seed", str(index), "--compression", "zstd"]
            run([str(args.concentra), "generate", "--quiet", "--overwrite", *rows, "-o", str(path)])
        made.rename(files)
    ours = shortest([*analyze, "--by", "none", str(files)])
    floor = [str(args.floor), str(files), "--sort", "rayon"]
    found[f"{args.files:,} files of 1,000 rows: our rate over that of decoding and sorting alone"] = shortest(floor) / ours
    return found


def main():
    args = arguments()
    prepare(args)
    date = datetime.date.today().isoformat()
    folder = args.output / f"{date}-{args.machine}"
    if (folder / "record.json").exists():
        sys.exit(f"{folder} has a record already; give another --machine or --output")
    folder.mkdir(parents=True, exist_ok=True)
    contestants = list(programs(args))
    record = {
        "date": date,
        "name": args.machine,
        "machine": machine(),
        "versions": {"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in PACKAGES},
        "rows": args.rows,
        "row_group_rows": args.row_group_rows,
        "runs": args.runs,
        "load_before": os.getloadavg()[0],
        "start_seconds": {},
        "inputs": {},
    }
    for program in contestants:
        times = [run(program.start)[0] for _ in range(args.runs + 1)]
        record["start_seconds"].setdefault(program.family, statistics.median(times[1:]))
    describe = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    commit = subprocess.run(describe, capture_output=True, text=True).stdout.strip() or "of no commit"
    record["versions"]["concentra"] = f"{run([str(args.concentra), '--version'])[2].split()[-1]} ({commit})"
    with tempfile.TemporaryDirectory() as scratch:
        data = args.data or Path(scratch)
        data.mkdir(parents=True, exist_ok=True)
        for made in generate(args, data):
            print(made.name, file=sys.stderr)
            record["inputs"][made.name] = measure(contestants, made, args.runs, Path(scratch))
        print("scaling", file=sys.stderr)
        record["scaling"] = scaling(args, data, Path(scratch))
    record["load_after"] = os.getloadavg()[0]
    text = report(record, contestants)
    (folder / "README.md").write_text(text)
    (folder / "record.json").write_text(json.dumps(record, indent=1) + "\n")
    print(text)


if __name__ == "__main__":
    main()
