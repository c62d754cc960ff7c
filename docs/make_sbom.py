"""Writes sbom.cdx.json: what is in the environment, as a CycloneDX bill of materials.

`make sbom` runs it. The same environment gives the same bytes. Where a package was fetched from, a
registry or a path of this machine, is left out.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main(out: Path) -> None:
    """Makes the file."""
    command = [sys.executable, "-m", "cyclonedx_py", "environment", "--pyproject", "pyproject.toml"]
    command += ["--output-reproducible", "--short-PURLs", "--no-validate", sys.executable]
    bill = json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)
    for component in [*bill["components"], *bill["metadata"]["tools"]["components"]]:
        references = component.get("externalReferences", [])
        kept = [entry for entry in references if entry["type"] != "distribution"]
        component.pop("externalReferences", None)
        if kept:
            component["externalReferences"] = kept
    out.write_text(json.dumps(bill, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "sbom.cdx.json")
