"""What every stage module shares: the seed, where its files lie, and how it ends."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path

import pyarrow as pa

from clips import BadParams, VisemillError
from pipelines.params import FILE, load_value
from pipelines.times import write_times

DATA = Path("datasets")


def seed() -> int:
    """The seed of the whole pipeline, from params.yaml."""
    value = load_value("seed")
    if not isinstance(value, int):
        raise BadParams(f"`seed` is {value!r}, not an integer", where=str(FILE))
    return value


def exit_with(main: Callable[[], None]) -> None:
    """Runs a stage; an error for a person becomes one message and exit status 1.

    The stage runs under its own name, not as `__main__`: workers elsewhere import it by that.
    """
    # Arrow's own memory pools keep what was freed, and grow with the number of tables read. Here,
    # and in workers, the system's is used (docs/scale.md: what each stage holds).
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    pa.set_memory_pool(pa.system_memory_pool())
    module = sys.modules["__main__"].__spec__
    if main.__module__ == "__main__" and module:
        main = importlib.import_module(module.name).main
    try:
        main()
        named = takewhile(lambda word: not word.startswith("-"), sys.argv[1:])
        write_times("-".join([Path(sys.argv[0]).stem, *named]))
    except VisemillError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("stopped; run the same command again to go on", file=sys.stderr)
        sys.exit(130)
