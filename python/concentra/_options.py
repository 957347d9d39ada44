"""The keyword arguments: the flags of the command line, with ``_`` for ``-`` and an underscore after ``from``."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Literal, TypedDict, Union

Path = Union[str, "os.PathLike[str]"]
Paths = Union[Path, Iterable[Path]]
Texts = Union[str, Iterable[str]]
Numbers = Union[int, Iterable[int]]
Number = Union[int, float, str]
Values = Union[Number, Iterable[Number]]


class _Source(TypedDict, total=False):
    by: Texts
    amount: str
    owner: str
    snapshot: str
    owners: Literal["trust", "merge", "check"]
    negatives: Literal["error", "drop"]
    labels: Paths
    look_through_depth: int
    price: Union[Number, Path]


class _Input(_Source, total=False):
    exclude: Paths
    entities: bool
    look_through: bool
    min_amount: Number
    min_value: Number
    top_holders: Union[int, str]


class _Metrics(TypedDict, total=False):
    decimals: int
    metrics: Texts
    top: Numbers
    threshold: Values


class _Measure(_Metrics, total=False):
    device: str
    require_gpu: bool


class _Execution(TypedDict, total=False):
    threads: int


class Analyze(_Input, _Measure, _Execution, total=False):
    """Of :func:`concentra.analyze`."""

    partial: bool
    unit: str
    cumulative: bool
    reward: str
    rewards: Path
    cohorts: Path
    cohort_column: str
    memory_limit: str
    temp_dir: Path
    keep_going: bool


class Merge(_Metrics, _Execution, total=False):
    """Of :func:`concentra.merge`."""


class Sweep(_Source, _Measure, _Execution, total=False):
    """Of :func:`concentra.sweep`."""

    exclude: Paths
    entities: Texts
    look_through: Texts
    min_amount: Values
    min_value: Values
    top_holders: Values


class Power(_Input, _Execution, total=False):
    """Of :func:`concentra.power`."""

    quota: Number
    quota_weight: Number
    quota_of: str
    players: int
    method: str
    index: str
    samples: int
    until_se: float
    seed: int
    device: str
    require_gpu: bool


class Change(_Input, _Measure, _Execution, total=False):
    """Of :func:`concentra.change`."""

    cumulative: bool
    every: int
    between: Iterable[Union[str, int]]
    memory_limit: str


class Flows(_Input, _Execution, total=False):
    """Of :func:`concentra.flows`."""

    every: int
    between: Iterable[Union[str, int]]
    memory_limit: str


class Snapshot(_Execution, total=False):
    """Of :func:`concentra.snapshot`."""

    at: Numbers
    only: Texts
    negatives: Literal["error", "drop"]
    nfts: Literal["error", "drop", "keep"]
    block: str
    token: str
    from_: str
    to: str
    amount: str
    memory_limit: str
    temp_dir: Path


class Compare(_Input, _Execution, total=False):
    """Of :func:`concentra.compare`."""

    devices: Texts
    runs: int
    bandwidth: float


class Generate(TypedDict, total=False):
    """Of :func:`concentra.generate`."""

    overwrite: bool
    seed: int
    scenario: Literal["defi"]
    transfers: int
    rows: int
    groups: int
    snapshots: int
    group_sizes: str
    order: str
    shape: str
    sigma: float
    alpha: float
    zeros: Number
    decimals: int
    duplicate_owners: Number
    no_owner: bool
    encoding: str
    compression: str
    row_group_rows: int
