"""A log of 20 million transfers folded into balances, beside DuckDB's HUGEINT sums.

Both read the same files of `concentra generate --transfers` and write Parquet, in turn, each in a process of its own; the
first round is not counted. Answers are compared with the generator's balances: all of ours, and of DuckDB's those of the
tokens whose sums fit 128 bits, which is why the third is taken for nothing there.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# The token whose supply is beyond 128 bits is the one with the longest amounts.
DUCKDB = """
import sys, duckdb
log, out, threads, blocks = sys.argv[1], sys.argv[2], sys.argv[3], [int(b) for b in sys.argv[4].split(",")]
con = duckdb.connect()
con.execute(f"set threads = {threads}")
con.execute("set enable_progress_bar = false")
wide = con.execute(f"select erc20 from '{log}' where length(value_string) > 50 limit 1").fetchall()[0][0].hex()
value = f"case when erc20 = unhex('{wide}') then 0::hugeint else value_string::hugeint end"
epoch = " + ".join(f"(block_number >= {b})::int" for b in blocks)
legs = " union all ".join(
    f"select erc20, {side}_address address, {epoch} epoch, {sign}{value} v from '{log}' where block_number < {blocks[-1]}"
    for side, sign in (("to", ""), ("from", "-")))
con.execute(f'''copy (
    with sums as (select erc20, address, epoch, sum(v) v from ({legs}) where address <> unhex(repeat('00', 20)) group by all)
    select {blocks}[snapshot + 1] block_number, erc20, address, sum(v)::text balance
    from sums join range({len(blocks)}) r(snapshot) on epoch <= snapshot
    group by all having sum(v) <> 0
) to '{out}'
'''
if len(blocks) > 1 else f'''copy (
    select {blocks[0]} block_number, erc20, address, sum(v)::text balance from ({legs})
    where address <> unhex(repeat('00', 20)) group by all having sum(v) <> 0
) to '{out}' ''')
"""
CHECK = """
import sys, duckdb
truth, out, all_tokens = sys.argv[1], sys.argv[2], sys.argv[3] == "all"
blocks = ",".join(sys.argv[4].split(","))
con = duckdb.connect()
con.execute("set enable_progress_bar = false")
narrow = "" if all_tokens else f"and erc20 not in (select erc20 from '{truth}' where length(balance_string) > 50)"
wrong = con.execute(f'''
    with theirs as (select block_number, erc20, address, balance_string b from '{truth}'
                    where balance_string <> '0' and block_number in ({blocks}) {narrow}),
         ours as (select block_number, erc20, address, balance b from '{out}')
    select count(*) from theirs full join ours using (block_number, erc20, address) where theirs.b is distinct from ours.b
''').fetchall()[0][0]
sys.exit(f"{wrong} balances are wrong" if wrong else 0)
"""


def timed(command):
    start = time.monotonic()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"failed: {' '.join(map(str, command))[:200]}")
    return time.monotonic() - start, usage.ru_maxrss / 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--transfers", type=int, default=20_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--python", default=sys.executable, help="a Python that has duckdb")
    parser.add_argument("--data", type=Path, default=ROOT / "target" / "bench-transfers")
    parser.add_argument("--concentra", type=Path, default=ROOT / "target" / "release" / "concentra")
    args = parser.parse_args()
    folder = args.data / str(args.transfers)
    if not folder.exists():
        subprocess.run([args.concentra, "generate", "--transfers", str(args.transfers), "-o", folder, "-q"], check=True)
    log, truth = f"{folder}/transfers/*.parquet", f"{folder}/balances/*.parquet"
    blocks = sorted(path.stem.rsplit("_", 1)[1] for path in (folder / "balances").glob("*.parquet"))
    size = sum(path.stat().st_size for path in (folder / "transfers").glob("*.parquet"))
    print(f"{args.transfers} transfers, {size / 1e6:.0f} MB, {args.threads} threads, medians of {args.rounds}\n")
    print("| blocks | concentra: s | MB | DuckDB: s | MB | DuckDB / concentra |\n|---|--:|--:|--:|--:|--:|")
    for at in (blocks[-1:], blocks):
        at, ours, theirs = ",".join(at), args.data / "ours.parquet", args.data / "theirs.parquet"
        commands = [
            [args.concentra, "snapshot", folder / "transfers", "--at", at, "-o", ours, "--overwrite", "-q", "-j", str(args.threads)],
            [args.python, "-c", DUCKDB, log, str(theirs), str(args.threads), at],
        ]
        runs = [[timed(command) for command in commands] for _ in range(args.rounds + 1)][1:]
        for out, tokens in ((ours, "all"), (theirs, "narrow")):
            subprocess.run([args.python, "-c", CHECK, truth, str(out), tokens, at], check=True)
        seconds = [statistics.median(run[i][0] for run in runs) for i in (0, 1)]
        memory = [max(run[i][1] for run in runs) for i in (0, 1)]
        print(f"| {at.count(',') + 1} | {seconds[0]:.2f} | {memory[0]:.0f} | {seconds[1]:.2f} | {memory[1]:.0f} | "
              f"{seconds[1] / seconds[0]:.2f} |", flush=True)


if __name__ == "__main__":
    main()
