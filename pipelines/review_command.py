"""`visemill review`: the review page in the browser; `review commit`: publish what was decided.

The page listens on this machine alone. For others a reverse proxy with a password stands before
it, or Streamlit's own login: docs/review.md.
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.request
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

from clips import BadInput, EngineMissing
from pipelines.params import load_params
from pipelines.shards import FROZEN, freeze
from pipelines.stage import DATA
from pipelines.visemes import VisemesParams
from review_ui.desk import Desk

JOURNALS = Path(".reviews")
"""Where reviewers' journals lie; git and DVC ignore it and no stage reads it."""

_PAGE = Path(__file__).parent.parent / "review_ui"
_SECRETS = Path(".streamlit") / "secrets.toml"
_GUARDS = ("proxy", "login")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `visemill review`."""
    parser.add_argument(
        "action",
        nargs="?",
        choices=("open", "commit"),
        default="open",
        help="commit: publish the decisions to datasets/reviews/<reviewer>.jsonl",
    )
    parser.add_argument("--demo", action="store_true", help="on a small set that is made for it")
    parser.add_argument("--port", type=int, default=8501, help="(default 8501)")
    parser.add_argument("--address", default="127.0.0.1", help="to listen on (default 127.0.0.1)")
    parser.add_argument(
        "--guard",
        choices=_GUARDS,
        help="who asks for a password, if others can reach the address: a reverse proxy of yours"
        " before it, or Streamlit's own login ([auth] in .streamlit/secrets.toml)",
    )
    parser.add_argument("--no-browser", action="store_true", help="only say where the page is")


def run(args: argparse.Namespace) -> int:
    """Serves the page until it is stopped, or publishes; the exit status."""
    if args.action == "commit":
        return commit(DATA, JOURNALS)
    check_address(args.address, args.guard)
    if find_spec("streamlit") is None:
        raise EngineMissing(
            "the review page needs Streamlit", remedy='`.venv/bin/pip install -e ".[review]"`'
        )
    with _demo() if args.demo else nullcontext((DATA, JOURNALS)) as (datasets, journals):
        desk = Desk(datasets, journals)  # says what is missing before a server starts
        left = sum(desk.progress().left.values())
        print(f"review: {left} clips to hear", file=sys.stderr)
        return _serve(args, datasets, journals)


def check_address(address: str, guard: str | None) -> None:
    """Raises BadInput for an address that others can reach while nobody asks for a password."""
    try:
        local = address == "localhost" or ipaddress.ip_address(address).is_loopback
    except ValueError:
        local = False
    if not local and guard is None:
        raise BadInput(
            "others can reach this address, and nobody asks them for a password",
            where=f"--address {address}",
            remedy="leave it out and put a reverse proxy with a password before the page, or say"
            " who asks: --guard proxy, --guard login (docs/review.md)",
        )
    if guard == "login" and not any("auth" in _toml(base / _SECRETS) for base in _bases()):
        raise BadInput(
            "has no block [auth]",
            where=str(_SECRETS),
            remedy="write down there who may log in and how (docs/review.md)",
        )


def commit(datasets: Path, journals: Path) -> int:
    """Publishes every reviewer's decisions to `datasets`/reviews/<reviewer>.jsonl.

    A file is replaced as a whole, and none while a stage of DVC reads them. Raises BadInput then.
    """
    desk = Desk(datasets, journals)
    published = {
        reviewer: "".join(f"{decision.to_json()}\n" for decision in decisions).encode()
        for reviewer, decisions in sorted(desk.to_publish().items())
    }
    folder, exported = datasets / "reviews", datasets / "export" / "manifest.parquet"
    changed = {name for name, data in published.items() if _read(folder / f"{name}.jsonl") != data}
    if changed and exported.exists():  # what is approved now shall go into new shards
        with _nobody_reads(datasets / "frozen"):
            freeze(exported, datasets / FROZEN.relative_to(DATA))
    with _nobody_reads(folder):
        for reviewer, data in published.items():
            if reviewer in changed:
                _publish(folder / f"{reviewer}.jsonl", data, journals)
            state = "published" if reviewer in changed else "were there already"
            lines = data.count(b"\n")
            print(f"review: {reviewer}: {lines} decisions {state}", file=sys.stderr)
    if conflicts := desk.conflicts():
        print(
            f"review: reviewers contradict each other about {len(conflicts)} clips, such as"
            f" {conflicts[0].clip_id}; these wait until somebody settles it on the page",
            file=sys.stderr,
        )
    return 0


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def _publish(path: Path, data: bytes, journals: Path) -> None:
    """Replaces a published file."""
    journals.mkdir(parents=True, exist_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Made where no stage looks: DVC would see a temporary file in a folder that it tracks. Across
    # file systems it must be made beside its target; no stage runs while the lock is held.
    near = journals.stat().st_dev == path.parent.stat().st_dev
    folder = journals if near else path.parent
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".part", delete=False) as file:
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            os.chmod(file.name, 0o644)
            os.replace(file.name, path)
        except OSError:
            os.unlink(file.name)
            raise


@contextmanager
def _nobody_reads(folder: Path) -> Iterator[None]:
    """Holds DVC's own lock on a folder, so that no stage that reads it runs meanwhile."""
    locks = Path(".dvc", "tmp")
    if not locks.is_dir():
        yield
        return
    from dvc.fs import localfs
    from dvc.lock import LockError
    from dvc.rwlock import rwlock

    try:
        with rwlock(
            str(locks.resolve()),
            localfs,
            "visemill review commit",
            [],
            [str(folder.resolve())],
            False,
        ):
            yield
    except LockError as error:
        raise BadInput(
            "a stage of DVC is reading the decisions",
            where=str(folder),
            remedy="wait until it has ended, then run the same command again; nothing is lost",
        ) from error


def _serve(args: argparse.Namespace, datasets: Path, journals: Path) -> int:
    """Runs Streamlit until it ends or is stopped; its exit status."""
    script = _PAGE / ("door.py" if args.guard == "login" else "app.py")
    options = {
        "server.address": args.address,
        "server.port": args.port,
        "server.headless": "true",  # else it asks for an e-mail address
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "minimal",
    }
    command = [sys.executable, "-m", "streamlit", "run", str(script)]
    command += [part for key, value in options.items() for part in (f"--{key}", str(value))]
    environment = {
        **os.environ,
        "VISEMILL_DATASETS": str(datasets.resolve()),
        "VISEMILL_JOURNALS": str(journals.resolve()),
    }
    if Path("params.yaml").exists():
        rules = load_params("visemes", VisemesParams).rules
        environment["VISEMILL_RULES"] = json.dumps(asdict(rules))
    with socket.socket(socket.AF_INET6 if ":" in args.address else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((args.address, args.port))
        except (OSError, OverflowError) as error:
            raise BadInput(
                f"cannot be listened on ({error})",
                where=f"{args.address}, port {args.port}",
                remedy="another page may be open there: end it, or give another --port",
            ) from error
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whoever ends us ends the server
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    host = "127.0.0.1" if args.address in ("0.0.0.0", "::") else args.address
    url = f"http://{f'[{host}]' if ':' in host else host}:{args.port}"
    try:
        if _answers(server, url):
            print(f"review: {url} (Ctrl-C ends it; no decision is lost)", file=sys.stderr)
            if not args.no_browser and _has_screen():
                webbrowser.open(url)
        return server.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        server.terminate()
        server.wait()


def _answers(server: subprocess.Popen, url: str) -> bool:
    """Waits until the server answers; False if it ended instead."""
    while server.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=1):
                return True
        except OSError:
            time.sleep(0.1)
    return False


def _has_screen() -> bool:
    return sys.platform != "linux" or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )


@contextmanager
def _demo() -> Iterator[tuple[Path, Path]]:
    """The folders of a demonstration set, which go when the page is closed."""
    from pipelines.review_demo import make_demo

    with tempfile.TemporaryDirectory(prefix="visemill-demo-") as folder:
        make_demo(Path(folder))
        yield Path(folder, DATA), Path(folder, JOURNALS)


def _bases() -> tuple[Path, ...]:
    """Where Streamlit looks for its secrets."""
    return Path(), Path.home()


def _toml(path: Path) -> dict:
    return tomllib.loads(path.read_text("utf-8")) if path.is_file() else {}
