"""A survey as written in its file.

survey: trial-feedback
title: What was it like?
questions:
  - single: reason
    ask: What kept you from buying?
    options: {price: The price, effect: It did nothing for me}
    required: true
  - rating: taste
    ask: How did it taste?
  - nps: recommend
    ask: Would you recommend it to a friend?
  - text: comment
    ask: Anything else?
thanks: Thank you!
locales:
  ko:
    title: 어떠셨나요?
    questions:
      reason: {ask: 구매를 망설이신 이유는?, options: {price: 가격}}
"""

import re
from typing import Any, ClassVar, cast

from msgspec import Struct, field

from harken.values import Name

OWN = ("survey", "message", "journey", "revision", "step", "variant", "channel")
"""What every `$survey_answered` says besides the answers."""


class QuestionId(str):
    """How rules, branches and reports call a question: small letters, digits, `_`; at most 40."""

    __slots__ = ()
    schema: ClassVar[dict[str, Any]] = {"type": "string", "pattern": r"^[a-z][a-z0-9_]{0,39}$"}

    @classmethod
    def parse(cls, text: object) -> "QuestionId":
        if not isinstance(text, str) or not re.fullmatch(cls.schema["pattern"], text):
            raise ValueError(
                f"{text!r} cannot name a question; use small letters, digits and '_', 40 at most"
            )
        return cast("QuestionId", text)


class QuestionBase(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What every question has."""

    ask: str
    hint: str = ""
    """Small print below it."""
    required: bool = False

    @property
    def id(self) -> str:
        """What the question is called, which stands behind the word for its kind."""
        called: str = getattr(self, self.key)  # type: ignore[attr-defined]
        return called


class Single(QuestionBase, frozen=True, omit_defaults=True, kw_only=True):
    """One of several options; the answer is the option's key."""

    key: ClassVar[str] = "single"
    single: QuestionId
    options: dict[Name, str]


class Multiple(QuestionBase, frozen=True, omit_defaults=True, kw_only=True):
    """Any of several options; the answer is a list of their keys."""

    key: ClassVar[str] = "multiple"
    multiple: QuestionId
    options: dict[Name, str]


class Rating(QuestionBase, frozen=True, omit_defaults=True, kw_only=True):
    """From 1 to 5."""

    key: ClassVar[str] = "rating"
    rating: QuestionId
    low: str = ""
    """What 1 means."""
    high: str = ""
    """What 5 means."""


class Nps(QuestionBase, frozen=True, omit_defaults=True, kw_only=True):
    """How likely they are to recommend, from 0 to 10. Source: Reichheld, HBR December 2003."""

    key: ClassVar[str] = "nps"
    nps: QuestionId
    low: str = ""
    high: str = ""


class Text(QuestionBase, frozen=True, omit_defaults=True, kw_only=True):
    """In their own words."""

    key: ClassVar[str] = "text"
    text: QuestionId
    longest: int = 1000
    """Characters."""


Question = Single | Multiple | Rating | Nps | Text


class QuestionWords(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A question in another language; what is left out stays as it is."""

    ask: str | None = None
    hint: str | None = None
    options: dict[str, str] = field(default_factory=dict)
    low: str | None = None
    high: str | None = None


class SurveyWords(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A survey in another language; what is left out stays as it is."""

    title: str | None = None
    intro: str | None = None
    thanks: str | None = None
    button: str | None = None
    questions: dict[str, QuestionWords] = field(default_factory=dict)


class Survey(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A survey file: a hosted page that `{{ links.survey.NAME }}` in a message leads to."""

    survey: Name
    description: str = ""
    title: str
    intro: str = ""
    questions: list[Question]
    thanks: str = ""
    """Shown once it is answered; by default a plain thank you."""
    button: str = ""
    """On the button that sends the answers; by default `Send`."""
    locales: dict[str, SurveyWords] = field(default_factory=dict)
    """By language: `ko`, `pt-BR`."""
