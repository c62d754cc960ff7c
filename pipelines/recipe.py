"""Recipes: files of recipes/ that change some keys of params.yaml, for another kind of run.

The change is made in params.yaml itself, as a person would: DVC sees it, `git diff` shows it, and
`git checkout params.yaml` takes it back. Comments stay.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from clips import replacing
from clips.errors import BadParams
from clips.files import read_text, read_yaml
from pipelines.params import FILE


def apply_recipe(recipe: Path, path: Path = FILE) -> list[str]:
    """Gives the keys of `recipe` their values in params.yaml; tells what changed, a line each.

    Blocks are merged, lists and single values replaced. Stages check the values when they run.
    Raises BadParams for a file that cannot be read or is no recipe; params.yaml stays as it was.
    """
    wanted, _ = read_yaml(recipe), read_yaml(path)  # mistakes are named with their lines
    editor = YAML()
    editor.indent(mapping=2, sequence=4, offset=2)
    editor.width, editor.preserve_quotes = 100, True
    params, styled = (editor.load(read_text(file, BadParams)) for file in (path, recipe))
    for block in wanted:
        if block not in params:
            raise BadParams(
                f"has a block `{block}`, which {path} has not",
                where=str(recipe),
                remedy=f"known blocks: {', '.join(params)}",
            )
    changed = list(_merge(params, wanted, styled, ""))
    if changed:
        with replacing(path) as part:
            editor.dump(params, part)
    return changed


def _merge(
    params: Any, wanted: Mapping[str, Any], styled: Mapping[str, Any], where: str
) -> Iterator[str]:
    """Changes `params` in place; a line for each key that had another value, or none.

    styled: `wanted` as it is written, so that a list on one line stays on one.
    """
    for key, value in wanted.items():
        name = f"{where}{key}"
        if isinstance(value, Mapping) and isinstance(params.get(key), Mapping):
            yield from _merge(params[key], value, styled[key], f"{name}.")
        elif key not in params:
            # At the end it would stand behind the block's blank line.
            params.insert(0, key, styled[key])
            yield f"{name}: {value}"
        elif params[key] != value:
            yield f"{name}: {value} (was {params[key]})"
            params[key] = styled[key]
