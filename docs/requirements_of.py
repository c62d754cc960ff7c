"""Prints what pyproject.toml asks for, one a line: the package itself, and the extras named.

pip cannot check hashes of `-e .`, so `make HASHES=1` installs these names, checked, and then the
package without its dependencies.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
wanted = list(project["dependencies"])
for extra in sys.argv[1:]:
    wanted += project["optional-dependencies"][extra]
print("\n".join(wanted))
