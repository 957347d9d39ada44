"""Times concentra within limits of memory: seconds, peak memory and bytes on disk by size, and the results must be equal."""

import argparse
import filecmp
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
LIMITS = ["512MB", "2GB", ""]
SIZES = [100_000, 1_000_000, 10_000_000, 100_000_000, 200_000_000]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--most", type=int, default=SIZES[-1], help="rows of the largest input")
    parser.add_argument("--most-owned", type=int, default=10_000_000, help="rows of the largest with owners to merge")
    parser.add_argument("--runs", type=int, default=3, help="of each, after one not counted")
    parser.add_argument("--concentra", type=Path, default=ROOT / "target/release/concentra")
    parser.add_argument("--data", type=Path, help="keeps the inputs in this folder, for the next time")
    return parser.parse_args()


def run(command):
    """Wall time in seconds, peak memory in bytes, and what was said on stderr."""
    with tempfile.TemporaryFile() as said:
        started = time.perf_counter()
        process = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL, stderr=said)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        text = said.read().decode()
        if process.returncode != 0:
            sys.exit(f"{command} failed:\n{text}")
        return seconds, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024), text


def inputs(args, folder):
    """Name, options of the analysis, and the file, which is made where it is not there yet."""
    plain = ["--encoding", "decimal128", "--no-owner"]
    owned = ["--encoding", "text", "--duplicate-owners", "0.3"]
    shapes = [
        ("one group", lambda rows: 1, plain, [], args.most),
        ("groups of 1,000", lambda rows: rows // 1000, plain, [], args.most),
        ("three groups of text, owners merged", lambda rows: 3, owned, ["--owners", "merge"], args.most_owned),
    ]
    for shape, groups, options, analysis, most in shapes:
        for rows in SIZES:
            if rows > most:
                continue
            path = folder / f"{rows}-{shape.split()[0]}.parquet"
            if not path.exists():
                size = ["--rows", rows, "--groups", groups(rows)]
                run([args.concentra, "generate", "--quiet", *size, *options, "-o", path])
            yield f"{rows:,}, {shape}", analysis, path


def measure(args, analysis, path, limit, output):
    command = [args.concentra, "analyze", path, *analysis, "--overwrite", "--explain", "-o", output]
    if limit:
        command += ["--memory-limit", limit]
    runs = [run(command) for _ in range(args.runs + 1)][1:]
    written = re.search(r"; (\S+ \S+) written", runs[0][2])
    seconds = statistics.median(seconds for seconds, _, _ in runs)
    return seconds, max(peak for _, peak, _ in runs), written.group(1) if written else "–"


def main():
    args = arguments()
    kept = tempfile.TemporaryDirectory() if args.data is None else None
    folder = args.data or Path(kept.name)
    folder.mkdir(parents=True, exist_ok=True)
    print("| rows | " + " | ".join(f"{limit or 'no limit'}: s | MB | on disk" for limit in LIMITS) + " | slower |")
    print("|---|" + "--:|" * (3 * len(LIMITS) + 1))
    for name, analysis, path in inputs(args, folder):
        cells, times, results = [], [], []
        for limit in LIMITS:
            results.append(folder / f"result-{limit}.parquet")
            seconds, peak, written = measure(args, analysis, path, limit, results[-1])
            times.append(seconds)
            cells += [f"{seconds:.2f}", f"{peak / 1e6:.0f}", written]
        if not all(filecmp.cmp(results[-1], other, shallow=False) for other in results):
            sys.exit(f"{name}: the results differ")
        print(f"| {name} | " + " | ".join(cells) + f" | {max(times) / times[-1]:.1f} × |", flush=True)
    if kept:
        kept.cleanup()


if __name__ == "__main__":
    main()
