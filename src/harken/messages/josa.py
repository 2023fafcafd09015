"""Korean particles: the form that a word wants after it (`Hangul Orthography`, chapter 4-1).

A word that ends in a consonant takes the first form of a pair, one that ends in a vowel the
second; 으로 / 로 also takes the second after ㄹ. Digits are read as Sino-Korean numbers, capitals
as letters, other Latin words roughly as Korean writes them. Signs that are said (%, ₩) count as
their words; what stands in brackets behind a word does not, as the National Institute of Korean
Language has it.
"""

import re
from enum import Enum

PAIRS = (
    "이/가", "을/를", "은/는", "과/와", "으로/로", "아/야", "이나/나", "이랑/랑", "이라/라",
    "이며/며", "이에요/예요", "이여/여", "이든/든", "이고/고", "으로서/로서", "으로써/로써",
)  # fmt: skip
"""After a consonant / after a vowel. Either order may be written."""

_KNOWN = {pair: tuple(pair.split("/")) for pair in PAIRS}
_KNOWN |= {"/".join(reversed(pair.split("/"))): forms for pair, forms in _KNOWN.items()}


class Ending(Enum):
    """How the last sound of a word ends."""

    VOWEL = 0
    CONSONANT = 1
    RIEUL = 2
    UNKNOWN = 3


# 영 일 이 삼 사 오 육 칠 팔 구; a trailing zero is also 십, 백, 천, 만: consonants all.
_DIGITS = dict(zip("0123456789", (1, 2, 0, 1, 0, 0, 1, 2, 2, 0), strict=True))
# 엘 엠 엔 알; all other letter names end in a vowel.
_LETTERS = {"L": 2, "M": 1, "N": 1, "R": 2}


# 퍼센트, 도, 도.
_SIGNS = {"%": 0, "％": 0, "℃": 0, "°": 0}
# 달러, 원, 유로, 파운드, 엔: written before the digits, said after them.
_CURRENCIES = {"$": 0, "₩": 1, "￦": 1, "€": 0, "£": 0, "¥": 1}
_AMOUNT = re.compile(r"([$₩￦€£¥])\s?\d[\d.,]*$")
_ASIDE = re.compile(r"(?<=[^\s(\[（])\s*(\([^()]*\)|\[[^\[\]]*\]|（[^（）]*）)\W*$")


def particle(word: str, pair: str) -> str:
    """The form of `pair` (`이/가`) that follows `word`; both, `은(는)`, when the sound is unknown.

    Raises ValueError for a pair that is not one of `PAIRS`.
    """
    forms = _KNOWN.get(pair.replace(" ", ""))
    if forms is None:
        raise ValueError(f"{pair!r} is no pair of particles; one of {', '.join(PAIRS)}")
    closed, open_ = forms
    sound = ending(word)
    if sound is Ending.UNKNOWN:
        return f"({closed[0]}){open_}" if closed[1:] == open_ else f"{closed}({open_})"
    if sound is Ending.RIEUL:
        return open_ if closed.startswith("으로") else closed
    return closed if sound is Ending.CONSONANT else open_


def ending(word: str) -> Ending:
    """How `word` ends when said aloud; what else follows its last letter or digit is not said."""
    said = _ASIDE.sub("", word).rstrip()
    while said and not said[-1].isalnum():
        if said[-1] in _SIGNS and said[:-1].strip():
            return Ending(_SIGNS[said[-1]])
        said = said[:-1]
    if not said:
        return Ending.UNKNOWN
    last = said[-1]
    if "가" <= last <= "힣":
        final = (ord(last) - ord("가")) % 28
        return Ending.RIEUL if final == 8 else Ending.CONSONANT if final else Ending.VOWEL
    if "ㄱ" <= last <= "ㅎ":
        return Ending.RIEUL if last == "ㄹ" else Ending.CONSONANT
    if "ㅏ" <= last <= "ㅣ":
        return Ending.VOWEL
    if amount := _AMOUNT.search(said):
        return Ending(_CURRENCIES[amount[1]])
    if last in _DIGITS:
        return Ending(_DIGITS[last])
    if last.isascii():
        return _latin(said)
    return Ending.UNKNOWN


def _latin(said: str) -> Ending:
    start = len(said)
    while start and said[start - 1].isascii() and said[start - 1].isalpha():
        start -= 1
    word = said[start:]
    if word.isupper():
        return Ending(_LETTERS.get(word[-1], 0))
    word = word.lower()
    if word.endswith(("l", "le", "ll", "lle")):
        return Ending.RIEUL
    if word.endswith(("m", "n", "ng", "me", "ne")) and len(word) > 2:
        return Ending.CONSONANT
    # A stop after a short vowel closes the syllable (Slack 슬랙, Facebook 페이스북); after a
    # consonant it gets a vowel of its own (Mark 마크).
    stem = word[:-2] if word.endswith("ck") else word[:-1]
    if word.endswith(("k", "p", "t", "b", "c")) and stem.endswith(("a", "e", "i", "o", "u")):
        return Ending.CONSONANT
    return Ending.VOWEL
