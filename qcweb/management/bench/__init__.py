"""Benchmarks: ours beside theirs, in one run, as ratios."""

from .frame import GROUPS, Benchmark, Figure, benchmark, find, run

__all__ = ["GROUPS", "Benchmark", "Figure", "benchmark", "find", "run"]
