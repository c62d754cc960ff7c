from __future__ import annotations

import argparse
import hashlib
import io
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from clips import BadInput, BadLabels, BadManifest, BadParams, Segment
from pipelines import corpora_command
from pipelines.corpora import (
    TRANSCRIPTS,
    find_layout,
    read_corpora,
    read_corpus,
    read_layout,
    read_word_times,
)
from pipelines.ingest import plan
from pipelines.recordings import Recording, read_folder
from tests.pipelines.test_download import Server, tar_of, zip_of

CORPORA = Path(__file__).parents[2] / "datasets" / "corpora"
SHARED = Path(__file__).parents[3] / "shared" / "speech"

TEXT = "Über allem: 1 “word”."


def sound(kind: str = "wav", rate: int = 16000) -> bytes:
    """A tenth of a second of a tone."""
    file = io.BytesIO()
    samples = 0.3 * np.sin(np.arange(rate // 10) * 0.1)
    soundfile.write(file, samples, rate, format=kind.upper())
    return file.getvalue()


def text(*lines: str) -> bytes:
    """Lines as the bytes of a file."""
    return "".join(f"{line}\n" for line in lines).encode()


FLAC, WAV, MP3 = sound("flac", 48000), sound("wav", 24000), sound("mp3")
CHAPTER = "LibriSpeech/dev-clean/84/121123"
VCTK = "wav48_silence_trimmed/p225/p225"

SAMPLES = {
    "librispeech": {
        f"{CHAPTER}/84-121123-0000.flac": FLAC,
        f"{CHAPTER}/84-121123-0001.flac": FLAC,
        f"{CHAPTER}/84-121123.trans.txt": text("84-121123-0000 GO", f"84-121123-0001 {TEXT}"),
        "LibriSpeech/LICENSE.TXT": b"CC BY 4.0",
    },
    "libritts": {
        "LibriTTS/dev-clean/84/121/84_121_000_001.wav": WAV,
        "LibriTTS/dev-clean/84/121/84_121_000_001.normalized.txt": text(TEXT),
        "LibriTTS/dev-clean/84/121/84_121_000_001.original.txt": text("other"),
        "LibriTTS/dev-clean/84/121/84_121_000_002.normalized.txt": text("Go."),
        "LibriTTS/dev-clean/84/121/84_121_000_002.wav": WAV,
    },
    "ljspeech": {
        "LJSpeech-1.1/metadata.csv": text(f"LJ001-0001|x|{TEXT}", 'LJ001-0002|"1" \x85 Go.|Go.'),
        "LJSpeech-1.1/wavs/LJ001-0001.wav": WAV,
        "LJSpeech-1.1/wavs/LJ001-0002.wav": WAV,
    },
    "vctk": {
        "txt/p225/p225_001.txt": TEXT.encode(),
        "txt/p225/p225_002.txt": text("Go."),
        f"{VCTK}_001_mic1.flac": FLAC,
        f"{VCTK}_001_mic2.flac": FLAC,
        f"{VCTK}_002_mic2.flac": FLAC,
        "speaker-info.txt": text("ID AGE"),
    },
    "cmu_arctic": {
        "cmu_us_slt_arctic/etc/txt.done.data": text(
            f'( arctic_a0001 "{TEXT}" )', '( arctic_a0002 "Go." )'
        ),
        "cmu_us_slt_arctic/wav/arctic_a0001.wav": WAV,
        "cmu_us_slt_arctic/wav/arctic_a0002.wav": WAV,
        "cmu_us_slt_arctic/COPYING": b"",
    },
    "commonvoice": {
        "cv-corpus-17.0/de/validated.tsv": text(
            "client_id\tpath\tsentence_id\tsentence\tlocale",
            f"abc\tcommon_voice_de_1.mp3\tx\t{TEXT}\tde",
            "def\tcommon_voice_de_2.mp3\ty\tGo.\tde",
        ),
        "cv-corpus-17.0/de/train.tsv": text("client_id\tpath"),
        "cv-corpus-17.0/de/clips/common_voice_de_1.mp3": MP3,
        "cv-corpus-17.0/de/clips/common_voice_de_2.mp3": MP3,
    },
    "speechocean762": {
        "speechocean762/train/wav.scp": text("000010011\tWAVE/SPEAKER0001/000010011.WAV"),
        "speechocean762/train/text": text(f"000010011\t{TEXT}"),
        "speechocean762/train/utt2spk": text("000010011 0001"),
        "speechocean762/test/wav.scp": text("000030012\tWAVE/SPEAKER0003/000030012.WAV"),
        "speechocean762/test/text": text("000030012\tGo."),
        "speechocean762/test/utt2spk": text("000030012 0003"),
        "speechocean762/WAVE/SPEAKER0001/000010011.WAV": WAV,
        "speechocean762/WAVE/SPEAKER0003/000030012.WAV": WAV,
    },
    "grid": {
        "audio_25k/s1/bbaf2n.wav": WAV,
        "audio_25k/s2/lgwzzp.wav": WAV,
        "audio_25k/s2/lgwxzp.wav": WAV,
    },
}
"""A few utterances of each corpus, laid out as its archives are."""

GRID_ALIGNMENTS = {
    "alignments/s1/lgwxzp.align": text("0 10000 sil", "10000 20000 lay", "20000 74500 sil"),
    "alignments/s2/bbaf2n.align": text("0 23750 sil", "23750 29500 bin", "29500 74500 sil"),
}

EXPECTED = {
    "librispeech": [("84-121123-0000", "84", "GO"), ("84-121123-0001", "84", TEXT)],
    "libritts": [("84_121_000_001", "84", TEXT), ("84_121_000_002", "84", "Go.")],
    "ljspeech": [("LJ001-0001", "lj", TEXT), ("LJ001-0002", "lj", "Go.")],
    "vctk": [("p225_001", "p225", TEXT), ("p225_002", "p225", "Go.")],
    "cmu_arctic": [("slt_arctic_a0001", "slt", TEXT), ("slt_arctic_a0002", "slt", "Go.")],
    "commonvoice": [("common_voice_de_1", "abc", TEXT), ("common_voice_de_2", "def", "Go.")],
    "speechocean762": [("000030012", "0003", "Go."), ("000010011", "0001", TEXT)],
    "grid": [("s1_bbaf2n", "s1", "bin blue at f two now"),
             ("s2_lgwxzp", "s2", "lay green with x zero please"),
             ("s2_lgwzzp", "s2", "lay green with z zero please")],
}  # fmt: skip


def lay(folder: Path, files: dict[str, bytes]) -> Path:
    """Files as they lie after unpacking."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def told(rows: list[Recording]) -> list[tuple[str, str, str]]:
    """Name, speaker and text of recordings."""
    return [(row.utt, row.speaker, row.text) for row in rows]


@pytest.mark.parametrize("name", SAMPLES)
def test_each_corpus_is_read_in_its_own_layout_by_its_name(tmp_path, name):
    rows = list(read_folder(lay(tmp_path / name, SAMPLES[name]), CORPORA))
    corpus = read_corpora(CORPORA)[name]
    assert told(rows) == EXPECTED[name]
    for row in rows:
        assert (row.fault, row.split, row.labels) == ("", "", None)
        assert (row.licence, row.attribution) == (corpus.licence, corpus.attribution)
        assert (row.language, row.corpus) == ("de" if name == "commonvoice" else "en", name)
        assert soundfile.info(row.audio).frames > 0
        assert Path(row.where.split(":")[0]).is_file()


@pytest.mark.parametrize("name", SAMPLES)
def test_each_corpus_is_known_by_its_files_alone_but_its_licence_is_not(tmp_path, name):
    rows = list(read_folder(lay(tmp_path / "somewhere", SAMPLES[name]), CORPORA))
    assert told(rows) == EXPECTED[name]
    assert {row.licence for row in rows} == {""}


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("LibriSpeech", "librispeech"),
        ("LJSpeech-1.1", "ljspeech"),
        ("cv-corpus-17.0", "commonvoice"),
    ],
)
def test_a_corpus_that_was_unpacked_by_hand_is_known_by_its_own_name(tmp_path, folder, name):
    lay(tmp_path, SAMPLES[name])
    rows = list(read_folder(tmp_path / folder, CORPORA))
    assert told(rows) == EXPECTED[name]
    assert {row.licence for row in rows} == {read_corpora(CORPORA)[name].licence}


def test_the_first_microphone_counts_else_the_second(tmp_path):
    first, second = read_folder(lay(tmp_path / "vctk", SAMPLES["vctk"]), CORPORA)
    assert (first.audio.name, second.audio.name) == ("p225_001_mic1.flac", "p225_002_mic2.flac")


def test_old_descriptors_stay_what_they_were(tmp_path):
    for name in ("emodb", "vctk_023", "commonvoice_bits"):
        corpus = read_corpus(CORPORA / f"{name}.yaml")
        assert corpus.licence
        assert corpus.attribution
        assert (corpus.layout, corpus.archives) == (None, {})


def test_every_archive_that_can_be_fetched_has_its_address_and_mirror():
    for name, corpus in read_corpora(CORPORA).items():
        assert bool(corpus.archives) == bool(corpus.addresses), name
        if corpus.layout:
            assert bool(corpus.mirror) != bool(corpus.packages)
            assert corpus.home.startswith("http")


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared recordings are not here")
def test_a_manifest_goes_before_a_layout():
    rows = list(read_folder(SHARED / "speechocean762", CORPORA))
    assert len(rows) > 1000
    assert all("manifest.tsv" in row.where for row in rows)


def test_faults_come_with_their_line_and_the_others_go_on(tmp_path):
    folder = lay(tmp_path / "ljspeech", SAMPLES["ljspeech"])
    table = folder / "LJSpeech-1.1/metadata.csv"
    table.write_bytes(
        b"LJ1|x|\xff\xff\nLJ2\n\nLJ3|../../x|Go.\nLJ/../../../../x|a|b\nLJ4|a|Gone.\r\n"
    )
    rows = list(read_folder(folder, CORPORA))
    assert [row.fault for row in rows] == [
        "a line is not as its layout says",
        "a line is not as its layout says",
        "",
        "a path leads out of its folder",
        "",
    ]
    assert f"{table}:5: a path leads out" in rows[3].where
    assert told([rows[4]]) == [("LJ4", "lj", "Gone.")]
    assert len({row.utt for row in rows}) == 5
    tasks = plan([folder], 1)  # as the stage reads it
    assert sum(bool(row["fault"]) for row in tasks[0].details) == 3


def test_faults_of_tables_side_by_side(tmp_path):
    folder = lay(tmp_path / "speechocean762", SAMPLES["speechocean762"])
    train = folder / "speechocean762/train"
    (train / "wav.scp").write_text("a\tcat x.wav |\nb\t/etc/passwd\nc\tWAVE/c.wav\nd\n")
    (train / "text").write_bytes(b"a A\nb B\nc \xff\nd D\n")
    (train / "utt2spk").unlink()
    rows = [row for row in read_folder(folder, CORPORA) if "train" in row.where]
    assert [(row.utt, row.fault) for row in rows if not row.fault] == [("a", "")]
    assert rows[0].speaker == "?"
    assert [row.fault for row in rows[1:]] == [
        "a path leads out of its folder",
        "an utterance has no line in `text`",
        "a path is empty",
    ]


def test_faults_of_a_table_with_columns(tmp_path):
    folder = lay(tmp_path / "commonvoice", SAMPLES["commonvoice"])
    table = folder / "cv-corpus-17.0/de/validated.tsv"
    table.write_bytes(table.read_bytes() + b"too\tfew\n\xff\ta\tb\tc\td\n")
    faults = [row.fault for row in read_folder(folder, CORPORA)]
    assert faults == ["", ""] + ["a row has more or fewer cells than the header"] * 2
    table.write_text("path\tsentence\nx\ty\n")
    (row,) = read_folder(folder, CORPORA)
    assert row.fault == "has no column client_id, locale"


def test_faults_of_texts_beside_the_sound_and_of_names(tmp_path):
    folder = lay(tmp_path / "vctk", SAMPLES["vctk"])
    (folder / "txt/p225/p225_001.txt").write_bytes(b"\xff\xfe")
    first, second = read_folder(folder, CORPORA)
    assert (first.fault, second.fault) == ("a transcript is not UTF-8 text", "")
    grid = lay(tmp_path / "grid", {"s1/abcdef.wav": WAV, "s1/bbaf2n.wav": WAV})
    assert [row.fault for row in read_folder(grid, CORPORA)] == [
        "the name is not a sentence of GRID", ""
    ]  # fmt: skip


def test_word_times_of_grid_go_to_the_speaker_whose_file_names_they_have(tmp_path):
    folder = lay(tmp_path / "grid", {**SAMPLES["grid"], **GRID_ALIGNMENTS})
    first, second, third = read_folder(folder, CORPORA)
    assert first.words == folder / "alignments/s2/bbaf2n.align", "not the folder of his own name"
    assert (second.words, third.words) == (folder / "alignments/s1/lgwxzp.align", None)
    many = {f"s3/{code}.wav": WAV for code in ("bbaf2n", "bbaf3n", "bbaf4n")}
    strange = {f"alignments/s9/{code}.align": b"" for code in ("bbaf2n", "a", "b", "c", "d")}
    rows = list(read_folder(lay(tmp_path / "x" / "grid", {**many, **strange}), CORPORA))
    assert {row.words for row in rows} == {None}, "one name in three is chance"


def test_word_times_are_read_in_samples_where_they_are_of_the_same_sound(tmp_path):
    path = tmp_path / "bbaf2n.align"
    path.write_bytes(GRID_ALIGNMENTS["alignments/s2/bbaf2n.align"])
    assert read_word_times(path, 47_648) == (Segment("bin", 15_200, 18_880),)
    with pytest.raises(BadLabels, match=r"end at 2\.98 s, the sound at 1\.75 s.*video"):
        read_word_times(path, 28_000)
    for line in ("0 x sil", "0 10", "5 5 sil", "100 50 sil"):
        path.write_text(f"0 50 sil\n{line}\n")
        with pytest.raises(BadLabels, match=r"bbaf2n\.align:2"):
            read_word_times(path, 16_000)


MINE = r"""
licence: CC-BY-4.0
attribution: me
language: de
layout:
  reader: sidecars
  files: "takes/*.lab"
  name: 'takes/(?P<speaker>[a-z]+)-(?P<utt>\d+)\.lab$'
  audio: ["takes/{speaker}-{utt}.wav"]
  utt: "{speaker}{utt}"
"""


def test_a_folder_of_mine_says_its_own_layout(tmp_path):
    files = {"corpus.yaml": MINE.encode(), "takes/ann-1.lab": text("Guten", " Tag "),
             "takes/ann-1.wav": WAV}  # fmt: skip
    (row,) = read_folder(lay(tmp_path / "mine", files), tmp_path)
    assert told([row]) == [("ann1", "ann", "Guten Tag")]
    assert (row.language, row.licence, row.attribution) == ("de", "CC-BY-4.0", "me")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("sidecars", "magic", r"corpus\.yaml: corpus\.layout: reader is 'magic', none of lines"),
        ("takes/*.lab", "../*.lab", "leads out of the folder"),
        (r"\d+)", r"\d+", "name is no regular expression"),
        ('utt: "{speaker}{utt}"', 'utt: "{who}"', "uses {who}, which nothing fills"),
        ("files:", "file:", r"layout: unknown key `file`"),
        ("reader: sidecars", "reader: lines", "nothing fills the text"),
        ("licence:", "license:", r"unknown key `license`"),
    ],
)
def test_a_faulty_descriptor_is_named_with_its_key(tmp_path, old, new, message):
    assert old in MINE
    folder = lay(tmp_path / "mine", {"corpus.yaml": MINE.replace(old, new).encode()})
    with pytest.raises(BadParams, match=message):
        list(read_folder(folder, CORPORA))


@pytest.mark.parametrize("line", ["sum: sha256:12", "file: ../x.tar", "size: -1"])
def test_a_faulty_archive_is_named(tmp_path, line):
    path = tmp_path / "x.yaml"
    entry = {"file": "x.tar", **yaml.safe_load(line)}
    path.write_text(yaml.safe_dump({"archives": {"one": entry}}))
    with pytest.raises(BadParams, match=r"x\.yaml.*archives\.one"):
        read_corpus(path)


def test_an_empty_corpus_says_so(tmp_path):
    (tmp_path / "grid").mkdir()
    with pytest.raises(BadManifest, match=r"neither manifest\.tsv nor"):
        list(read_folder(tmp_path / "grid", CORPORA))


def test_librispeech_is_read_as_any_transcripts_are(tmp_path):
    folder = lay(tmp_path / "x", SAMPLES["librispeech"])
    layout = read_corpora(CORPORA)["librispeech"].layout
    assert list(read_layout(folder, layout)) == list(read_layout(folder, TRANSCRIPTS))
    assert find_layout(folder, read_corpora(CORPORA)["emodb"], CORPORA) == TRANSCRIPTS


# From the address to the recordings.


@pytest.fixture
def server():
    one = Server()
    yield one
    one.server.shutdown()
    one.server.server_close()


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A project with the known descriptors, and no mirror."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VISEMILL_MIRROR", raising=False)
    shutil.copytree(CORPORA, tmp_path / "datasets/corpora")
    return tmp_path


def packed(folder: Path, file: str, files: dict[str, bytes]) -> bytes:
    """An archive of the kind that its name says."""
    members = list(files.items())
    if file.endswith(".zip"):
        return zip_of(folder / file, members).read_bytes()
    return tar_of(folder / file, members, f"w:{file.rsplit('.')[-1]}").read_bytes()


def command(*arguments: str) -> int:
    """`visemill corpora …`."""
    parser = argparse.ArgumentParser()
    corpora_command.add_arguments(parser)
    return corpora_command.run(parser.parse_args(arguments))


def rewrite(name: str, address: str, archive: str, data: bytes, sum: str = "") -> None:
    """The project's descriptor with a small archive on the test's server."""
    path = Path("datasets/corpora") / f"{name}.yaml"
    table = yaml.safe_load(path.read_text())
    table["addresses"] = [address]
    entry = table["archives"][archive]
    entry["sum"] = sum or f"sha256:{hashlib.sha256(data).hexdigest()}"
    entry.pop("size", None)
    path.write_text(yaml.safe_dump(table))


@pytest.mark.parametrize(
    ("name", "archive"),
    [
        ("librispeech", "dev-clean"),
        ("libritts", "dev-clean"),
        ("ljspeech", "LJSpeech-1.1"),
        ("vctk", "VCTK-Corpus-0.92"),
        ("cmu_arctic", "slt"),
        ("speechocean762", "speechocean762"),
        ("grid", "audio_25k"),
    ],
)
def test_a_corpus_is_fetched_unpacked_and_read(project, server, capsys, name, archive):
    file = read_corpora(CORPORA)[name].archives[archive].file
    server.data = packed(project, file, SAMPLES[name])
    rewrite(name, server.address, archive, server.data)
    server.cuts = [len(server.data) // 2]
    assert command("get", name, archive, "--to", "big") == 0
    assert "make repro RECORDINGS=big/" + name in capsys.readouterr().out
    assert server.seen[0][0] == f"/{file}"
    rows = list(read_folder(Path("big") / name, Path("datasets/corpora")))
    assert told(rows) == EXPECTED[name]
    assert not list(Path("big/archives").rglob(f"{file}*"))
    part = Path("big") / name / archive
    assert told(list(read_folder(part, Path("nowhere")))) == EXPECTED[name], "it describes itself"
    about = yaml.safe_load((part / "corpus.yaml").read_text())
    assert about["archive"]["address"] == f"{server.address}/{file}"
    assert about["licence"] == rows[0].licence
    server.seen.clear()
    assert command("get", name, archive, "--to", "big") == 0
    assert not server.seen, "what is there is not fetched again"


def test_an_unknown_checksum_is_remembered_beside_the_corpora(project, server, capsys):
    server.data = packed(project, "speechocean762.tar.gz", SAMPLES["speechocean762"])
    rewrite("speechocean762", server.address, "speechocean762", server.data, sum="unknown")
    command("get", "speechocean762", "--to", "big", "--keep")
    assert "nobody vouches" in capsys.readouterr().err
    kept = "speechocean762/speechocean762.tar.gz"
    assert (Path("big/archives") / kept).read_bytes() == server.data
    shutil.rmtree("big/speechocean762")
    (Path("big/archives") / kept).unlink()
    server.data = packed(project, "speechocean762.tar.gz", {"other": b""})
    with pytest.raises(BadInput, match="first download"):
        command("get", "speechocean762", "--to", "big")
    assert not Path("big/speechocean762").exists()


def test_kept_archives_are_a_mirror_and_stay(project, server, monkeypatch):
    server.data = packed(project, "LJSpeech-1.1.tar.bz2", SAMPLES["ljspeech"])
    rewrite("ljspeech", server.address, "LJSpeech-1.1", server.data)
    command("get", "ljspeech", "--to", "big", "--keep")
    shutil.rmtree("big/ljspeech")
    server.seen.clear()
    monkeypatch.setenv("VISEMILL_MIRROR", "big/archives")
    command("get", "ljspeech", "--to", "big")
    assert told(list(read_folder(Path("big/ljspeech"), CORPORA))) == EXPECTED["ljspeech"]
    assert not server.seen
    assert Path("big/archives/ljspeech/LJSpeech-1.1.tar.bz2").is_file()


def test_common_voice_comes_from_a_file_or_the_mirror(project, monkeypatch):
    (project / "mirror/commonvoice").mkdir(parents=True)
    packed(project / "mirror/commonvoice", "cv-17-de.tar.gz", SAMPLES["commonvoice"])
    with pytest.raises(BadInput, match=r"download it from https://commonvoice.* --archive FILE"):
        command("get", "commonvoice", "--to", "big")
    command("get", "commonvoice", "--to", "big", "--archive", "mirror/commonvoice/cv-17-de.tar.gz")
    rows = list(read_folder(Path("big/commonvoice"), CORPORA))
    assert told(rows) == EXPECTED["commonvoice"]
    shutil.rmtree("big")
    monkeypatch.setenv("VISEMILL_MIRROR", "mirror")
    command("get", "commonvoice", "cv-17-de.tar.gz", "--to", "big")
    assert told(list(read_folder(Path("big/commonvoice"), CORPORA))) == EXPECTED["commonvoice"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["librispeech"], r"several archives.*dev-clean \(0\.3 GB\)"),
        (["librispeech", "dev"], "has no archive dev"),
        (["emodb"], "no corpus that can be got.*librispeech"),
        (["nothing"], "no corpus that can be got"),
        (["vctk", "--archive", "nowhere.zip"], r"nowhere\.zip: is not a file"),
        (["commonvoice", "../x"], "no address that is the same"),
    ],
)
def test_what_cannot_be_got_is_told(project, arguments, message):
    with pytest.raises(BadInput, match=message):
        command("get", *arguments, "--to", "big")


def test_the_list_tells_licences_sizes_and_doubts(project, capsys):
    command("list")
    said = capsys.readouterr().out
    assert "LibriSpeech 2015, en, CC-BY-4.0" in said
    assert "train-clean-100 (6.4 GB)" in said
    assert "alignments; checksum unknown" in said
    assert "emodb" not in said
