#!/usr/bin/env bash
# Every test. With CONCENTRA_REAL_DATA naming the folder of real snapshots, those are tested too; without it such
# tests say that they were skipped.
set -euo pipefail
cd "$(dirname "$0")"
cargo test --locked "$@"
