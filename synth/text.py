"""Texts before they are spoken: one plain form, so that what is stored is what is said.

Numbers and abbreviations become words, typographic marks plain ones; what an engine would read
differently from what stands there is refused. docs/texts.md lists both; synth/text.yaml holds the
tables of each language.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from clips import BadText
from clips.spoken import MARKS
from synth.text_numbers import say_numbers

_TABLES = Path(__file__).with_name("text.yaml")

MAX_CHARACTERS = 400
"""The longest text that one clip may hold, about 30 s of speech."""

PLAIN_MARKS = frozenset(".,;:!?¿¡'\"()- ")
"""All that a cleaned text holds besides letters and their marks."""

_SYMBOLS_OF_NUMBERS = frozenset("0123456789%$£€°&/º")
_JOINERS = "\u200c\u200d"
_JOINING_SCRIPTS = ("ARABIC", "DEVANAGARI", "BENGALI", "GUJARATI", "GURMUKHI", "KANNADA",
                    "MALAYALAM", "MYANMAR", "ORIYA", "SINHALA", "TAMIL", "TELUGU")  # fmt: skip
_FORMS = ("<wide>", "<narrow>", "<initial>", "<medial>", "<final>", "<isolated>")
_VOWELS = frozenset("aeiouyæøœəıɛɔ")
_ALPHABETIC = r"[^\W\d_]"
_LETTER = r"[^\s!-@\[-`{-~¿¡]"  # in a text of letters, their marks and plain marks
_WORD = re.compile(
    # opening marks, letters with single marks between them, closing marks
    rf"-?(?:\.\.\.)?[\"'(¿¡]{{0,3}}(?:\.\.\.)?{_LETTER}+(?:(?:[-'\",;()]|\.\.\.|--){_LETTER}+)*"
    r"(?:-|[\"')]{0,3}(?:(?:\.\.\.|[!?]{1,3}|[.,;:])(?:[\"')]{1,3}[.,;]?)?)?)"
)
_STOP = re.compile(r"(?<!\.)\.[\"'),;]*$")
_LETTER_STOP = re.compile(r"[\"'(¿¡-]*[^\W\d_]\.")  # J.
_INITIALS = re.compile(r"(?<![^\W\d_])(?:[^\W\d_]\.){2,}(?:[^\W\d_](?![^\W\d_]))?")  # U.S.
_POINTS = re.compile("[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7]")  # of Hebrew
_PAUSE = re.compile(r"--?|\.\.\.")
_ALONE = re.compile(r"[!?:;,]")  # after a word and a space, as French writes them
_ROMAN = re.compile(r"M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})")

# What is said by nobody, or in ways of its own: tried before anything else, first come first told.
_REFUSED = (
    (r"https?:|www\.|\b[^\W_][\w-]*\.(?:com|org|net|edu|gov|info|io|eu|uk|de|fr)\b(?!\.)",
     "a web address"),
    (r"\S+@\S+\.\S+", "an e-mail address"),
    (r"(?:^|(?<=\s))[#@]\w+", "a hashtag or a user's name"),
    (r"<[^<>]*>|\[\[|\]\]|&#?\w+;|[{}]", "markup"),
    (r"(?:^|(?<=\s))[:;]-?[()DPp]+(?=\s|$)", "a smiley"),
    (r"\d\s*[′″]", "feet, minutes or seconds"),
    (r"(?<!\w)[-−+]\s?\d|\d\s*[-–−]\s*\d|[^\W\d_]-\d", "a sign or hyphen before a digit"),
)  # fmt: skip


def clean_text(text: str, language: str = "en", *, max_characters: int = MAX_CHARACTERS) -> str:
    """The form of `text` that is spoken, in `language` ("en", "pt-br", ...) and its script.

    Composed (NFC), plain quotes, dashes and spaces; numbers, abbreviations and acronyms as they are
    said. It holds letters, their marks and PLAIN_MARKS only, and cleaning it again changes nothing.
    Raises BadText for what an engine would read differently from what stands there: no letters,
    control characters, letters of other scripts, symbols, digits and abbreviations that people read
    in several ways, or more than `max_characters`.

    >>> clean_text("“Don’t…”  she\u00a0said to Mr. Pym, 42.")
    '"Don\\'t..." she said to Mister Pym, forty-two.'
    """
    where = f"text {_short(text)!r}"
    try:
        return _clean(text, language.lower().replace("_", "-"), max_characters)
    except BadText as error:
        raise BadText(error.what, where=where, remedy=error.remedy) from error


def split_sentences(text: str) -> list[str]:
    """The sentences of a paragraph: cut after . ! ? (and closing quotes) before a new beginning.

    Titles and single initials do not end a sentence.

    >>> split_sentences("Mr. Pym left. Did he? Yes!")
    ['Mr. Pym left.', 'Did he?', 'Yes!']
    """
    pieces = re.split(r"(?<=[.!?])([\"')]*)\s+(?=[\"'(]*[A-ZÀ-ÖØ-Þ0-9])", text)
    sentences: list[str] = []
    carried = ""
    for number in range(0, len(pieces), 2):
        closing = pieces[number + 1] if number + 1 < len(pieces) else ""
        carried = f"{carried} {pieces[number]}{closing}".strip()
        if re.search(
            r"(?:\b(?:Mr|Mrs|Ms|Dr|St|Prof|Capt|Col|Gen|Rev|No)|\b[A-Z])\.$", carried[-8:]
        ):
            continue
        sentences.append(carried)
        carried = ""
    return [sentence for sentence in (*sentences, carried) if sentence]


def _clean(text: str, language: str, max_characters: int) -> str:
    tables = _read_tables()
    scripts = _of(tables["scripts"], language, ["LATIN"])
    _check_length(text, 8 * max_characters)  # some patterns take time with the square of it
    _check_controls(text)
    text = unicodedata.normalize("NFC", text)
    text = "".join(map(_plain_form, text))
    if _of(tables["numbers"], language, {}).get("thousands") == "nbsp":
        text = re.sub(r"(?<=\d)[\u00a0\u202f](?=\d{3}(?!\d))", "", text)
    for pattern, what in _REFUSED:
        if found := re.search(pattern, text):
            raise BadText(
                f"holds {what}: {found.group()!r}",
                remedy="write in words what is said, or leave it out",
            )
    if "GREEK" in scripts:
        text = text.replace("·", ",")
    if not any(script in _JOINING_SCRIPTS for script in scripts):
        text = text.translate(dict.fromkeys(map(ord, _JOINERS)))
    if "HEBREW" in scripts:  # espeak names them; the vowels are its guess in any case
        text = _POINTS.sub("", text)
    text = unicodedata.normalize("NFC", " ".join(text.translate(MARKS).split()))
    _check_length(text, max_characters)
    _check_characters(text, language, scripts, tables)
    text = re.sub(r" +(\.(?!\.))", r"\1", text)
    text = re.sub(r"(^|\s)([\"'(]*)\.(?!\.)", r"\1\2", text)
    text = _say_abbreviations(text, _of(tables["abbreviations"], language, {}))
    text = _say_ampersand(text, _of(tables["ampersand"], language, None))
    text = say_numbers(text, language, tables)
    if left := next((c for c in text if not _is_spoken(c) and c not in PLAIN_MARKS), None):
        raise BadText(
            f"holds the symbol {left!r} (U+{ord(left):04X})",
            remedy="write in words what is said",
        )
    if not any(character.isalpha() for character in text):
        raise BadText("has no letters", remedy="give words to speak")
    text = _say_capitals(_place_marks(text), language, tables)
    _check_readings(text, language.split("-")[0])
    _check_length(text, max_characters)
    return text


def _check_controls(text: str) -> None:
    for character in text:
        category = unicodedata.category(character)
        kept = character in "\t\n\r" or character in _JOINERS or ord(character) in MARKS
        if category in ("Cc", "Cf", "Cs", "Co", "Cn") and not kept:
            raise BadText(
                f"holds the control character U+{ord(character):04X}",
                remedy="remove it; texts are plain UTF-8",
            )


def _check_length(text: str, max_characters: int) -> None:
    if len(text) > max_characters:
        raise BadText(
            f"has {len(text)} characters, more than {max_characters}",
            remedy="split it into sentences",
        )


def _plain_form(character: str) -> str:
    """Full-width and positional forms, ligatures and digits of other scripts as plain characters.

    >>> "".join(map(_plain_form, "ＡＢ！ ﬁ ٣"))
    'AB! fi 3'
    """
    form = unicodedata.decomposition(character).split(" ")[0]
    if form in _FORMS or "\ufb00" <= character <= "\ufb4f":
        return unicodedata.normalize("NFKC", character)
    if unicodedata.category(character) == "Nd" and form != "<font>":
        return str(unicodedata.digit(character))
    return character


def _check_characters(
    text: str, language: str, scripts: list[str], tables: Mapping[str, Any]
) -> None:
    """Raises BadText for the first character that is no letter, mark or sign of the language."""
    letters = _of(tables["letters"], language, "")
    combining = language.split("-")[0] in tables["combining"]
    before = " "
    for character in text:
        name = unicodedata.name(character, "")
        if unicodedata.category(character).startswith("M"):
            fits = name.startswith(tuple(scripts)) or (combining and name.startswith("COMBINING"))
            good, kind = fits and _is_spoken(before), "combining mark"
        elif character in _JOINERS:
            good, kind = _is_spoken(before), "joiner without a letter"
        elif character.isalpha():
            good = name.startswith(tuple(scripts))
            kind = "letter of another script"
            if good and name.startswith("LATIN"):
                good = ord(character) <= 0x17F or character.lower() in letters
                kind = "letter that this language does not use"
            elif good and name.startswith("CJK"):
                good = "\u4e00" <= character <= "\u9fa5"  # espeak reads no U+9FA6 to U+9FFF
                kind = "letter that this language does not use"
            elif not good and _looks_mixed(text, character, scripts):
                kind = "letter of another script inside a word"
        else:
            good = character in PLAIN_MARKS or character in _SYMBOLS_OF_NUMBERS
            kind = "emoji" if unicodedata.category(character) in ("So", "Sk") else "symbol"
        if not good:
            raise BadText(
                f"holds the {kind} {character!r} (U+{ord(character):04X})",
                remedy=f"write it as it is said, in the letters of {language!r}",
            )
        before = character


def _looks_mixed(text: str, character: str, scripts: list[str]) -> bool:
    word = next(word for word in text.split() if character in word)
    return any(unicodedata.name(c, "").startswith(tuple(scripts)) for c in word if c.isalpha())


def _say_abbreviations(text: str, table: Mapping[str, str]) -> str:
    # No. is short for "number" only before a number.
    text = re.sub(r"(?<!\w)No\. (?=\d)", "number ", text) if "Mr." in table else text
    for short in sorted(table, key=len, reverse=True):
        pattern = rf"(?<![\w.]){re.escape(short)}(?![\w'])"
        if not table[short] and re.search(pattern, text):
            raise BadText(
                f"holds the abbreviation {short!r}, which is read in several ways",
                remedy="write in words what is said",
            )
        # A full stop that ends the text as well stays.
        stop = "." if short.endswith(".") else ""
        text = re.sub(rf"{pattern}(?=[\"')]*$)", lambda _: table[short] + stop, text)  # noqa: B023
        text = re.sub(pattern, lambda _: table[short], text)  # noqa: B023
    return text


def _say_ampersand(text: str, word: str | None) -> str:
    return re.sub(r"(?<=[\w.'\")]) & (?=[\w'\"(])", f" {word} ", text) if word else text


def _say_capitals(text: str, language: str, tables: Mapping[str, Any]) -> str:
    """Acronyms by their letters (B.B.C.) or as words; refuses those that may be either."""
    base = language.split("-")[0]
    if base in tables["inner_capitals"]:
        return text
    listed = [tables["capitals"]["all"], tables["capitals"].get(base, {})]
    letters = {word for table in listed for word in table.get("letters", ())}
    words = {word for table in listed for word in table.get("words", ())}

    def say(found: re.Match) -> str:
        word, ending = found["word"], found["ending"] or ""
        spelt = word in letters
        if word in words or len(word) == 1:
            return found.group()
        if not spelt:
            vowels = _has_vowel(word)
            if _ROMAN.fullmatch(word):
                raise _unclear(word, "may be a Roman numeral")
            if len(word) > 4 and vowels:  # both engines read these as words
                return found.group()
            if vowels or len(word) > 5 or not word.isascii():
                raise _unclear(word, "may be read as a word or by its letters")
        ending = "'s" if ending == "s" else ending
        ends = re.match(r"\.(?!\.)", found.string[found.end() :]) and not ending
        stop = "" if ends else "."  # one full stop ends both
        return ".".join(word) + stop + ending

    # Initials with full stops are said as they stand.
    text = re.sub(
        r"(?<![\w.])(?P<word>[^\W\d_]{2,})(?P<ending>(?:'s|(?<=[A-Z])s)?)(?!\w)(?!\.\w)",
        lambda found: say(found) if found["word"].isupper() else found.group(),
        _split_plural(text),
    )
    for word in re.findall(r"[^\W\d_]+", text):
        if re.search(r"[^\W\d_]", word) and _odd_capitals(word):
            raise _unclear(word, "has capitals inside")
    return text


def _check_readings(text: str, base: str) -> None:
    """Raises BadText for words and letters that an engine reads as something else."""
    for pattern, why in _misread(base):
        if found := pattern.search(text):
            raise _unclear(found.group().strip(), why)
    if base == "en":
        for word in re.findall(rf"{_ALPHABETIC}+(?:'{_ALPHABETIC}+)*", text):
            if re.search(rf"{_ALPHABETIC}{{2}}", word) and not _has_vowel(word):
                raise _unclear(word, "has no vowel: engines read its letters or other words")


@cache
def _misread(base: str) -> tuple[tuple[re.Pattern, str], ...]:
    """What engines misread in a language, and how; the lists are in text.yaml."""
    tables = _read_tables()
    bare = "|".join(map(re.escape, [*tables["bare"]["all"], *tables["bare"].get(base, ())]))
    patterns = [
        (rf"(?i:(?<!{_ALPHABETIC})(?:{bare})(?!{_ALPHABETIC}))", "may be read as other words"),
        *(
            (pattern, "may be read by a letter's name")
            for pattern in tables["unread"].get(base, ())
        ),
    ]
    if base in tables["states"]:
        states = "|".join(tables["states"][base])
        patterns.append(
            (
                rf"(?<![\w'-])[A-Z][A-Za-z]{{2,}}[\"').,;:!?]* [\"'(]*(?:{states})"
                rf"(?!{_ALPHABETIC}|[ -][A-Z])",
                "may be read as a state of America",
            )
        )
    if base in tables["numbered"]:
        names = "|".join(tables["numbered"][base]["names"])
        titles = "|".join(tables["numbered"][base]["titles"])
        capitalised = "|".join(map(str.capitalize, tables["numbered"][base]["titles"]))
        end = rf" [\"'(]*[IVX](?!{_ALPHABETIC})"
        patterns += [
            (rf"(?<!{_ALPHABETIC}){before}{end}", "may be read as a number")
            for before in (
                f"(?i:{names})",
                rf"(?i:{titles})[\"').,;:!?]* [\"'(]*(?:{_ALPHABETIC}|')+",
                f"(?:{capitalised})",
            )
        ]
        # Malcolm X, but not the initial of Bob V. Hill
        patterns.append(
            (r"\b[A-Z][a-z]+ [\"'(]*[VX](?![\w'-]|\. [A-Z])", "may be read as a number")
        )
    return tuple((re.compile(pattern), why) for pattern, why in patterns)


def _has_vowel(word: str) -> bool:
    return any(unicodedata.normalize("NFD", letter)[0] in _VOWELS for letter in word.lower())


def _split_plural(text: str) -> str:
    """TVs as TV's, which engines read by letters.

    >>> _split_plural("Two TVs")
    "Two TV's"
    """
    return re.sub(r"(?<!\w)([A-Z]{2,5})s(?!\w)", r"\1's", text)


def _odd_capitals(word: str) -> bool:
    """Whether a word has capitals inside that do not begin parts of two letters and more.

    >>> [_odd_capitals(word) for word in ("McDonald", "JavaScript", "HELLO", "iPhone", "PhD")]
    [False, False, False, True, True]
    """
    if word.isupper() or word[1:] == word[1:].lower():
        return False
    parts = re.findall(r"[A-ZÀ-ÖØ-Þ][^A-ZÀ-ÖØ-Þ]+", word)
    return "".join(parts) != word


def _unclear(word: str, why: str) -> BadText:
    return BadText(
        f"holds {word!r}, which {why}",
        remedy="write in words what is said, letters with full stops (B.B.C.)",
    )


def _place_marks(text: str) -> str:
    """Marks where engines keep silent about them; espeak says "dot" and "colon" elsewhere."""
    checked = _INITIALS.sub("X", text)  # engines read these wherever they stand
    if found := re.search(rf"(?<={_LETTER})[.:](?={_LETTER})", checked):
        raise BadText(
            f"holds {found.group()!r} between two letters",
            remedy="put a space after it, or write in words what is said",
        )
    text = re.sub(rf"([!?])(?={_LETTER})", r"\1 ", text)
    text = " ".join(text.split())
    tokens = _INITIALS.sub("X", text).split(" ")
    for place, token in enumerate(tokens):
        before = tokens[place - 1] if place else ""
        # espeak says "dot" where a small letter follows, as after an abbreviation.
        first = next((c for c in token if _is_spoken(c)), "")
        if first.islower() and _STOP.search(before) and not _LETTER_STOP.match(before):
            raise BadText(
                f"holds {before!r} before a small letter: an abbreviation, or a sentence's end",
                remedy="write it in words, or begin the sentence with a capital",
            )
        alone = before and (
            _PAUSE.fullmatch(token) or (_is_spoken(before[-1]) and _ALONE.fullmatch(token))
        )
        if not (_WORD.fullmatch(token) or alone):
            raise BadText(
                f"holds {token!r}: marks in an order that engines may read aloud",
                remedy="leave unusual punctuation out",
            )
    return text


def _is_spoken(character: str) -> bool:
    category = unicodedata.category(character)
    return character.isalpha() or category.startswith("M") or character in _JOINERS


def _of(table: Mapping[str, Any], language: str, otherwise: Any) -> Any:
    """The entry of an accent, or of its language."""
    return table.get(language, table.get(language.split("-")[0], otherwise))


@cache
def _read_tables() -> dict[str, Any]:
    return yaml.safe_load(_TABLES.read_text("utf-8"))


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."
