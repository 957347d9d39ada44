"""Compares results of several programs with the first one's, group by group. Exit status 1 where they disagree."""

import argparse
import csv
import math
import sys

import pyarrow.parquet

KEYS = ["block_number", "token"]
COUNTS = ["n_holders", "nakamoto_1_2"]
RATIOS = ["total", "gini", "hhi", "shannon_entropy", "top_10_share"]
# Relative, but for what is next to nothing: there sums of doubles cancel.
RELATIVE, ABSOLUTE = 1e-9, 1e-12
# What concentra promises of its logarithms.
ABSOLUTE_ENTROPY = 1e-9


def read(path):
    """The rows of a result by their keys. concentra's `total` is exact text beside the double."""
    if path.endswith(".parquet"):
        rows = pyarrow.parquet.read_table(path, columns=[*KEYS, "total_f64", *COUNTS, *RATIOS]).to_pylist()
    else:
        with open(path, newline="") as file:
            rows = list(csv.DictReader(file))
    rows = {tuple(str(row[key]) for key in KEYS): row for row in rows}
    for row in rows.values():
        row["total"] = row.get("total_f64", row["total"])
    return rows


def differences(expected, found):
    """What differs, a line each."""
    for key in expected.keys() ^ found.keys():
        yield f"group {key} is in one of the two only"
    for key in expected.keys() & found.keys():
        for name in COUNTS + RATIOS:
            a, b = float(expected[key][name]), float(found[key][name])
            absolute = ABSOLUTE_ENTROPY if name == "shannon_entropy" else ABSOLUTE
            if a != b and (name in COUNTS or not math.isclose(a, b, rel_tol=RELATIVE, abs_tol=absolute)):
                yield f"group {key}: {name} is {a!r} and {b!r}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("expected")
    parser.add_argument("found", nargs="+")
    args = parser.parse_args()
    expected = read(args.expected)
    agree = bool(expected)
    for path in args.found:
        lines = list(differences(expected, read(path)))
        for line in lines[:5]:
            print(f"{path}: {line}", file=sys.stderr)
        if lines:
            print(f"{path}: {len(lines)} differences", file=sys.stderr)
        agree = agree and not lines
    sys.exit(0 if agree else 1)


if __name__ == "__main__":
    main()
