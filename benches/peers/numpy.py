"""The metrics with NumPy: one sort by group and amount. Run with `python -P`: this file has the package's name."""

import argparse

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("input")
parser.add_argument("output")
args = parser.parse_args()

table = pq.read_table(args.input, columns=["block_number", "token", "balance"], read_dictionary=["token"])


def codes(name):
    """A number for each row's value of a column, and the values."""
    column = pc.dictionary_encode(table[name]).unify_dictionaries().combine_chunks()
    return column.indices.to_numpy(), column.dictionary


(block, blocks), (token, tokens) = codes("block_number"), codes("token")
group = block.astype(np.int64) * len(tokens) + token
a = pc.cast(table["balance"], pa.float64(), safe=False).to_numpy()
a, group = a[a > 0], group[a > 0]
# Largest first within each group. One group needs no second key.
if group.min() == group.max():
    a = np.sort(a)[::-1]
else:
    order = np.lexsort((-a, group))
    a, group = a[order], group[order]

starts = np.flatnonzero(np.r_[True, group[1:] != group[:-1]])
n = np.diff(np.r_[starts, len(a)])
total = np.add.reduceat(a, starts)
k = np.arange(1, len(a) + 1) - np.repeat(starts, n)
share = a / np.repeat(total, n)
# The shares of the groups before sum to one each.
running = np.cumsum(share) - np.repeat(np.arange(len(n)), n)


def sums(values):
    """The sum of each group."""
    return np.add.reduceat(values, starts)


result = {
    "block_number": blocks.take(group[starts] // len(tokens)),
    "token": tokens.take(group[starts] % len(tokens)),
    "n_holders": n,
    "total": total,
    "gini": (n + 1) / n - 2 * sums(k * share) / n,
    "hhi": sums(share * share),
    "shannon_entropy": -sums(share * np.log2(share)),
    "top_10_share": sums(np.where(k <= 10, share, 0)),
    "nakamoto_1_2": sums((running <= 0.5).astype(np.int64)) + 1,
}
pa.csv.write_csv(pa.table(result), args.output)
