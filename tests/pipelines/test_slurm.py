"""A stage as an array of jobs of a real Slurm, by the shell functions of docs/scale.md."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks.kills import artefacts, make_project
from benchmarks.slurm import PROGRAMS, cluster, submit

missing = [name for name in PROGRAMS if not shutil.which(name)]
pytestmark = pytest.mark.skipif(
    bool(missing), reason=f"{', '.join(missing)} not installed (Debian: slurm-wlm)"
)


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    with ExitStack() as ends:
        try:
            settings = ends.enter_context(cluster(tmp_path_factory.mktemp("slurm")))
        except RuntimeError as error:  # a container may forbid what Slurm's daemons want
            pytest.skip(str(error))
        yield settings


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A small project whose sentences are chosen."""
    made = make_project(tmp_path_factory.mktemp("project") / "here")
    subprocess.run(
        [".venv/bin/visemill", "inputs", "--engines", "embedded"],
        cwd=made,
        env={**os.environ, "PYTHONPATH": str(made)},
        check=True,
    )
    repro(made, "prompts")
    return made


def repro(project: Path, stage: str) -> None:
    subprocess.run(
        [".venv/bin/dvc", "repro", "--single-item", stage],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project)},
        check=True,
    )


def test_it_listens_on_loopback_alone(slurm):
    ports = re.findall(r"^Slurm\w*Port=(\d+)$", Path(slurm["SLURM_CONF"]).read_text(), re.MULTILINE)
    tables = "".join(Path(f"/proc/net/{name}").read_text() for name in ("tcp", "tcp6"))
    assert len(ports) == 2
    for port in ports:
        found = re.findall(rf"^ *\d+: (\w+):{int(port):04X} \w+:0000 0A ", tables, re.MULTILINE)
        assert found == ["0100007F"]  # 127.0.0.1


def test_an_array_of_jobs_gives_the_bytes_of_one_process(project, slurm, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(project, other, symlinks=True)
    repro(project, "synthesize@espeak")
    submit(other, "share synthesize@espeak 'synthesize espeak'", 3, slurm)
    assert artefacts(other) == artefacts(project)
    assert len(list((other / "datasets/synthesize/espeak").glob("part-*.parquet"))) == 4
    said = [path.read_text() for path in sorted(other.glob("slurm-*.out"))]
    assert sum("the share of job" in text for text in said) == 3
    assert "(4 partitions were already done)" in "".join(said)


def test_a_job_that_fails_ends_the_stage(project, slurm, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(project, other, symlinks=True)
    with pytest.raises(subprocess.CalledProcessError):
        submit(other, "share ingest@recordings 'ingest nobody'", 2, slurm)
    assert len(list(other.glob("slurm-*.out"))) == 2  # no last call
