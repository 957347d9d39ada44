"""Times `concentra sweep` with a hundred cuts beside one `concentra analyze` of the same file, and compares rows of both."""

import argparse
import csv
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
TOPS = "all,10,20,50,100,200,500,1000,2000,5000,10000,20000,50000,100000,200000,500000,1%,2%,5%,10%"
LEAST = "0,1,10,100,1000"
SETTINGS = 100


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--runs", type=int, default=5, help="of each, by turns, after one not counted")
    parser.add_argument("--concentra", type=Path, default=ROOT / "target/release/concentra")
    return parser.parse_args()


def run(*command):
    started = time.perf_counter()
    subprocess.run([str(word) for word in command], check=True)
    return time.perf_counter() - started


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def check(args, path, options, folder):
    """Some rows of the sweep are the separate runs."""
    swept = folder / "sweep.csv"
    run(*sweep(args, path, options, swept))
    for top, least in [("all", "0"), ("1000", "0"), ("5%", "100"), ("all", "1000")]:
        alone = folder / "alone.csv"
        cuts = ["--top-holders", top] * (top != "all") + ["--min-amount", least] * (least != "0")
        run(*analyze(args, path, options, alone), *cuts)
        own = [row for row in rows(swept) if (row["top_holders"], row["min_amount"]) == (top, least)]
        for ours, theirs in zip(own, rows(alone), strict=True):
            assert all(ours[name] == value for name, value in theirs.items()), (path, top, least)


def analyze(args, path, options, output):
    return [args.concentra, "analyze", path, *options, "--overwrite", "-q", "-o", output]


def sweep(args, path, options, output):
    cuts = ["--top-holders", TOPS, "--min-amount", LEAST]
    return [args.concentra, "sweep", path, *options, *cuts, "--overwrite", "-q", "-o", output]


def main():
    args = arguments()
    inputs = [
        ("one group, 18 decimals", 1, 18, []),
        ("one group, whole numbers", 1, 0, []),
        ("one group, 18 decimals, owners merged", 1, 18, ["--owners", "merge"]),
        ("200 groups, 18 decimals", 200, 18, []),
    ]
    print(f"| {args.rows:,} rows | analyze, s | {SETTINGS} settings, s | ratio |")
    print("|---|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for what, groups, decimals, options in inputs:
            path = folder / "rows.parquet"
            size = ["--rows", args.rows, "--groups", groups, "--decimals", decimals]
            run(args.concentra, "generate", "--quiet", "--overwrite", *size, "-o", path)
            check(args, path, options, folder)
            output, times = folder / "result.parquet", {analyze: [], sweep: []}
            for _ in range(args.runs + 1):
                for command, seconds in times.items():
                    seconds.append(run(*command(args, path, options, output)))
            alone, swept = (statistics.median(seconds[1:]) for seconds in times.values())
            print(f"| {what} | {alone:.2f} | {swept:.2f} | {swept / alone:.1f} × |", flush=True)


if __name__ == "__main__":
    main()
