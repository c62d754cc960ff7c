"""A process of its own that lets pyttsx3 write one file, since its drivers may hang or crash.

Reads one JSON object from standard input, {"task": "voices"} or {"task": "speak", "text", "path",
"voice", "rate"}, and prints one: {"driver", "version", "voices": [[id, language, sex], ...]}.
"""

from __future__ import annotations

import json
import sys
from importlib import metadata


def main() -> None:
    """Does the one task."""
    job = json.load(sys.stdin)
    import pyttsx3

    engine = pyttsx3.init()
    voices = []
    if job["task"] == "voices":
        voices = [
            [str(voice.id), _language(voice), str(voice.gender or "").lower()]
            for voice in engine.getProperty("voices")
        ]
    else:
        if job["voice"]:
            engine.setProperty("voice", job["voice"])
        engine.setProperty("rate", job["rate"])
        engine.save_to_file(job["text"], job["path"])
        engine.runAndWait()
    driver = type(engine.proxy._driver).__module__.rsplit(".", 1)[-1]
    answer = {"driver": driver, "version": metadata.version("pyttsx3"), "voices": voices}
    print(json.dumps(answer))


def _language(voice: object) -> str:
    """The first language of a voice; old drivers give bytes with a priority before the name."""
    languages = getattr(voice, "languages", None) or [""]
    first = languages[0]
    if isinstance(first, bytes):
        first = first.decode("ascii", "ignore")
    return "".join(c for c in first if c.isalnum() or c in "-_").replace("_", "-").lower()


if __name__ == "__main__":
    main()
