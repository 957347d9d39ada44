"""The metrics with DuckDB: SQL with window functions. Run with `python -P`: this file has the package's name."""

import argparse

import duckdb

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("input")
parser.add_argument("output")
args = parser.parse_args()

# Both windows have one order, so that the rows are sorted once.
QUERY = """
WITH holders AS (
    SELECT block_number, token, CAST(balance AS DOUBLE) AS a FROM read_parquet($input) WHERE balance > 0
), ranked AS (
    SELECT
        block_number, token, a,
        row_number() OVER falling AS k,
        sum(a) OVER falling AS running,
        sum(a) OVER (
            PARTITION BY block_number, token
            ORDER BY a DESC ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
        ) AS total
    FROM holders
    WINDOW falling AS (PARTITION BY block_number, token ORDER BY a DESC ROWS UNBOUNDED PRECEDING)
)
SELECT
    block_number, token, count(*) AS n_holders, max(total) AS total,
    (count(*) + 1.0) / count(*) - 2 * sum(k * a) / (count(*) * max(total)) AS gini,
    sum(a * a) / max(total) / max(total) AS hhi,
    log2(max(total)) - sum(a * log2(a)) / max(total) AS shannon_entropy,
    sum(a) FILTER (WHERE k <= 10) / max(total) AS top_10_share,
    count(*) FILTER (WHERE running <= total / 2) + 1 AS nakamoto_1_2
FROM ranked
GROUP BY block_number, token
"""
duckdb.sql(QUERY, params={"input": args.input}).write_csv(args.output)
