"""What visemill is built from: pins and hashes, licences, the bill of materials, no telemetry."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]


def load(name: str):
    """A script of docs/ as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pins(text: str) -> dict[str, str]:
    """The version of each package that a file of constraints pins."""
    found = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", text, re.MULTILINE)
    return {canonicalize_name(name): pinned for name, pinned in found}


HASHED = (ROOT / "constraints-hashed.txt").read_text()
PINS = pins((ROOT / "constraints.txt").read_text())


@pytest.fixture(scope="module")
def licences():
    """docs/make_licences.py."""
    pytest.importorskip("license_expression", reason="needs the extra `test`")
    return load("make_licences")


def test_every_pin_has_hashes_and_no_registry_is_named():
    assert pins(HASHED) == PINS, "constraints.txt changed: `make hashes`"
    blocks = re.split(r"\n(?=[A-Za-z])", HASHED.split("\n", 2)[2])
    assert len(blocks) == len(PINS)
    for block in blocks:
        assert re.search(r"\n +--hash=sha256:[0-9a-f]{64}", block), block.split("\n")[0]
    assert "://" not in HASHED and "index" not in re.sub(r"[\w.-]+==.*", "", HASHED)


def test_everything_that_is_asked_for_is_pinned(licences):
    missing = set(licences.packages()) - set(PINS)
    assert not missing, f"{sorted(missing)}: pin them in constraints.txt, then `make hashes`"


def test_what_is_installed_to_run_is_what_was_pinned(licences):
    for name in licences.closure():
        assert version(name).split("+")[0] == PINS[name], name


def test_every_licence_is_known_and_compatible_with_ours(licences):
    for name in licences.packages():
        expression = licences.licence_of(name)
        assert expression, f"{name}: its licence is not known; read it, and add it to KNOWN"
        assert not licences.unknown_in(expression), f"{name}: {expression} is not SPDX's"
        if name not in licences.APART:
            assert licences.is_compatible(expression), f"{name}: {expression}"


def test_a_package_stands_apart_only_if_it_must(licences):
    for name in licences.APART:
        assert name in licences.packages()
        assert not licences.is_compatible(licences.licence_of(name)), name


@pytest.mark.parametrize(
    ("expression", "compatible"),
    [
        ("GPL-2.0-only", False),
        ("GPL-2.0-only OR MIT", True),
        ("Apache-2.0 WITH LLVM-exception AND BSD-3-Clause", True),
        ("CC-BY-NC-4.0", False),
        ("MIT AND (EPL-2.0 OR CDDL-1.0)", False),
    ],
)
def test_an_incompatible_licence_would_be_noticed(licences, expression, compatible):
    assert licences.is_compatible(expression) is compatible


def test_the_page_of_licences_names_every_package(licences):
    page = (ROOT / "docs" / "licences.md").read_text()
    for name in licences.packages():
        assert f"| {name} | {licences.licence_of(name)} |" in page, f"{name}: `make licences`"


def test_the_bill_of_materials_is_complete_repeatable_and_silent_about_this_machine(
    licences, tmp_path
):
    pytest.importorskip("cyclonedx_py", reason="needs the extra `test`")
    made = []
    for number in range(2):
        load("make_sbom").main(tmp_path / f"{number}.json")
        made.append((tmp_path / f"{number}.json").read_text())
    assert made[0] == made[1]
    assert "file:" not in made[0] and str(ROOT) not in made[0]
    bill = json.loads(made[0])
    assert bill["bomFormat"] == "CycloneDX" and bill["metadata"]["component"]["name"] == "visemill"
    components = {canonicalize_name(c["name"]): c for c in bill["components"]}
    assert licences.closure() <= set(components)
    assert components["numpy"]["version"] == PINS["numpy"]


def say(code: str, **environment: str) -> str:
    """What Python says in the project's folder, whatever this machine's user has configured."""
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "STREAMLIT_"))}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT, env=plain | environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


def test_dvc_neither_reports_nor_asks_for_newer_versions(tmp_path):
    home = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "CI": ""}
    code = "from dvc.analytics import is_enabled; print(is_enabled())"
    assert say(code, **home) == "False"
    code = (
        "from dvc.updater import Updater; from dvc.config import Config; c = Config('.dvc');"
        "print(Updater('.dvc/tmp', hardlink_lock=False, friendly=False).is_enabled())"
    )
    assert say(code, **home) == "False"


def test_streamlit_reports_nothing(tmp_path):
    code = (
        "from streamlit import config; print(config.get_option('browser.gatherUsageStats'),"
        " config.get_where_defined('browser.gatherUsageStats'))"
    )
    said = say(code, HOME=str(tmp_path))
    assert said.startswith("False ") and said.endswith(".streamlit/config.toml")


def test_make_tells_the_other_tools(tmp_path):
    probe = f"include {ROOT}/Makefile\nprobe:\n\t@env\n"
    (tmp_path / "Makefile").write_text(probe)
    done = subprocess.run(
        ["make", "-s", "-C", str(tmp_path), "probe"], capture_output=True, text=True, check=True
    )
    wanted = {"HF_HUB_DISABLE_TELEMETRY=1", "RAY_USAGE_STATS_ENABLED=0", "ITERATIVE_DO_NOT_TRACK=1"}
    assert wanted <= set(done.stdout.splitlines())
