"""The metrics with Polars, lazily. Run with `python -P`: this file has the package's name."""

import argparse

import polars as pl

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("input")
parser.add_argument("output")
parser.add_argument("--engine", choices=["streaming", "in-memory"], default="streaming")
args = parser.parse_args()

KEYS = ["block_number", "token"]
a, n, total = pl.col("a"), pl.len(), pl.col("a").sum()
rank = pl.int_range(1, n + 1)

holders = (
    pl.scan_parquet(args.input)
    .select(*KEYS, pl.col("balance").cast(pl.Float64).alias("a"))
    .filter(a > 0)
)
# Each group is sorted once, largest first. Numbering the groups makes the second aggregation a third quicker than
# one by the keys, and both together quicker than one that sorts wherever it needs an order.
falling = holders.group_by(KEYS).agg(a.sort(descending=True)).with_row_index("group").explode("a")
result = falling.group_by("group").agg(
    *(pl.first(key) for key in KEYS),
    n_holders=n,
    total=total,
    gini=(n + 1) / n - 2 * (a * rank).sum() / (n * total),
    hhi=(a * a).sum() / total**2,
    shannon_entropy=total.log(2) - (a * a.log(2)).sum() / total,
    top_10_share=a.head(10).sum() / total,
    nakamoto_1_2=(a.cum_sum() <= total / 2).sum() + 1,
)
result.drop("group").collect(engine=args.engine).write_csv(args.output)
