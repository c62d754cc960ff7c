"""Speech engines that give sound and phone timing, and the choice of what they say."""

from synth.corrections import move_closures
from synth.engine import Engine, Prompt, Voice, engine_names, find_engine
from synth.text import clean_text, split_sentences

__all__ = [
    "Engine", "Prompt", "Voice", "clean_text", "engine_names", "find_engine", "move_closures",
    "split_sentences",
]  # fmt: skip
