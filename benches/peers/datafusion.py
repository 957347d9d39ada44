"""The metrics with DataFusion: SQL with window functions. Run with `python -P`: this file is named as the package is."""

import argparse

import datafusion
import pyarrow as pa
import pyarrow.csv

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("input")
parser.add_argument("output")
args = parser.parse_args()

QUERY = """
WITH holders AS (
    SELECT block_number, token, CAST(balance AS DOUBLE) AS a FROM balances WHERE balance > 0
), totals AS (
    SELECT block_number, token, sum(a) AS total FROM holders GROUP BY block_number, token
), ranked AS (
    SELECT block_number, token, a, row_number() OVER falling AS k, sum(a) OVER falling AS running
    FROM holders
    WINDOW falling AS (PARTITION BY block_number, token ORDER BY a DESC ROWS UNBOUNDED PRECEDING)
)
SELECT
    block_number, token, count(*) AS n_holders, total,
    (count(*) + 1.0) / count(*) - 2 * sum(k * a) / (count(*) * total) AS gini,
    sum(a / total * (a / total)) AS hhi,
    -sum(a / total * log2(a / total)) AS shannon_entropy,
    sum(a / total) FILTER (WHERE k <= 10) AS top_10_share,
    count(*) FILTER (WHERE running <= total / 2) + 1 AS nakamoto_1_2
FROM ranked JOIN totals USING (block_number, token)
GROUP BY block_number, token, total
"""
context = datafusion.SessionContext()
context.register_parquet("balances", args.input)
table = pa.Table.from_batches(context.sql(QUERY).collect())
pa.csv.write_csv(table, args.output)
