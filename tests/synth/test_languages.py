"""Every language that espeak-ng speaks: the list is whole, each is spoken, no sound is unknown.

`python -m tests.synth.test_languages > docs/languages.md` writes the table of languages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

from clips import SILENCE, draw_stream
from clips.arpabet import ARPABET
from synth import Prompt, find_engine
from synth.engine import base_language
from synth.espeak import _LIBRARY as LIBRARY
from synth.ipa import parts_of, plain_symbol

ROOT = Path(__file__).parents[2]
TABLE = yaml.safe_load((ROOT / "synth" / "espeak_voices.yaml").read_text("utf-8"))
ACCENTS = {
    accent: file for accents in TABLE["accents"].values() for accent, file in accents.items()
}
ENGINE = find_engine("espeak")

# Names of days and months, or a greeting: one line for each language, in its own script.
TEXTS = dict(
    line.split(": ", 1)
    for line in """
af: Maandag, Dinsdag, Woensdag, Donderdag, Januarie, Februarie
am: ሰኞ, ማክሰኞ, ረቡዕ, ሐሙስ, ጃንዋሪ, ፌብሩዋሪ
an: Buen diya, como ye?
ar: الاثنين, الثلاثاء, الأربعاء, الخميس, يناير, فبراير
as: সোমবাৰ, মঙ্গলবাৰ, বুধবাৰ, বৃহস্পতিবাৰ, জানুৱাৰী, ফেব্ৰুৱাৰী
az: bazar ertəsi, çərşənbə axşamı, çərşənbə, cümə axşamı, yanvar, fevral
ba: дүшәмбе, шишәмбе, шаршамбы, кесаҙна, йома, шәмбе
be: панядзелак, аўторак, серада, чацвер, студзеня, лютага
bg: понеделник, вторник, сряда, четвъртък, януари, февруари
bn: সোমবার, মঙ্গলবার, বুধবার, বৃহস্পতিবার, জানুয়ারী, ফেব্রুয়ারী
bpy: শুভ সকাল, বন্ধু।
bs: ponedjeljak, utorak, srijeda, četvrtak, januar, februar
ca: dilluns, dimarts, dimecres, dijous, de gener, de febrer
chr: Osiyo, dohitsu?
cmn: 你好，我们喝茶。
cs: pondělí, úterý, středa, čtvrtek, ledna, února
cv: тунтикун, ытларикун, юнкун, кӗҫнерникун, кӑрлач, нарӑс
cy: Dydd Llun, Dydd Mawrth, Dydd Mercher, Dydd Iau, Ionawr, Chwefror
da: mandag, tirsdag, onsdag, torsdag, januar, februar
de: Montag, Dienstag, Mittwoch, Donnerstag, Januar, Februar
el: Δευτέρα, Τρίτη, Τετάρτη, Πέμπτη, Ιανουαρίου, Φεβρουαρίου
en: Monday, Tuesday, Wednesday, Thursday, January, February
eo: lundo, mardo, merkredo, ĵaŭdo, Januaro, Februaro
es: lunes, martes, miércoles, jueves, enero, febrero
et: esmaspäev, teisipäev, kolmapäev, neljapäev, jaanuar, veebruar
eu: astelehena, asteartea, asteazkena, osteguna, urtarrila, otsaila
fa: دوشنبه, سه‌شنبه, چهارشنبه, پنجشنبه, ژانویهٔ, فوریهٔ
fi: maanantaina, tiistaina, keskiviikkona, torstaina, tammikuuta, helmikuuta
fr: lundi, mardi, mercredi, jeudi, janvier, février
ga: Dé Luain, Dé Máirt, Dé Céadaoin, Déardaoin, Eanáir, Feabhra
gd: DiLuain, DiMàirt, DiCiadain, DiarDaoin, dhen Fhaoilleach, dhen Ghearran
gn: Mba'éichapa, che angirũ? Iporã.
grc: Χαῖρε, ὦ φίλε, πῶς ἔχεις;
gu: સોમવાર, મંગળવાર, બુધવાર, ગુરુવાર, જાન્યુઆરી, ફેબ્રુઆરી
hak: Ngài he Hak-ngìn.
haw: Poʻakahi, Poʻalua, Poʻakolu, Poʻahā, Ianuali, Pepeluali
he: יום שני, יום שלישי, יום רביעי, יום חמישי, ינואר, פברואר
hi: सोमवार, मंगलवार, बुधवार, गुरुवार, जनवरी, फ़रवरी
hr: ponedjeljak, utorak, srijeda, četvrtak, siječnja, veljače
ht: Bonjou, ki jan ou ye, zanmi mwen?
hu: hétfő, kedd, szerda, csütörtök, január, február
hy: երկուշաբթի, երեքշաբթի, չորեքշաբթի, հինգշաբթի, հունվարի, փետրվարի
hyw: Բարեւ ձեզ, բարեկամս։
id: Senin, Selasa, Rabu, Kamis, Januari, Februari
is: mánudagur, þriðjudagur, miðvikudagur, fimmtudagur, janúar, febrúar
it: lunedì, martedì, mercoledì, giovedì, gennaio, febbraio
ja: おはよう、ともだち、ふねがみえます。
ka: ორშაბათი, სამშაბათი, ოთხშაბათი, ხუთშაბათი, იანვარი, თებერვალი
kk: дүйсенбі, сейсенбі, сәрсенбі, бейсенбі, қаңтар, ақпан
kl: Inuugujoq, qanorippit?
kn: ಸೋಮವಾರ, ಮಂಗಳವಾರ, ಬುಧವಾರ, ಗುರುವಾರ, ಜನವರಿ, ಫೆಬ್ರವರಿ
ko: 안녕하세요, 친구. 바다 빵 포도 커피.
kok: सोमार, मंगळार, बुधवार, बिरेस्तार, जानेवारी, फेब्रुवारी
ku: duşem, sêşem, çarşem, pêncşem, rêbendan, sibat
ky: дүйшөмбү, шейшемби, шаршемби, бейшемби, январь, февраль
la: Salve, amice, quid agis hodie?
lb: Méindeg, Dënschdeg, Mëttwoch, Donneschdeg, Januar, Februar
lt: pirmadienis, antradienis, trečiadienis, ketvirtadienis, sausio, vasario
ltg: Vasals, draugs, kai īt?
lv: pirmdiena, otrdiena, trešdiena, ceturtdiena, janvāris, februāris
mi: Kia ora, kei te pēhea koe?
mk: понеделник, вторник, среда, четврток, јануари, февруари
ml: തിങ്കളാഴ്‌ച, ചൊവ്വാഴ്ച, ബുധനാഴ്‌ച, വ്യാഴാഴ്‌ച, ജനുവരി, ഫെബ്രുവരി
mr: सोमवार, मंगळवार, बुधवार, गुरुवार, जानेवारी, फेब्रुवारी
ms: Isnin, Selasa, Rabu, Khamis, Januari, Februari
mt: It-Tnejn, It-Tlieta, L-Erbgħa, Il-Ħamis, Jannar, Frar
mto: Anyukojm
my: တနင်္လာ, အင်္ဂါ, ဗုဒ္ဓဟူး, ကြာသပတေး, ဇန်နဝါရီ, ဖေဖော်ဝါရီ
nb: mandag, tirsdag, onsdag, torsdag, januar, februar
nci: Cualli tonalli, nocniuh.
ne: सोमबार, मङ्गलबार, बुधबार, बिहिबार, जनवरी, फेब्रुअरी
nl: maandag, dinsdag, woensdag, donderdag, januari, februari
nog: Салам алейкум, кардашым.
om: Akkam, nagaadhaa? Biqilee qabdi.
or: ସୋମବାର, ମଙ୍ଗଳବାର, ବୁଧବାର, ଗୁରୁବାର, ଜାନୁଆରୀ, ଫେବୃଆରୀ
pa: ਸੋਮਵਾਰ, ਮੰਗਲਵਾਰ, ਬੁੱਧਵਾਰ, ਵੀਰਵਾਰ, ਜਨਵਰੀ, ਫ਼ਰਵਰੀ
pap: Bon dia, kon ta bai, mi amigu?
pl: poniedziałek, wtorek, środa, czwartek, stycznia, lutego
pt: segunda-feira, terça-feira, quarta-feira, quinta-feira, janeiro, fevereiro
qu: Allillanchu, wawqiy?
quc: Saqarik, utz awach?
ro: luni, marți, miercuri, joi, ianuarie, februarie
ru: понедельник, вторник, среда, четверг, января, февраля
sd: سومر, اڱارو, اربع, خميس, جنوري, فيبروري
shn: မႂ်ႇသုင်ၶႃႈ
si: සඳුදා, අඟහරුවාදා, බදාදා, බ්‍රහස්පතින්දා, ජනවාරි, පෙබරවාරි
sk: pondelok, utorok, streda, štvrtok, januára, februára
sl: ponedeljek, torek, sreda, četrtek, januar, februar
smj: Buoris, gåktu mannå?
sq: e hënë, e martë, e mërkurë, e enjte, janar, shkurt
sr: понедељак, уторак, среда, четвртак, јануар, фебруар
sv: måndag, tisdag, onsdag, torsdag, januari, februari
sw: Jumatatu, Jumanne, Jumatano, Alhamisi, Januari, Februari
ta: திங்கள், செவ்வாய், புதன், வியாழன், ஜனவரி, பிப்ரவரி
te: సోమవారం, మంగళవారం, బుధవారం, గురువారం, జనవరి, ఫిబ్రవరి
th: สวัสดีครับ เพื่อนของฉัน
ti: ሰኑይ, ሰሉስ, ረቡዕ, ሓሙስ, ጥሪ, ለካቲት
tk: duşenbe, sişenbe, çarşenbe, penşenbe, ýanwar, fewral
tn: Dumela, o tsogile jang?
tr: Pazartesi, Salı, Çarşamba, Perşembe, Ocak, Şubat
tt: дүшәмбе, сишәмбе, чәршәмбе, пәнҗешәмбе, гыйнвар, февраль
ug: دۈشەنبە, سەيشەنبە, چارشەنبە, پەيشەنبە, يانۋار, فېۋرال
uk: понеділок, вівторок, середа, четвер, січня, лютого
ur: پیر, منگل, بدھ, جمعرات, جنوری, فروری
uz: dushanba, seshanba, chorshanba, payshanba, yanvar, fevral
vi: Xin chào, bạn khỏe không?
yue: 你好，我哋飲茶。
""".strip().splitlines()
)


@cache
def library_languages() -> dict[str, tuple[set[str], str]]:
    """The files of the library's own languages: their codes and their name."""
    loader = pytest.importorskip("espeakng_loader")
    folder = Path(loader.get_data_path(), "lang")
    found = {}
    for path in folder.rglob("*"):
        if path.is_file():
            text = path.read_text("utf-8")
            codes = {code.lower() for code in re.findall(r"^language\s+(\S+)", text, re.M)}
            name = re.search(r"^(?:; )?name\s+([^\n/]*\w\)?)", text, re.M)[1]
            found[path.relative_to(folder).as_posix()] = (codes, name)
    return found


def test_every_language_of_the_library_is_listed_or_left_out_with_a_reason():
    listed = set(ACCENTS.values())
    assert not listed & set(TABLE["left_out"])
    assert listed | set(TABLE["left_out"]) == set(library_languages())
    assert all(TABLE["left_out"].values())


def test_an_accent_has_a_code_of_its_file():
    for accent, file in ACCENTS.items():
        codes = library_languages()[file][0]
        assert any(code == accent or code.startswith(f"{accent}-") for code in codes), accent
    for language, accents in TABLE["accents"].items():
        assert {base_language(accent) for accent in accents} == {language}


def test_every_language_has_a_text():
    assert set(TEXTS) == set(TABLE["accents"])


@pytest.mark.parametrize("language", TABLE["accents"])
def test_every_language_is_spoken(language):
    voices = ENGINE.voices(language)
    assert {voice.language for voice in voices} == set(TABLE["accents"][language])
    voice = voices[0]
    prompt = Prompt("p", TEXTS[language], language)
    clip = ENGINE.speak(prompt, voice, ENGINE.draw(draw_stream(1, "s", "x"), prompt, voice), "x")
    assert clip.validate().language == language
    assert {phone.label for phone in clip.phones} <= ARPABET | {SILENCE}
    assert all((phone.label == SILENCE) == (ipa == "") for phone, ipa in zip(clip.phones, clip.ipa))
    assert sum(phone.label != SILENCE for phone in clip.phones) >= 5


@pytest.mark.parametrize("accent", [a for a in ACCENTS if a not in TABLE["accents"]])
def test_every_accent_has_phones(accent):
    names = LIBRARY.phonemes(TEXTS[base_language(accent)], ACCENTS[accent])
    phones = [p.phone for s in map(plain_symbol, names) if s for p in parts_of(s, accent)]
    assert len(phones) >= 10 and set(phones) <= ARPABET


def names_of_the_world(language: str) -> Iterator[str]:
    """Names of languages, countries, months and the like, as Unicode's CLDR has them."""
    babel = pytest.importorskip("babel", reason="pip install babel: names in many languages")
    try:
        locale = babel.Locale.parse({"cmn": "zh_Hans", "hyw": "hy"}.get(language, language))
    except babel.UnknownLocaleError:
        return
    for names in (locale.languages, locale.territories, locale.months["format"]["wide"]):
        yield from (name for name in map(str, names.values()) if not re.search(r"[\d([]", name))


def sounds_of(language: str, most: int = 400) -> set[str]:
    """The sounds of a language's text above and of at most `most` names of the world."""
    names = list(names_of_the_world(language))
    # The library crashes on some Greenlandic words with Å (Ålandi, Århus).
    texts = [TEXTS[language], *(n for n in names[:: len(names) // most + 1] if "Å" not in n)]
    file = next(iter(TABLE["accents"][language].values()))
    return set(filter(None, map(plain_symbol, LIBRARY.phonemes(".\n".join(texts), file))))


@pytest.mark.parametrize("language", TABLE["accents"])
def test_no_language_has_a_hole(language):
    for symbol in sounds_of(language):
        assert {part.phone for part in parts_of(symbol, language)} <= ARPABET


def languages_table() -> str:
    """docs/languages.md."""
    lines = [
        "# The languages of espeak-ng",
        "",
        "Written by `python -m tests.synth.test_languages > docs/languages.md`. Each line of",
        "`prompts.languages` in params.yaml may be one of these codes; so may each accent be in",
        '`find_engine("espeak").voices(...)`. Sounds: how many different ones its names of the',
        "world hold, and how many of them have a phone. Sentences: those of",
        "`datasets/prompts/sentences/`; other languages need a file of yours there.",
        "",
        "| code | language | accents | sounds with a phone | sentences |",
        "|---|---|---|---|---|",
    ]
    known = library_languages()
    for language in sorted(TABLE["accents"]):
        accents = TABLE["accents"][language]
        name = known[next(iter(accents.values()))][1]
        name = re.sub(r" \(.*" if len(accents) > 1 else r",.*(?=\))", "", name)
        sounds = sounds_of(language)
        mapped = sum(bool(parts_of(symbol, language)) for symbol in sounds)
        path = ROOT / "datasets" / "prompts" / "sentences" / f"{language}.txt"
        count = len(re.findall(r"\S.*", path.read_text("utf-8"))) if path.exists() else ""
        others = ", ".join(accents) if len(accents) > 1 else ""
        lines.append(f"| {language} | {name} | {others} | {mapped} of {len(sounds)} | {count} |")
    lines += ["", "Not offered:", ""]
    for file, reason in TABLE["left_out"].items():
        lines.append(f"- {known[file][1]} (`{file}`): {reason}")
    return "\n".join(lines) + "\n"


def test_the_table_of_languages_is_up_to_date():
    def without_sounds(text: str) -> str:  # these go with the version of CLDR
        return re.sub(r"\| \d+ of \d+ \|", "|", text)

    written = (ROOT / "docs" / "languages.md").read_text("utf-8")
    assert without_sounds(written) == without_sounds(languages_table())


if __name__ == "__main__":
    print(languages_table(), end="")
