"""Writes constraints-hashed.txt: every pin of constraints.txt with the hashes of all its files.

`make hashes` runs it after a change of constraints.txt. uv asks the registry that pip uses for the
hashes of every file of a version, for all platforms; nothing in the file says which registry.
The CPU build of torch is a file of another place: where pip finds one, its hash is added, and a
line that asks for it, so that `make HASHES=1` does not get the CUDA build and its gigabytes.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
HEAD = "# constraints.txt with the hashes of every file of each version; made by `make hashes`.\n"


def main() -> None:
    """Makes the file anew."""
    pins = (ROOT / "constraints.txt").read_text()
    with tempfile.TemporaryDirectory() as folder:
        out, wheels = Path(folder, "out.txt"), Path(folder, "wheels")
        command = ["uv", "pip", "compile", "--universal", "--no-deps", "--generate-hashes"]
        command += ["--no-header", "--no-annotate", "--python-version", "3.11", "--quiet"]
        run(*command, "-o", str(out), str(ROOT / "constraints.txt"))
        text = out.read_text()
        torch = re.search(r"^torch==\S+$", pins, re.MULTILINE)[0]
        run("pip", "download", "--quiet", "--no-deps", "--dest", str(wheels), torch)
        for wheel in wheels.iterdir():
            digest = re.search(r"--hash=sha256:\w+", run("pip", "hash", str(wheel)))[0]
            if "+cpu" in wheel.name:
                text = text.replace(f"{torch} \\\n", f"{torch} \\\n    {digest} \\\n")
                text = f"# {torch}+cpu {digest}\n{text}"
    (ROOT / "constraints-hashed.txt").write_text(HEAD + text)


def run(tool: str, *arguments: str) -> str:
    """What a Python tool prints."""
    command = [sys.executable, "-m", tool, *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main()
