"""The metrics with DuckDB: SQL with window functions. Run with `python -P`: this file is named as the package is."""

import argparse

import duckdb

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("input")
parser.add_argument("output")
args = parser.parse_args()

QUERY = """
WITH holders AS (
    SELECT block_number, token, balance::DOUBLE AS a FROM read_parquet($input) WHERE balance > 0
), totals AS (
    SELECT block_number, token, sum(a) AS total FROM holders GROUP BY ALL
), ranked AS (
    SELECT block_number, token, a, row_number() OVER falling AS k, sum(a) OVER falling AS running
    FROM holders
    WINDOW falling AS (PARTITION BY block_number, token ORDER BY a DESC ROWS UNBOUNDED PRECEDING)
)
SELECT
    block_number, token, count(*) AS n_holders, any_value(total) AS total,
    (count(*) + 1) / count(*) - 2 * sum(k * a) / (count(*) * any_value(total)) AS gini,
    sum((a / total) ** 2) AS hhi,
    -sum(a / total * log2(a / total)) AS shannon_entropy,
    sum(a / total) FILTER (k <= 10) AS top_10_share,
    count(*) FILTER (running <= total / 2) + 1 AS nakamoto_1_2
FROM ranked JOIN totals USING (block_number, token)
GROUP BY block_number, token
"""
duckdb.sql(QUERY, params={"input": args.input}).write_csv(args.output)
