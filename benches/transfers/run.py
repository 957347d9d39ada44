"""A log of 20 million transfers folded into balances, beside DuckDB's HUGEINT sums.

All read the same files of `concentra generate --transfers` and write Parquet, in turn, each in a process of its own; the
first round is not counted. One token of three is beyond 128 bits, where sums of HUGEINT overflow. DuckDB is asked twice:
for the balances, with that token's amounts in three HUGEINT of thirty digits each (it is told which token that is, and the others are
summed as they are); and with its amounts taken for nothing, which is quicker and wrong. Answers are compared with the
generator's balances: all but the last, of which those of the other tokens.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DUCKDB = """
import sys, duckdb
log, out, threads, blocks, how = sys.argv[1], sys.argv[2], sys.argv[3], [int(b) for b in sys.argv[4].split(",")], sys.argv[5]
con = duckdb.connect()
con.execute(f"set threads = {threads}")
con.execute("set enable_progress_bar = false")
# The token with the longest amounts.
wide = con.execute(f"select erc20 from '{log}' where length(value_string) > 50 limit 1").fetchall()[0][0].hex()
epoch = " + ".join(f"(block_number >= {b})::int" for b in blocks)
limb = "1000000000000000000000000000000::hugeint"
above = lambda value: f"({value} - ({value} % {limb} + {limb}) % {limb}) // {limb}"


def sums(values, condition):
    '''What every holder has at each block, of tokens that meet a condition: a sum of each value.'''
    legs = " union all ".join(
        f"select erc20, {side}_address address, {epoch} epoch, "
        + ", ".join(f"{sign}({value}) v{i}" for i, value in enumerate(values))
        + f" from '{log}' where block_number < {blocks[-1]} and {condition}"
        for side, sign in (("to", ""), ("from", "-")))
    of = lambda what: ", ".join(f"sum({what}{i}) s{i}" for i in range(len(values)))
    nobody = "address <> unhex(repeat('00', 20))"
    if len(blocks) == 1:
        return f"(select {blocks[0]} block_number, erc20, address, {of('v')} from ({legs}) where {nobody} group by all)"
    return f'''(
        with changes as (select erc20, address, epoch, {of('v')} from ({legs}) where {nobody} group by all)
        select {blocks}[snapshot + 1] block_number, erc20, address, {of('s')}
        from changes join range({len(blocks)}) r(snapshot) on epoch <= snapshot group by all)'''


if how == "exact":
    value = "value_string::hugeint"
    digits = [
        "right(value_string, 30)::hugeint",
        "case when length(value_string) > 30 then right(left(value_string, -30), 30)::hugeint else 0 end",
        "case when length(value_string) > 60 then left(value_string, -60)::hugeint else 0 end",
    ]
    more = f'''union all (
        with a as (select *, s1 + {above('s0')} t1, s0 - {above('s0')} * {limb} l0 from {sums(digits, f"erc20 = unhex('{wide}')")}),
             b as (select *, s2 + {above('t1')} l2, t1 - {above('t1')} * {limb} l1 from a)
        select block_number, erc20, address, case
            when l2 > 0 then l2::text || lpad(l1::text, 30, '0') || lpad(l0::text, 30, '0')
            when l1 > 0 then l1::text || lpad(l0::text, 30, '0')
            else l0::text end balance
        from b where l0 <> 0 or l1 <> 0 or l2 <> 0)'''
    condition = f"erc20 <> unhex('{wide}')"
else:
    value, more, condition = f"case when erc20 = unhex('{wide}') then 0::hugeint else value_string::hugeint end", "", "true"
con.execute(f'''copy (
    select block_number, erc20, address, s0::text balance from {sums([value], condition)} where s0 <> 0 {more}
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
    print("| blocks | concentra: s | MB | DuckDB, exact: s | MB | ratio | DuckDB, within 128 bits: s | MB | ratio |\n"
          "|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    for at in (blocks[-1:], blocks):
        at = ",".join(at)
        ours, exact, within = (args.data / f"{name}.parquet" for name in ("ours", "exact", "within"))
        duckdb = lambda out, how: [args.python, "-c", DUCKDB, log, str(out), str(args.threads), at, how]
        commands = [
            [args.concentra, "snapshot", folder / "transfers", "--at", at, "-o", ours, "--overwrite", "-q", "-j", str(args.threads)],
            duckdb(exact, "exact"),
            duckdb(within, "within"),
        ]
        runs = [[timed(command) for command in commands] for _ in range(args.rounds + 1)][1:]
        for out, tokens in ((ours, "all"), (exact, "all"), (within, "narrow")):
            subprocess.run([args.python, "-c", CHECK, truth, str(out), tokens, at], check=True)
        seconds = [statistics.median(run[i][0] for run in runs) for i in range(3)]
        memory = [max(run[i][1] for run in runs) for i in range(3)]
        theirs = "".join(f" {seconds[i]:.2f} | {memory[i]:.0f} | {seconds[i] / seconds[0]:.2f} |" for i in (1, 2))
        print(f"| {at.count(',') + 1} | {seconds[0]:.2f} | {memory[0]:.0f} |{theirs}", flush=True)


if __name__ == "__main__":
    main()
