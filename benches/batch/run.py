"""Tells how evenly workers are loaded by one huge group beside many small ones, and what ten thousand files cost."""

import argparse
import csv
import shutil
import statistics
import subprocess
import time
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000, help="of 1,000 rows")
    parser.add_argument("--runs", type=int, default=5, help="of each")
    parser.add_argument("--data", type=Path, default=ROOT / "target/batch-data", help="made where it is missing")
    parser.add_argument("--concentra", type=Path, default=ROOT / "target/release/concentra")
    return parser.parse_args()


def run(*command):
    started = time.perf_counter()
    subprocess.run([str(word) for word in command], check=True)
    return time.perf_counter() - started


def generate(args, path, *options):
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        run(args.concentra, "-q", "generate", *options, "-o", path)


def busy(records):
    """Seconds in which each worker had work in hand; what it did within other work of its own counts once."""
    intervals = defaultdict(list)
    with open(records, newline="") as file:
        for row in csv.DictReader(file):
            if row["worker"]:
                start = int(row["start_ns"])
                intervals[row["worker"]].append((start, start + int(row["duration_ns"])))
    found = {}
    for worker, spans in intervals.items():
        end = total = 0
        for start, stop in sorted(spans):
            total += max(0, stop - max(start, end))
            end = max(end, stop)
        found[worker] = total / 1e9
    return found


def main():
    args = arguments()
    uneven = args.data / "uneven"
    generate(args, uneven / "huge.parquet", "--rows", "1e7", "--groups", "1")
    generate(args, uneven / "small.parquet", "--rows", "5e5", "--groups", "50000", "--seed", "2")
    out = args.data / "out.parquet"
    print("one group of 10,000,000 and 50,000 groups of ten: busiest worker over the mean, and seconds")
    for _ in range(args.runs):
        records = args.data / "records.csv"
        command = [args.concentra, "analyze", uneven, "--device", "cpu", "-q", "--overwrite", "-o", out]
        took = run(*command, "--records", records)
        workers = busy(records)
        print(f"  {max(workers.values()) / statistics.mean(workers.values()):.3f}  {took:.2f} s")
    files = args.data / "files"
    for index in range(args.files):
        generate(args, files / f"{index:05}.parquet", "--rows", "1000", "--seed", index + 1)
    parts = args.data / "parts"
    times = defaultdict(list)
    for _ in range(args.runs):
        command = [args.concentra, "analyze", files, "--snapshot", "filename", "--device", "cpu", "-q"]
        times["one file"].append(run(*command, "--overwrite", "-o", out))
        shutil.rmtree(parts, ignore_errors=True)
        times["a folder"].append(run(*command, "-o", f"{parts}/"))
        times["the folder again"].append(run(*command, "-o", f"{parts}/"))
    print(f"{args.files:,} files of 1,000 rows: median seconds")
    for what, seconds in times.items():
        print(f"  {what}: {statistics.median(seconds):.2f}")


if __name__ == "__main__":
    main()
