"""How many threads training takes."""

THREADS = 1
"""On a CPU: always the same, since their number changes the last bits of the weights."""
