"""Hostile input for every parser: made from a seed, read in child processes with limits.

`python -m tests.fuzz --count 100000` reads so many inputs; see docs/hostile-input.md.
"""
