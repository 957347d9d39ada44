"""The metrics with Polars: a lazy scan, one aggregation. Run with `python -P`: this file is named as the package is."""

import argparse

import polars as pl

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("input")
parser.add_argument("output")
parser.add_argument("--engine", choices=["streaming", "in-memory"], default="streaming")
args = parser.parse_args()

KEYS = ["block_number", "token"]
a, n, total, share = pl.col("a"), pl.len(), pl.col("a").sum(), pl.col("a") / pl.col("a").sum()
rank = pl.int_range(1, n + 1)
# Each group is sorted once, descending; the other columns follow from its list.
falling = a.sort(descending=True)

holders = (
    pl.scan_parquet(args.input)
    .select(*KEYS, pl.col("balance").cast(pl.Float64).alias("a"))
    .filter(a > 0)
)
result = holders.group_by(KEYS).agg(
    n_holders=n,
    total=total,
    gini=(n + 1) / n - 2 * (falling * rank).sum() / (n * total),
    hhi=(share * share).sum(),
    shannon_entropy=-(share * share.log(2)).sum(),
    top_10_share=a.top_k(10).sum() / total,
    nakamoto_1_2=(falling.cum_sum() <= total / 2).sum() + 1,
)
result.collect(engine=args.engine).write_csv(args.output)
