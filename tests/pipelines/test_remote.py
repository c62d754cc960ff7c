"""DVC remotes for real: a folder, and an S3 server on this machine; push, pull, repro --pull."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dvc.api as dvc_api
import numpy as np
import pytest
import yaml

from clips import BadInput, from_flac
from pipelines.publish_command import publish
from tests.pipelines.test_export import make_project

ROOT = Path(__file__).parents[2]
STAGES = ("visemes", "triage", "export")
INPUTS = ("synthesize", "realign", "augment", "transfer")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of an S3 server (moto's) with a bucket `store`, and keys in the environment."""
    pytest.importorskip("dvc_s3", reason="needs the extra `s3`")
    moto = pytest.importorskip("moto.server", reason="needs the extra `test`")
    import boto3

    running = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    with pytest.MonkeyPatch.context() as patch:
        address = "http://{}:{}".format(*running.get_host_and_port())
        for name, value in {
            "AWS_ENDPOINT_URL": address,
            "AWS_ACCESS_KEY_ID": "nobody",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
        }.items():
            patch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket="store")
        yield address
    running.stop()


def call(*command: str, cwd: Path) -> str:
    """Runs a command; what it said."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "VISEMILL_WORKERS": "1"}
    environment |= {f"GIT_{who}_{what}": "t@example.com" for who in ("AUTHOR", "COMMITTER")
                    for what in ("NAME", "EMAIL")}  # fmt: skip
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def dvc(*arguments: str, cwd: Path) -> str:
    """Runs DVC."""
    return call(sys.executable, "-m", "dvc", *arguments, cwd=cwd)


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Path:
    """The project's last three stages as our dvc.yaml has them, in git and DVC, run once."""
    project = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        make_project()
        _run_with_dvc(project)
    return project


def _run_with_dvc(project: Path) -> None:
    whole = yaml.safe_load((ROOT / "dvc.yaml").read_text())
    stages = {name: whole["stages"][name] for name in STAGES}
    for stage in stages.values():
        stage["deps"] = [dep for dep in stage["deps"] if dep.startswith("datasets/")]
        stage["deps"] = [dep for dep in stage["deps"] if Path(dep).exists() or dep.startswith(
            ("datasets/visemes", "datasets/triage"))]  # fmt: skip
        stage["cmd"] = f"echo ran {stage['cmd'].split('.')[-1]} && {stage['cmd']}"
    text = {"vars": [{"python": sys.executable}], "stages": stages}
    (project / "dvc.yaml").write_text(yaml.safe_dump(text))
    call("git", "init", "-q", cwd=project)
    dvc("init", "-q", cwd=project)
    shutil.copy(ROOT / ".dvcignore", project)
    (project / ".gitignore").write_text(".work/\n")
    inputs = [f"datasets/{name}" for name in INPUTS if Path("datasets", name).exists()]
    dvc("add", "-q", *inputs, cwd=project)
    dvc("repro", "-q", cwd=project)
    call("git", "add", ".", cwd=project)
    call("git", "commit", "-q", "-m", "all", cwd=project)


def files(folder: Path) -> dict[str, bytes]:
    """What an export holds."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_a_fresh_clone_pulls_what_was_pushed_and_runs_only_what_changed(
    kind, repository, tmp_path_factory, request
):
    away = tmp_path_factory.mktemp("away")
    address = str(away / "remote")
    if kind == "s3":
        request.getfixturevalue("server")
        address = "s3://store/dvc"
    dvc("remote", "add", "-q", "-d", "-f", "store", address, cwd=repository)
    dvc("push", "-q", cwd=repository)
    call("git", "commit", "-q", "-a", "-m", "remote", cwd=repository)
    one, two = away / "one", away / "two"
    for clone in (one, two):
        call("git", "clone", "-q", str(repository), str(clone), cwd=away)
    dvc("pull", "-q", "datasets/export", cwd=one)
    assert files(one / "datasets/export") == files(repository / "datasets/export")
    assert not (one / "datasets/visemes").exists(), "only what was asked for came"

    manifest = "datasets/export/manifest.parquet"
    with dvc_api.open(manifest, repo=str(two), mode="rb") as file:
        assert file.read() == (repository / manifest).read_bytes()
    assert not (two / manifest).exists(), "it was read from the remote"
    assert "ran " not in dvc("repro", "--pull", cwd=two), "nothing changed, nothing ran"
    params = (two / "params.yaml").read_text().replace("licences: []", "licences: [MIT]")
    (two / "params.yaml").write_text(params)
    said = dvc("repro", "--pull", cwd=two)
    assert re.findall(r"^ran (\w+)", said, re.MULTILINE) == ["export"]
    (shard,) = (two / "datasets/export/webdataset").glob("*.tar")
    assert shard.name in {p.name for p in (two / "datasets/export/webdataset").glob("train-*")}


def test_the_documents_example_trains_from_an_address(server, repository):
    """docs/storage.md: a data loader of PyTorch with two processes reads the shards of a bucket."""
    torch = pytest.importorskip("torch")
    publish(repository / "datasets/export", "s3://store/clips")
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/storage.md").read_text(), re.S)
    names: dict = {}
    exec(example.replace("s3://my-bucket/clips", "s3://store/clips"), names)
    loader = torch.utils.data.DataLoader(names["clips"], batch_size=None, num_workers=2)
    samples = {sample["__key__"]: sample for sample in loader}
    assert set(samples) == {"s-train", "s-short", "a-sure", "s-train+w", "a-sure+w"}
    sample = samples["s-train"]
    assert len(from_flac(sample["flac"])) == 48000
    assert len(np.load(io.BytesIO(sample["npy"]))) == 298


@pytest.mark.parametrize("address", ["s3://no-such-bucket/clips", "nothing://x", "/proc/none"])
def test_an_address_that_cannot_be_written_is_named(server, repository, address):
    with pytest.raises(BadInput, match="cannot be written"):
        publish(repository / "datasets/export", address)
