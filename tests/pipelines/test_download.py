from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import socket
import stat
import struct
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clips import BadInput, VisemillError
from pipelines.download import Limits, Retries, download, mirror_of, obtain, unpack, verify

DATA = os.urandom(400_000)
SUM = f"sha256:{hashlib.sha256(DATA).hexdigest()}"
QUICK = Retries(count=2, wait=0.01)


class Server:
    """A real server on this machine. `cuts`: after how many bytes of each coming answer the
    connection breaks (or just ends, without `breaks`); `ranges`: whether it can send parts;
    `said`: whether it says the length; `seen`: the requests so far."""

    def __init__(self) -> None:
        self.data, self.tag, self.ranges, self.said = DATA, '"one"', True, True
        self.breaks = True
        self.cuts: list[int] = []
        self.statuses: list[int] = []
        self.seen: list[tuple[str, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.answer(self)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        span = request.headers.get("Range", "")
        self.seen.append((request.path, span))
        if self.statuses:
            request.send_error(self.statuses.pop(0))
            return
        if request.path.startswith("/moved/"):
            request.send_response(302)
            request.send_header("Location", request.path.removeprefix("/moved"))
            request.end_headers()
            return
        if request.path.startswith("/missing"):
            request.send_error(404)
            return
        start = int(span.removeprefix("bytes=").rstrip("-")) if span and self.ranges else 0
        if request.headers.get("If-Range", self.tag) != self.tag:
            start = 0
        if start >= len(self.data):
            request.send_error(416)
            return
        request.send_response(206 if start else 200)
        if start:
            size = len(self.data)
            request.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        if self.tag:
            request.send_header("ETag", self.tag)
        if self.said:
            request.send_header("Content-Length", str(len(self.data) - start))
        request.end_headers()
        cut = self.cuts.pop(0) if self.cuts else len(self.data)
        request.wfile.write(self.data[start : start + cut])
        request.wfile.flush()
        if (
            cut < len(self.data) - start and self.breaks
        ):  # a connection that breaks, not one that ends
            request.connection.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
        request.close_connection = True


@pytest.fixture
def server():
    one = Server()
    yield one
    one.server.shutdown()
    one.server.server_close()


def ranges(server: Server) -> list[str]:
    return [span for _, span in server.seen]


def test_a_file_arrives_whole_and_leaves_nothing_beside_it(server, tmp_path):
    target = tmp_path / "deep" / "a.tar.gz"
    assert download([f"{server.address}/a"], target, size=len(DATA), retries=QUICK)
    assert target.read_bytes() == DATA
    assert [p.name for p in target.parent.iterdir()] == ["a.tar.gz"]


def test_a_broken_connection_goes_on_where_it_stopped(server, tmp_path):
    server.cuts = [150_000, 90_000]
    download([f"{server.address}/a"], tmp_path / "a", retries=QUICK)
    assert (tmp_path / "a").read_bytes() == DATA
    first, second, third = (int(s.removeprefix("bytes=").rstrip("-") or 0) for s in ranges(server))
    assert (first, 0 < second < third) == (0, True)


def test_a_download_goes_on_in_another_run(server, tmp_path):
    server.cuts = [150_000] + [0] * 9
    with pytest.raises(VisemillError, match="run the same command again"):
        download([f"{server.address}/a"], tmp_path / "a", retries=QUICK)
    have = (tmp_path / "a.part").stat().st_size
    assert 0 < have <= 150_000
    server.cuts.clear()
    server.seen.clear()
    download([f"{server.address}/a"], tmp_path / "a", retries=QUICK)
    assert ranges(server) == [f"bytes={have}-"]
    assert (tmp_path / "a").read_bytes() == DATA


@pytest.mark.parametrize("tag", ['"two"', ""])
def test_a_file_that_changed_meanwhile_is_fetched_anew(server, tmp_path, tag):
    server.cuts, server.tag = [150_000] + [0] * 9, tag and '"one"'
    with pytest.raises(VisemillError):
        download([f"{server.address}/a"], tmp_path / "a", retries=QUICK)
    # The tag alone tells, or where there is none, the length.
    server.cuts, server.tag, server.data = [], tag, DATA[::-1] + (b"" if tag else b"longer")
    download([f"{server.address}/a"], tmp_path / "a", retries=QUICK)
    assert (tmp_path / "a").read_bytes() == server.data


def test_a_file_that_became_shorter_is_fetched_anew(server, tmp_path):
    server.cuts, server.tag = [150_000] + [0] * 9, ""
    with pytest.raises(VisemillError):
        download([f"{server.address}/a"], tmp_path / "a", retries=QUICK)
    server.cuts, server.data = [], DATA[:1000]
    download([f"{server.address}/a"], tmp_path / "a", retries=QUICK)
    assert (tmp_path / "a").read_bytes() == DATA[:1000]
    assert server.seen[-2][1] > server.seen[-1][1] == "", "a part was asked for first"


def test_an_answer_that_just_ends_is_not_taken_for_the_whole_file(server, tmp_path):
    server.said, server.breaks, server.cuts = False, False, [150_000]
    download([f"{server.address}/a"], tmp_path / "a", size=len(DATA), retries=QUICK)
    assert (tmp_path / "a").read_bytes() == DATA


def test_a_server_that_sends_no_parts_sends_all_again(server, tmp_path):
    server.ranges, server.cuts = False, [150_000]
    download([f"{server.address}/a"], tmp_path / "a", retries=QUICK)
    assert (tmp_path / "a").read_bytes() == DATA


def test_a_server_that_never_gets_further_is_given_up(server, tmp_path):
    # Answers just end: what a broken connection loses differs from time to time.
    server.ranges, server.breaks, server.cuts = False, False, [150_000] * 99
    with pytest.raises(VisemillError, match="cannot be downloaded"):
        download([f"{server.address}/a"], tmp_path / "a", retries=QUICK)
    assert len(server.seen) == 2 + QUICK.count


def test_a_server_that_says_no_length_is_held_to_the_known_one(server, tmp_path):
    server.said, server.ranges, server.cuts = False, False, [150_000] * 99
    with pytest.raises(VisemillError):
        download([f"{server.address}/a"], tmp_path / "a", size=len(DATA), retries=QUICK)
    server.cuts = []
    download([f"{server.address}/a"], tmp_path / "a", size=len(DATA), retries=QUICK)
    assert (tmp_path / "a").read_bytes() == DATA
    with pytest.raises(VisemillError, match="more than 1000 bytes came"):
        download([f"{server.address}/a"], tmp_path / "b", size=1000, retries=QUICK)


def test_a_whole_part_needs_no_further_request(server, tmp_path):
    address = f"{server.address}/a"
    (tmp_path / "a.part").write_bytes(DATA)
    note = {"address": address, "tag": '"one"', "total": len(DATA)}
    (tmp_path / "a.json").write_text(json.dumps(note))
    download([address], tmp_path / "a", retries=QUICK)
    assert (server.seen, (tmp_path / "a").read_bytes()) == ([], DATA)


def test_redirects_are_followed_and_busy_servers_asked_again(server, tmp_path):
    server.statuses = [503]
    download([f"{server.address}/moved/a"], tmp_path / "a", retries=QUICK)
    assert (tmp_path / "a").read_bytes() == DATA
    assert [path for path, _ in server.seen] == ["/moved/a", "/moved/a", "/a"]


def test_the_next_address_is_tried_and_all_answers_are_told(server, tmp_path):
    missing, dead = f"{server.address}/missing", "http://127.0.0.1:9/a"
    assert download([missing, f"{server.address}/a"], tmp_path / "a", retries=QUICK).endswith("/a")
    with pytest.raises(VisemillError) as caught:
        download([missing, dead], tmp_path / "b", advice="set a mirror", retries=QUICK)
    assert "404" in str(caught.value)
    assert "connection refused" in str(caught.value)
    assert "or set a mirror" in str(caught.value)


def test_a_file_of_another_size_is_not_even_fetched(server, tmp_path):
    with pytest.raises(VisemillError, match=f"has {len(DATA)} bytes there, not 5"):
        download([f"{server.address}/a"], tmp_path / "a", size=5, retries=QUICK)
    assert not list(tmp_path.iterdir())


def get(tmp_path: Path, server: Server, sum: str = SUM, mirror: str = "", size: int = 0):
    """`obtain` of corpus/a.tar from the test's server."""
    return obtain("corpus/a.tar", [server.address], tmp_path / "to", size=size, sum=sum,
                  mirror=mirror, retries=QUICK)  # fmt: skip


def test_a_wrong_checksum_is_refused_and_the_file_kept_aside(server, tmp_path):
    with pytest.raises(BadInput, match=r"not the file it should be.*kept as a\.tar\.refused"):
        get(tmp_path, server, sum="sha256:" + "0" * 64)
    folder = tmp_path / "to/archives/corpus"
    assert [p.name for p in folder.iterdir()] == ["a.tar.refused"]


def test_an_unknown_checksum_is_remembered_and_then_held(server, tmp_path):
    path, origin = get(tmp_path, server, sum="unknown")
    assert (origin["sum"], origin["address"]) == (SUM, f"{server.address}/a.tar")
    assert json.loads((tmp_path / "to/first-seen.json").read_text()) == {"corpus/a.tar": SUM}
    path.unlink()
    server.data = DATA[::-1]
    with pytest.raises(BadInput, match="written at the first download"):
        get(tmp_path, server, sum="unknown")


def test_a_mirror_folder_comes_first_and_its_files_stay(server, tmp_path):
    file = tmp_path / "mirror/corpus/a.tar"
    file.parent.mkdir(parents=True)
    file.write_bytes(DATA)
    path, _ = get(tmp_path, server, mirror=str(tmp_path / "mirror"))
    assert (path, server.seen) == (file, [])
    file.write_bytes(b"other")
    with pytest.raises(BadInput, match="not the file it should be"):
        get(tmp_path, server, mirror=str(tmp_path / "mirror"))
    with pytest.raises(BadInput, match=f"has 5 bytes, not {len(DATA)}"):
        get(tmp_path, server, mirror=str(tmp_path / "mirror"), size=len(DATA))
    assert file.read_bytes() == b"other"


def test_a_mirror_address_comes_before_the_corpus_home(server, tmp_path):
    get(tmp_path, server, mirror=f"{server.address}/here/")
    assert server.seen == [("/here/corpus/a.tar", "")]
    assert mirror_of("", "corpus/a.tar") is None
    with pytest.raises(BadInput, match="VISEMILL_MIRROR: is 'nowhere'"):
        mirror_of("nowhere", "corpus/a.tar")


def test_without_a_network_the_error_names_the_mirror(tmp_path):
    with pytest.raises(VisemillError, match=r"put it into a folder as c/a\.tar and set VISEMILL_M"):
        obtain("c/a.tar", ["http://127.0.0.1:9"], tmp_path, size=0, sum="unknown", retries=QUICK)


def test_a_broken_memory_is_named(tmp_path):
    (tmp_path / "a").write_bytes(b"a")
    (tmp_path / "seen.json").write_text("[]")
    with pytest.raises(BadInput, match=r"seen\.json: cannot be read"):
        verify(tmp_path / "a", size=0, sum="unknown", seen=tmp_path / "seen.json", key="a")


def tar_of(path: Path, members: list[tuple[str, bytes | str]], mode: str = "w:gz") -> Path:
    """A tar of (name, bytes), or (name, type) for folders, links and devices."""
    with tarfile.open(path, mode) as box:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
                box.addfile(info, io.BytesIO(content))
            else:
                info.type, info.linkname = content.encode(), "a.txt"
                box.addfile(info)
    return path


def zip_of(path: Path, members: list[tuple[str, bytes | str]]) -> Path:
    """A zip of (name, bytes), or (name, kind) with a kind of file of Unix."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as box:
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            if isinstance(content, str):
                info.external_attr = getattr(stat, content) << 16
                content = b"a.txt"
            box.writestr(info, content)
    return path


def refused(archive: Path, match: str, **more) -> None:
    """Unpacking fails with that message and leaves nothing."""
    before = sorted(archive.parent.rglob("*"))
    with pytest.raises(BadInput, match=match):
        unpack(archive, archive.parent / "out", **more)
    assert sorted(archive.parent.rglob("*")) == before


GOOD = [("c/", b""), ("c/a.txt", b"one"), ("./c/d/b.txt", b"two" * 1000)]


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz", "zip"])
def test_good_archives_are_unpacked_whatever_they_are_called(tmp_path, mode):
    if mode == "zip":
        archive = zip_of(tmp_path / "x", GOOD)
    else:
        archive = tar_of(tmp_path / "x", [("c", tarfile.DIRTYPE.decode()), *GOOD[1:]], mode)
    (tmp_path / ".out.part").mkdir()  # what an interrupted run left
    (tmp_path / ".out.part/old").write_text("")
    assert unpack(archive, tmp_path / "out", extra={"corpus.yaml": "licence: MIT\n"}) == 2
    found = {str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.*")}
    assert found == {"corpus.yaml", "c/a.txt", "c/d/b.txt"}
    assert (tmp_path / "out/c/d/b.txt").read_bytes() == b"two" * 1000
    assert not (tmp_path / ".out.part").exists()


@pytest.mark.parametrize("kind", ["SYMTYPE", "LNKTYPE", "CHRTYPE", "BLKTYPE", "FIFOTYPE"])
def test_links_and_devices_in_a_tar_are_refused(tmp_path, kind):
    odd = ("x", getattr(tarfile, kind).decode())
    refused(tar_of(tmp_path / "x.tar", [("a.txt", b"1"), odd]), "holds a link or a device: 'x'")


@pytest.mark.parametrize("kind", ["S_IFLNK", "S_IFCHR", "S_IFIFO"])
def test_links_and_devices_in_a_zip_are_refused(tmp_path, kind):
    refused(zip_of(tmp_path / "x.zip", [("a.txt", b"1"), ("x", kind)]), "holds a link or a device")


HOSTILE = ["/etc/x", "../x", "a/../../x", "a/..", "C:/x", "..\\x", "a\nb", "x" * 300, "a/../b"]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_that_lead_out_are_refused(tmp_path, name):
    refused(tar_of(tmp_path / "x.tar", [("good", b"1"), (name, b"2")]), "leads out of its folder")
    refused(zip_of(tmp_path / "x.zip", [("good", b"1"), (name, b"2")]), "leads out of its folder")


NAMES = st.lists(
    st.sampled_from(["..", ".", "", "a", "b", "/", "~", "\\", "C:", "é", " ", "\x01"]), max_size=6
).map("/".join) | st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@settings(max_examples=150, deadline=None)
@given(names=st.lists(NAMES, min_size=1, max_size=3), zipped=st.booleans())
def test_no_name_ever_writes_outside(tmp_path_factory, names, zipped):
    root = tmp_path_factory.mktemp("names")
    make = zip_of if zipped else tar_of
    archive = make(root / "x", [(name, b"1") for name in names])
    try:
        unpack(archive, root / "in" / "out")
    except BadInput:
        assert not (root / "in" / "out").exists()
    outside = [p for p in root.rglob("*") if not p.is_relative_to(root / "in/out")]
    assert set(outside) <= {root / "x", root / "in"}


@pytest.mark.parametrize("make", [tar_of, zip_of])
def test_bombs_are_refused(tmp_path, make):
    zeros = b"\0" * 40_000_000
    bomb = make(tmp_path / "bomb", [("a", zeros)])
    refused(bomb, "unpacks to (more than|too many)")
    many = make(tmp_path / "many", [(f"{n}", b"1") for n in range(50)])
    refused(many, "has more than 20 members", limits=Limits(members=20))
    big = make(tmp_path / "big", [("a", os.urandom(3000))])
    refused(big, "unpacks to", limits=Limits(size=2000))


def test_a_header_that_is_a_bomb_is_refused(tmp_path):
    info = tarfile.TarInfo("a")
    info.pax_headers = {"comment": "x" * 60_000_000}
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as box:
        box.addfile(info)
    refused(tmp_path / "x.tar.gz", "unpacks to too many bytes")


@pytest.mark.parametrize("make", [tar_of, zip_of])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_comes_twice_is_refused(tmp_path, make):
    twice = [("a.txt", b"1"), ("./a.txt", b"2")]
    refused(make(tmp_path / "x", twice), "names a file twice")


@pytest.mark.parametrize("make", [tar_of, zip_of])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_what_is_cut_off_is_refused(tmp_path, make, share):
    archive = make(tmp_path / "x", [("a", os.urandom(200_000)), ("b", os.urandom(200_000))])
    archive.write_bytes(archive.read_bytes()[: int(archive.stat().st_size * share)])
    refused(archive, "damaged, cut off or no archive")


def test_a_sparse_file_whose_map_is_cut_off_is_refused(tmp_path):
    header = tarfile.TarInfo("a")
    header.type = tarfile.GNUTYPE_SPARSE
    block = bytearray(header.tobuf(tarfile.GNU_FORMAT))
    block[482], block[148:156] = 1, b" " * 8  # more of the map follows; the sum is of spaces
    block[148:156] = b"%06o\0 " % sum(block)
    archive = tmp_path / "x.tar"
    archive.write_bytes(block)  # and nothing follows: tarfile raises an IndexError
    refused(archive, "damaged, cut off or no archive")


def test_a_flipped_byte_is_noticed(tmp_path):
    plain = tar_of(tmp_path / "plain", [("a", b"1" * 5000)], "w").read_bytes()
    packed = bytearray(gzip.compress(plain))
    packed[-6] ^= 1  # in the checksum at the end
    (tmp_path / "x.tar.gz").write_bytes(packed)
    (tmp_path / "plain").unlink()
    refused(tmp_path / "x.tar.gz", "damaged, cut off or no archive")


@pytest.mark.parametrize(
    ("at", "value", "why"),
    [
        (10, b"\x63\x00", "packed in a way that is not read"),  # a compression that nobody knows
        (6, b"\x63", "no archive .zip file version 9.9"),  # zipfile: NotImplementedError
        (46, b"\xff", "no archive .'utf-8' codec"),  # the name is no text: UnicodeDecodeError
    ],
)
def test_a_zip_that_python_cannot_read_is_refused(tmp_path, at, value, why):
    archive = zip_of(tmp_path / "x", [("a", b"1")])
    data = bytearray(archive.read_bytes())
    entry = data.index(b"PK\x01\x02")  # the directory at the end
    data[entry + 8 : entry + 10] = b"\x00\x08"  # names are UTF-8
    data[entry + at : entry + at + len(value)] = value
    archive.write_bytes(data)
    refused(archive, why)


def test_a_locked_zip_is_refused(tmp_path):
    archive = zip_of(tmp_path / "x.zip", [("a", b"1")])
    data = bytearray(archive.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(data)
    refused(archive, "locked with a password")
