"""Times `concentra power` beside the Python packages powerindex and powerindices, whose indices must be the same.

concentra computes both indices at once or Banzhaf's alone, and its time is all of its process from start to exit, reading
Parquet and writing CSV. A peer's is that of computing one index, alone; in brackets that of its process, from its first line on. A cell says
`timeout`, `fails` with the exception, or `wrong`, where an index differs from concentra's by more than 1e-9.
"""

import argparse
import csv
import json
import platform
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
VENV = ROOT / "target/peers-power"
PYTHON = VENV / "bin/python"
# powerindices needs numpy and does not say so to pip.
REQUIREMENTS = ["numpy==2.4.6", "powerindex==0.3.5", "powerindices==1.0.2", "pyarrow==26.0.1"]
WITHIN = 1e-9
BANZHAF = [10, 20, 50, 100, 200]
SHAPLEY_SHUBIK = [10, 20, 50, 100]

WRITE = """
import json, sys
import pyarrow as pa
import pyarrow.parquet as pq
weights = json.load(sys.stdin)
owners = [f"v{voter}" for voter in range(len(weights))]
table = {"owner": pa.array(owners, pa.string()), "weight": pa.array(weights, pa.uint64())}
pq.write_table(pa.table(table), sys.argv[1])
"""

# An exception keeps what its frames hold until it is left, so nothing is printed before.
COMPUTE = """
import time
started = time.perf_counter()
import importlib, json, resource, sys
package, call, memory = sys.argv[1:]
peer = importlib.import_module(package)
weights, quota = json.load(sys.stdin)
if sys.platform != "darwin":
    resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))
began = time.perf_counter()
try:
    said = {"indices": [float(index) for index in eval(call)]}
except Exception as error:
    said = {"fails": type(error).__name__}
ended = time.perf_counter()
print(json.dumps(said | {"seconds": ended - began, "wall": ended - started}))
"""


@dataclass
class Peer:
    package: str
    index: str
    call: str
    # Which of concentra's columns is the same.
    column: str


PEERS = [
    Peer("powerindex", "Banzhaf", "peer.calculate_power_index(weights, quota, 'b')", "banzhaf_normalized"),
    Peer("powerindices", "Banzhaf", "peer.compute_pbi(quota, weights)", "banzhaf"),
    Peer("powerindex", "Shapley-Shubik", "peer.calculate_power_index(weights, quota, 'ss')", "shapley_shubik"),
    Peer("powerindices", "Shapley-Shubik", "peer.compute_ssi(quota, weights)", "shapley_shubik"),
]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="of each, of which the median counts")
    parser.add_argument("--timeout", type=float, default=60, help="of a peer's run, in seconds")
    parser.add_argument("--memory", type=float, default=4, help="that a peer may have, in GB of addresses, except on macOS")
    parser.add_argument("--seed", type=int, default=1, help="of the random weights")
    parser.add_argument("--concentra", type=Path, default=ROOT / "target/release/concentra")
    return parser.parse_args()


def prepare():
    """An environment that has the peers."""
    if not PYTHON.exists():
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
    subprocess.run([str(PYTHON), "-m", "pip", "install", "--quiet", *REQUIREMENTS], check=True)


def concentra(args, weights, folder):
    """Median wall times in seconds of both indices and of Banzhaf's alone, each column in the order of the voters, the method."""
    path, output, times = folder / "voters.parquet", folder / "power.csv", {"banzhaf": [], "both": []}
    subprocess.run([str(PYTHON), "-I", "-c", WRITE, str(path)], input=json.dumps(weights), text=True, check=True)
    options = ["--by", "none", "--amount", "weight", "--owner", "owner", "--quota", "1/2"]
    command = [str(args.concentra), "power", str(path), *options, "-o", str(output), "--overwrite", "-q"]
    # The first run is not counted.
    for index, seconds in times.items():
        for _ in range(args.runs + 1):
            started = time.perf_counter()
            subprocess.run([*command, "--index", index], check=True)
            seconds.append(time.perf_counter() - started)
    with open(output, newline="") as file:
        rows = {row["owner"]: row for row in csv.DictReader(file)}
    assert len(rows) == len(weights), (len(rows), len(weights))
    columns = {peer.column for peer in PEERS}
    found = {column: [float(rows[f"v{voter}"][column]) for voter in range(len(weights))] for column in columns}
    both, alone = (statistics.median(times[index][1:]) for index in ["both", "banzhaf"])
    return both, alone, found, rows["v0"]["method"]


def same(ours, theirs):
    # Not a number is not the same.
    return all(abs(a - b) <= WITHIN for a, b in zip(ours, theirs, strict=True))


def cell(args, peer, weights, ours):
    """Median seconds of the computation and of the process, or what went wrong."""
    command = [str(PYTHON), "-I", "-c", COMPUTE, peer.package, peer.call, str(int(args.memory * 1e9))]
    game, runs = json.dumps([weights, sum(weights) // 2 + 1]), []
    for _ in range(args.runs):
        try:
            process = subprocess.run(command, input=game, capture_output=True, text=True, timeout=args.timeout)
        except subprocess.TimeoutExpired:
            return "timeout"
        if process.returncode < 0:
            return f"fails: {signal.Signals(-process.returncode).name}"
        if process.returncode > 0:
            sys.exit(f"{peer.package} failed:\n{process.stderr}")
        said = json.loads(process.stdout)
        if "fails" in said:
            return f"fails: {said['fails']}"
        if ours is not None and not same(ours[peer.column], said["indices"]):
            return "wrong"
        runs.append(said)
    seconds, wall = (statistics.median(run[name] for run in runs) for name in ["seconds", "wall"])
    return f"{seconds:.3g} ({wall:.3g})"


def check(args, folder):
    """All know the game [51; 50, 49, 1]: of the swings 3, 1 and 1, of the six orders 4, 1 and 1."""
    weights = [50, 49, 1]
    known = {
        "banzhaf": [3 / 4, 1 / 4, 1 / 4],
        "banzhaf_normalized": [3 / 5, 1 / 5, 1 / 5],
        "shapley_shubik": [4 / 6, 1 / 6, 1 / 6],
    }
    _, _, ours, _ = concentra(args, weights, folder)
    for column, indices in known.items():
        assert same(indices, ours[column]), (column, ours[column])
    for peer in PEERS:
        found = cell(args, peer, weights, known)
        assert found[0].isdigit(), (peer, found)


def table(args, what, games, folder):
    """A line for each game, which has a name, weights, and the indices to compute."""
    print(f"| {what} | concentra, both, s | Banzhaf alone, s | " + " | ".join(f"{peer.package}, {peer.index}, s" for peer in PEERS) + " |")
    print("|---|" + "--:|" * (len(PEERS) + 2))
    for name, weights, indices in games:
        both, alone, ours, method = concentra(args, weights, folder)
        if method == "sampled":
            # Estimates cannot be compared: whether the peers answer is all there is to see.
            ours = None
        cells = [cell(args, peer, weights, ours) if peer.index in indices else "–" for peer in PEERS]
        print(f"| {name} | {both:.3g} ({method}) | {alone:.3g} | " + " | ".join(cells) + " |", flush=True)


def main():
    args = arguments()
    prepare()

    def drawn(n, least=1, most=100):
        numbers = random.Random(args.seed)
        return [numbers.randint(least, most) for _ in range(n)]

    sizes = {"Banzhaf": BANZHAF, "Shapley-Shubik": SHAPLEY_SHUBIK}
    timed = [
        (f"{n}", drawn(n), [index for index, of_index in sizes.items() if n in of_index])
        for n in sorted({n for of_index in sizes.values() for n in of_index})
    ]
    hard = [
        ("64 voters, all of weight 1", [1] * 64),
        ("70 voters, all of weight 1", [1] * 70),
        ("300 voters, weights from 1 to 100", drawn(300)),
        ("40 voters, weights near 10^18", drawn(40, 9 * 10**17, 11 * 10**17)),
        ("12 voters, weights of 18 decimals, from 1 to 2", drawn(12, 10**18, 2 * 10**18)),
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        check(args, folder)
        print(f"Python {platform.python_version()}, {', '.join(REQUIREMENTS).replace('==', ' ')}.\n")
        table(args, "voters, weights from 1 to 100", timed, folder)
        print()
        larger = [("100", drawn(100, most=1000), list(sizes)), ("200", drawn(200, most=1000), ["Banzhaf"])]
        table(args, "voters, weights from 1 to 1,000", larger, folder)
        print()
        table(args, "game", [(name, weights, list(sizes)) for name, weights in hard], folder)


if __name__ == "__main__":
    main()
