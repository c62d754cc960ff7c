"""A run as arrays of jobs, on a Slurm that is started here, beside an undisturbed `dvc repro`.

    python benchmarks/slurm.py [--jobs 2] [--keep FOLDER]

The functions `alone` and `share` are taken from docs/scale.md, with fewer jobs in an array; every
stage of a small run goes through them. Exit status 1 if an artefact has other bytes than those of
the same run without Slurm. Wants slurmctld, slurmd and sbatch (Debian: slurm-wlm), and nothing of
this machine's own Slurm: the one that is started listens on loopback, and ends with this.
"""

from __future__ import annotations

import argparse
import getpass
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.kills import artefacts, make_project, run

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "sinfo")
DOCUMENT = Path(__file__).parents[1] / "docs/scale.md"

STAGES = (
    "alone prompts",
    "share synthesize@espeak 'synthesize espeak'",
    "alone narrate",
    "share ingest@recordings 'ingest recordings'",
    "share ingest@narrated 'ingest narrated'",
    "share transfer transfer",
    "alone acoustic",
    "share align@recordings 'align recordings'",
    "share align@narrated 'align narrated'",
    "alone relearn",
    "share realign realign",
    "share augment augment",
    "share visemes visemes",
    "share triage triage",
    "share export export",
    "alone train",
    "alone evaluate",
)

_CONF = """\
ClusterName=visemill
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={first}
SlurmdPort={second}
AuthType=auth/none
CredType=cred/none
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MailProg=/bin/true
MpiDefault=none
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={processors} State=UNKNOWN
PartitionName=all Nodes={host} Default=YES State=UP
"""


def main() -> int:
    """Prints a line for each stage, and whether all is the same."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=2, help="in an array")
    parser.add_argument("--keep", type=Path, help="work in this new folder and leave it")
    args = parser.parse_args()
    if missing := [name for name in PROGRAMS if not shutil.which(name)]:
        print(f"{', '.join(missing)} not found; on Debian: apt-get install slurm-wlm")
        return 2
    folder = args.keep.resolve() if args.keep else Path(tempfile.mkdtemp(prefix="visemill-slurm-"))
    plain = make_project(folder / "plain")
    if run(plain, folder / "plain.log", None) != 0:
        print(f"the run without Slurm failed, see {folder / 'plain.log'}")
        return 1
    project = make_project(folder / "project")
    prepare = [".venv/bin/visemill", "inputs", "--engines", "embedded"]
    subprocess.run(prepare, cwd=project, check=True)
    with cluster(folder / "slurm") as settings:
        for stage in STAGES:
            began = time.perf_counter()
            submit(project, stage, args.jobs, settings)
            print(f"{stage}: {time.perf_counter() - began:.1f} s", flush=True)
    truth, found = artefacts(plain), artefacts(project)
    different = [n for n in sorted({*truth, *found}) if truth.get(n) != found.get(n)]
    print(f"{len(truth)} artefacts, {len(different)} of them differ")
    print("\n".join(different), end="")
    if not args.keep:
        shutil.rmtree(folder)
    return 1 if different else 0


def submit(project: Path, call: str, jobs: int, settings: dict[str, str]) -> None:
    """Gives Slurm a stage in the way that docs/scale.md tells, and waits for its end.

    call: of `alone` or `share`, the shell functions there. Raises CalledProcessError.
    """
    shell = f"set -e\n{functions(jobs)}\n{call}\n"
    environment = {**os.environ, **settings, "PYTHONPATH": str(project)}
    subprocess.run(["bash", "-c", shell], cwd=project, env=environment, check=True)


def functions(jobs: int) -> str:
    """The shell functions of docs/scale.md, for arrays of so many jobs."""
    block = re.search(r"```sh\n(alone\(\).*?\n\}\n)", DOCUMENT.read_text(), re.DOTALL)
    if not block or "--array=0-63" not in block[1]:
        raise SystemExit(f"{DOCUMENT} has no functions `alone` and `share` for 64 jobs")
    return block[1].replace("--array=0-63", f"--array=0-{jobs - 1}")


@contextmanager
def cluster(folder: Path) -> Iterator[dict[str, str]]:
    """A Slurm of this machine alone, whose files lie in `folder`; gives the variables to reach it.

    Nobody but this machine can reach it: it listens on 127.0.0.1, and trusts who is there.
    """
    folder = folder.resolve()
    for part in ("state", "spool"):
        (folder / part).mkdir(parents=True)
    first, second = free_ports(2)
    host, processors = socket.gethostname().partition(".")[0], len(os.sched_getaffinity(0))
    conf = folder / "slurm.conf"
    conf.write_text(
        _CONF.format(
            host=host, first=first, second=second, user=getpass.getuser(),
            folder=folder, processors=processors,
        )
    )  # fmt: skip
    settings = {"SLURM_CONF": str(conf)}
    environment = {**os.environ, **settings}
    with ExitStack() as ends:
        running = []
        for program in ("slurmctld", "slurmd"):
            log = ends.enter_context((folder / f"{program}.log").open("w"))
            process = subprocess.Popen(
                [program, "-D", "-f", str(conf)],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            running.append(process)
            ends.callback(process.wait)
            ends.callback(process.terminate)
        _wait_until_idle(folder, environment, running)
        ends.callback(
            subprocess.run, ["scancel", "--user", getpass.getuser()], env=environment, check=False
        )
        yield settings


def _wait_until_idle(
    folder: Path, environment: dict[str, str], running: list[subprocess.Popen]
) -> None:
    latest = time.monotonic() + 60
    while time.monotonic() < latest and all(process.poll() is None for process in running):
        asked = ["timeout", "5", "sinfo", "--noheader", "--format", "%t"]
        told = subprocess.run(asked, env=environment, capture_output=True, text=True, check=False)
        if told.stdout.strip() == "idle":
            return
        time.sleep(0.5)
    logs = "\n".join(path.read_text()[-1000:] for path in sorted(folder.glob("*.log")))
    raise RuntimeError(f"Slurm does not start here:\n{logs}")


def free_ports(count: int) -> list[int]:
    """Ports of loopback where nobody listens."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


if __name__ == "__main__":
    sys.exit(main())
