"""A process of its own that holds coqui's models, in coqui's own environment.

Reads one JSON object a line from standard input and answers each with one line, {"done": ...},
{"refused": reason} for what a user can mend, or {"failed": reason}. It ends when its input does,
even in the middle of an utterance. Tasks: "load" and "speak"; see _load and _speak.
"""

from __future__ import annotations

import base64
import ctypes
import json
import os
import queue
import re
import sys
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

# Numbers from espeak-ng's public header, speak_lib.h.
_SYNCHRONOUS, _UTF8, _IPA_WITH_SEPARATOR = 2, 1, 0x02 | ord("_") << 8


class Refused(Exception):
    """A model or text that a user has to change."""


@dataclass(frozen=True)
class _Model:
    network: Any
    tokenizer: Any
    speakers: dict[str, int]
    rate: int
    files: tuple[str, ...]


def main() -> None:
    """Answers until standard input ends."""
    # Libraries print and ask questions: the protocol has descriptors of its own.
    requests = os.fdopen(os.dup(0), encoding="utf-8")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    jobs: queue.SimpleQueue = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests, jobs), daemon=True).start()
    models: dict[str, _Model] = {}
    while True:
        job = jobs.get()
        key = json.dumps(job["model"])
        try:
            if key not in models:
                models[key] = _load(job["model"])
            model = models[key]
            if job["task"] == "load":
                answer: dict = {"done": {"speakers": list(model.speakers), "files": model.files}}
            else:
                answer = {"done": _speak(model, job)}
        except Refused as error:
            answer = {"refused": str(error)}
        except Exception as error:  # the other side makes an error of it
            answer = {"failed": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


def _listen(requests: TextIO, jobs: queue.SimpleQueue) -> None:
    for line in requests:
        jobs.put(json.loads(line))
    os._exit(0)


def _load(place: str | list[str]) -> _Model:
    """A model by the name of a download, or its [model file, config file].

    Raises Refused for what is no VITS of espeak's phonemes with speakers that it learned.
    """
    import torch
    from TTS.config import load_config
    from TTS.tts.models.vits import Vits

    torch.set_num_threads(1)
    checkpoint, settings = _download(place) if isinstance(place, str) else map(Path, place)
    config = load_config(settings)
    if config.model != "vits":
        raise Refused(f"is a {config.model} model; only VITS says when each sound begins")
    if not config.use_phonemes:
        raise Refused("reads letters, and letters are no phones; choose one of phonemes")
    if config.phonemizer not in ("espeak", "", None):
        raise Refused(f"takes its phonemes from {config.phonemizer}; only espeak's are known")
    if config.model_args.use_d_vector_file or config.model_args.use_language_embedding:
        raise Refused("wants voice or language vectors; choose one that learned its speakers")
    config.phonemizer = "espeak"
    table = _find_speakers(config, settings.parent)
    _register_espeak()
    network = Vits(config)
    network.load_checkpoint(config, checkpoint, eval=True)
    speakers = network.speaker_manager.name_to_id if network.speaker_manager else {}
    files = (checkpoint, settings, *([table] if table else []))
    return _Model(
        network,
        network.tokenizer,
        speakers or {"": 0},
        config.audio.sample_rate,
        tuple(map(str, files)),
    )


def _download(name: str) -> tuple[Path, Path]:
    from TTS.utils.manage import ModelManager

    manager = ModelManager()
    if name not in manager.list_models():
        raise Refused("is neither a folder nor one of coqui's downloads")
    try:
        checkpoint, settings, _ = manager.download_model(name)
    except (OSError, EOFError) as error:
        raise Refused(
            f"could not be downloaded ({type(error).__name__}); fetch it where there is a network"
            " and give its folder"
        ) from error
    if checkpoint.is_dir() or settings is None:
        raise Refused("is no VITS model of one file")
    return checkpoint, settings


def _find_speakers(config: Any, folder: Path) -> Path | None:
    """The table of speakers; where the config names one of another machine, the one beside it."""
    for owner in (config, config.model_args):
        if owner.speakers_file:
            path = Path(owner.speakers_file)
            owner.speakers_file = str(path if path.exists() else folder / path.name)
    found = config.model_args.speakers_file or config.speakers_file
    return Path(found) if found else None


def _register_espeak() -> None:
    """Makes coqui phonemize with the espeak-ng of espeakng-loader: no system program is needed."""
    from TTS.tts.utils.text import phonemizers
    from TTS.tts.utils.text.phonemizers.espeak_wrapper import ESpeak

    class Embedded(ESpeak):
        """What coqui's wrapper does, with the library in place of the program."""

        def __init__(self, language: str) -> None:
            language = {"en": "en-us", "zh-cn": "cmn"}.get(language, language)
            super(ESpeak, self).__init__(language, keep_puncs=True)

        @classmethod
        def is_available(cls) -> bool:
            return True

        def is_supported_language(self, language: str) -> bool:
            return bool(espeak_phonemes("a", language))

        def _phonemize(self, text: str, separator: str = "") -> str:
            return espeak_phonemes(text, self._language).replace("_", separator)

    # A list that is not empty is not filled again with what the system has.
    phonemizers.DEF_LANG_TO_PHONEMIZER["en"] = "espeak"
    phonemizers.PHONEMIZERS["espeak"] = Embedded


class _Voice(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_char_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("unused", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


def espeak_phonemes(text: str, language: str) -> str:
    """IPA of a text: "_" between sounds, a space between words; "" for an unknown language.

    The library is loaded afresh, as the program would be: what it read before changes some words.
    """
    import _ctypes

    import espeakng_loader

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    try:
        library.espeak_Initialize(_SYNCHRONOUS, 0, espeakng_loader.get_data_path().encode(), 0)
        # By name, else by language: the order of the program's option -v.
        spec = _Voice(languages=language.encode())
        if library.espeak_SetVoiceByName(language.encode()) and library.espeak_SetVoiceByProperties(
            ctypes.byref(spec)
        ):
            return ""
        library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        data = ctypes.create_string_buffer(text.encode())
        place = ctypes.c_void_p(ctypes.addressof(data))
        clauses = []
        while place.value:
            clause = library.espeak_TextToPhonemes(ctypes.byref(place), _UTF8, _IPA_WITH_SEPARATOR)
            clauses.append((clause or b"").decode("utf-8", "replace").strip())
        library.espeak_Terminate()
    finally:
        _ctypes.dlclose(library._handle)
    # Marks of a changed language, "(en)", are taken off as coqui does.
    return re.sub(r"\(.+?\)", "", " ".join(clauses))


def _speak(model: _Model, job: dict) -> dict:
    """One utterance. job: text, speaker, seed, length_scale, noise_scale, noise_scale_dp, frames.

    Answers symbols (in order; "" for a blank), sounds (for each symbol, the number of the sound of
    espeak's that it belongs to), missing (signs that the model does not know), frames of each
    symbol, rate (Hz) and audio (base64 of float32). job["frames"]: imposed; empty: predicted.
    """
    import torch

    tokenizer, network = model.tokenizer, model.network
    ids, symbols, sounds, missing = _symbols(tokenizer, job["text"])
    if ids != tokenizer.text_to_ids(job["text"]):
        raise RuntimeError("coqui's tokenizer reads this text otherwise")
    if not ids:
        raise Refused("has nothing to speak")
    network.length_scale = job["length_scale"]
    network.inference_noise_scale = job["noise_scale"]
    network.inference_noise_scale_dp = job["noise_scale_dp"]
    known = network.num_speakers > 0
    inputs = {
        "x_lengths": torch.tensor([len(ids)]),
        "d_vectors": None,
        "speaker_ids": torch.tensor([model.speakers[job["speaker"]]]) if known else None,
        "language_ids": None,
        "durations": torch.tensor([job["frames"]], dtype=torch.float32) if job["frames"] else None,
    }
    torch.manual_seed(job["seed"])
    with torch.inference_mode():
        made = network.inference(torch.tensor([ids]), inputs)
    audio = made["model_outputs"].squeeze().numpy().astype("<f4")
    return {
        "symbols": symbols,
        "sounds": sounds,
        "missing": missing,
        "frames": [int(count) for count in made["durations"].flatten()],
        "rate": model.rate,
        "audio": base64.b64encode(audio.tobytes()).decode("ascii"),
    }


def _symbols(tokenizer: Any, text: str) -> tuple[list[int], list[str], list[int], list[str]]:
    """What TTSTokenizer.text_to_ids does, keeping whose sign each number is."""
    if tokenizer.text_cleaner is not None:
        text = tokenizer.text_cleaner(text, lang=None)
    ids, symbols, sounds, missing = [], [], [], []
    number = 0
    for sign in tokenizer.phonemizer.phonemize(text, separator="_"):
        if sign == "_":
            number += 1
            continue
        try:
            ids.append(tokenizer.characters.char_to_id(sign))
        except KeyError:
            missing.append(sign)
            continue
        symbols.append(sign)
        sounds.append(number)
    if tokenizer.add_blank:
        ids = tokenizer.intersperse_blank_char(ids)
        symbols, sounds = _between(symbols, ""), _between(sounds, -1)
    if tokenizer.use_eos_bos:
        ids = tokenizer.pad_with_bos_eos(ids)
        symbols, sounds = ["", *symbols, ""], [-1, *sounds, -1]
    return ids, symbols, sounds, missing


def _between(values: Iterable, filler: Any) -> list:
    """
    >>> _between("ab", "")
    ['', 'a', '', 'b', '']
    """
    return [filler, *(item for value in values for item in (value, filler))]


if __name__ == "__main__":
    sys.exit(main())
