"""Writes docs/licences.md: what every package that visemill asks for is licensed under.

`make licences` runs it. Licences come from the metadata of what is installed; KNOWN says them for
packages whose metadata does not, or not in SPDX's words. The test of the supply chain fails where a
licence is not known, or does not go together with GPL-3.0-or-later.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from license_expression import AND, LicenseWithExceptionSymbol, get_spdx_licensing
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "licences.md"

# Licences that the Free Software Foundation's list calls compatible with the GNU GPL, version 3.
COMPATIBLE = frozenset(
    "0BSD Apache-2.0 BSD-2-Clause BSD-3-Clause BSL-1.0 CC0-1.0 GPL-2.0-or-later GPL-3.0-or-later"
    " HPND ISC LGPL-2.1-or-later LGPL-3.0-or-later MIT MIT-0 MIT-CMU MPL-2.0 PSF-2.0 Python-2.0"
    " Unlicense ZPL-2.1 Zlib".split()
)

CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "GNU Library or Lesser General Public License (LGPL)": "LGPL-2.1-or-later",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}

KNOWN = {
    "antlr4-python3-runtime": "BSD-3-Clause",  # metadata: BSD
    "dvc-http": "Apache-2.0",  # metadata: Apache License 2.0
    "espeakng-loader": "GPL-3.0-or-later",  # no metadata; holds espeak-ng
    "grandalf": "GPL-2.0-only OR EPL-1.0",  # metadata: GPLv2 | EPLv1
    "gto": "Apache-2.0",  # metadata: Apache License 2.0
    "imageio-ffmpeg": "BSD-2-Clause AND GPL-3.0-or-later",  # the wheels hold a build of ffmpeg
    "praatio": "MIT",  # metadata: the licence's text
    "protobuf": "BSD-3-Clause",  # metadata: 3-Clause BSD License
    "pydeck": "Apache-2.0",  # metadata: Apache License 2.0
    "pygit2": "GPL-2.0-only WITH GCC-exception-2.0",
    "pyroomacoustics": "MIT",  # metadata: the licence's text
    "pyworld": "MIT",  # metadata: none; its LICENSE.txt
    "ray": "Apache-2.0",  # metadata: Apache 2.0
}

# By package: a licence that is not on the list, and why the package may stay.
APART = {
    "grandalf": "DVC draws `dvc dag` with it; visemill does not load it, and runs DVC as a program",
    "regex": "the Foundation minds the choice of law in CNRI's licence; it is of the core that"
    " Python's own module `re` shares, under the same words",
    "pygit2": "its exception allows linking with anything; DVC reads git with it",
}


_spdx = cache(get_spdx_licensing)


def closure(extra: str = "") -> set[str]:
    """The packages that visemill, with one extra or none, brings, by their canonical names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = project["optional-dependencies"][extra] if extra else project["dependencies"]
    found: set[str] = set()
    waiting = [(Requirement(line), "") for line in asked]
    done = set()
    while waiting:
        requirement, of_extra = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": of_extra}):
            continue
        name = canonicalize_name(requirement.name)
        found.add(name)
        for wanted in ("", *requirement.extras):
            if (name, wanted) not in done:
                done.add((name, wanted))
                lines = distribution(name).requires or ()
                waiting += [(Requirement(line), wanted) for line in lines]
    return found


def licence_of(name: str) -> str:
    """The SPDX expression of an installed package; "" if nobody knows it."""
    if name in KNOWN:
        return KNOWN[name]
    about = distribution(name).metadata
    if expression := about.get("License-Expression"):
        return expression
    classifiers = [c.split(" :: ")[-1] for c in about.get_all("Classifier") or () if "License" in c]
    spdx = sorted({CLASSIFIERS[c] for c in classifiers if c in CLASSIFIERS})
    text = about.get("License") or ""
    if re.fullmatch(r"[\w.+-]+( (AND|OR|WITH) [\w.+-]+)*", text) and not unknown_in(text):
        return text
    return " AND ".join(spdx) if len(spdx) == len(set(classifiers)) else ""


def unknown_in(expression: str) -> list[str]:
    """The words of an expression that SPDX does not list."""
    return _spdx().unknown_license_keys(expression)


def is_compatible(expression: str) -> bool:
    """Whether what is under this SPDX expression may be part of a GPL-3.0-or-later program.

    >>> is_compatible("MPL-2.0 AND (GPL-2.0-only OR MIT)"), is_compatible("MIT AND GPL-2.0-only")
    (True, False)
    """

    def holds(node) -> bool:
        if isinstance(node, LicenseWithExceptionSymbol):
            return node.license_symbol.key in COMPATIBLE
        if hasattr(node, "key"):
            return node.key in COMPATIBLE
        return (all if isinstance(node, AND) else any)(holds(part) for part in node.args)

    parsed = _spdx().parse(expression)
    return parsed is not None and holds(parsed)


@cache
def packages() -> dict[str, list[str]]:
    """What each package is needed for: "run", or the extras. Packages that are absent are left
    out with their extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed: dict[str, list[str]] = {name: ["run"] for name in closure()}
    for extra in project["optional-dependencies"]:
        try:
            names = closure(extra)
        except PackageNotFoundError:
            continue
        for name in names:
            if "run" not in needed.setdefault(name, []):
                needed[name].append(extra)
    return dict(sorted(needed.items()))


def page() -> str:
    """The document."""
    rows = [
        f"| {name} | {licence_of(name)} | {', '.join(use)} |" for name, use in packages().items()
    ]
    lines = [
        "# Licences of what visemill uses",
        "",
        "visemill is GPL-3.0-or-later. All packages below, at the versions of `constraints.txt`,",
        "are compatible with it by the list of the Free Software Foundation, but for those named",
        "here. `make licences` makes this page from what is installed; a test fails if a licence",
        "is unknown or incompatible, or this page stale. `make sbom` writes the same as a",
        "CycloneDX bill of materials, `sbom.cdx.json` (not in git: it is of your environment).",
        "",
        *(f"- **{name}**, {licence_of(name)}: {why}." for name, why in sorted(APART.items())),
        "",
        "The packages of `clips/`, `visemes/` and `lipsync/` alone, numpy, PyTorch, ONNX Runtime,",
        "pyarrow, PyYAML, soundfile and soxr, are under permissive licences or the LGPL.",
        "",
        "| package | licence (SPDX) | needed to |",
        "|---|---|---|",
        *rows,
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page())
