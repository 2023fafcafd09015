"""A survey in one language, what is wrong with its file, and what somebody answered."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from harken.errors import Fault
from harken.files.words import did_you_mean
from harken.messages.filters import known_locale
from harken.messages.surveys import (
    OWN,
    Multiple,
    Nps,
    Question,
    QuestionWords,
    Rating,
    Single,
    Survey,
    SurveyWords,
    Text,
)

MOST_QUESTIONS = 50
MOST_OPTIONS = 100
LONGEST_TEXT = 5_000
RATINGS = range(1, 6)
SCORES = range(11)

Answer = str | int | list[str]


class Answered(Struct):
    """What was read of a form."""

    answers: dict[str, Answer] = field(default_factory=dict)
    """By question; without those that were left open."""
    faults: dict[str, str] = field(default_factory=dict)
    """By question: `is_required`, `not_an_option` or `too_long`, as the pages' words know them."""


def survey_faults(survey: Survey) -> list[Fault]:
    """Everything wrong with a survey that is well formed."""
    faults = list(_questions_faults(survey.questions))
    if not survey.title.strip():
        faults.append(Fault("$.title", "a survey needs a title"))
    for tag, words in survey.locales.items():
        path = f"$.locales.{tag}"
        if not known_locale(tag):
            problem = f"`{tag[:40]}` is no language tag; write one such as ko or pt-BR"
            faults.append(Fault(path, problem))
        faults += _locale_faults(words, survey.questions, path)
    return faults


def _questions_faults(questions: Sequence[Question]) -> Iterator[Fault]:
    if not questions:
        yield Fault("$.questions", "a survey needs at least one question")
    if len(questions) > MOST_QUESTIONS:
        yield Fault("$.questions", f"has {len(questions)} questions; at most {MOST_QUESTIONS}")
    ids = [question.id for question in questions]
    for place, question in enumerate(questions):
        path = f"$.questions[{place}]"
        if question.id in ids[:place]:
            yield Fault(f"{path}.{question.key}", f"another question is called `{question.id}`")
        if question.id in OWN:
            problem = f"every `$survey_answered` has a `{question.id}` of its own"
            yield Fault(f"{path}.{question.key}", problem)
        if not question.ask.strip():
            yield Fault(f"{path}.ask", "ask something")
        match question:
            case Single(options=options) | Multiple(options=options):
                if not 1 < len(options) <= MOST_OPTIONS:
                    yield Fault(f"{path}.options", f"give from 2 to {MOST_OPTIONS} options")
            case Text(longest=longest) if not 0 < longest <= LONGEST_TEXT:
                yield Fault(f"{path}.longest", f"must be from 1 to {LONGEST_TEXT}")


def _locale_faults(words: SurveyWords, questions: Sequence[Question], path: str) -> Iterator[Fault]:
    known = {question.id: question for question in questions}
    for id, said in words.questions.items():
        place = f"{path}.questions.{id}"
        if id not in known:
            yield Fault(place, f"there is no question `{id[:40]}`{did_you_mean(id, known)}")
            continue
        question = known[id]
        options = question.options if isinstance(question, Single | Multiple) else {}
        for option in said.options:
            if option not in options:
                hint = did_you_mean(option, options)
                yield Fault(
                    f"{place}.options.{option}", f"there is no option `{option[:40]}`{hint}"
                )
        missing = [option for option in options if option not in said.options]
        if said.ask is not None and missing:
            problem = f"without `{missing[0]}` that option stays in the base language"
            yield Fault(f"{place}.options", problem, warning=True)
    untold = [id for id in known if id not in words.questions]
    if untold:
        problem = f"without `{untold[0]}` that question stays in the base language"
        yield Fault(f"{path}.questions", problem, warning=True)


def options_of(question: Question) -> dict[str, str]:
    """What a question can be answered with, by key, each with its words; empty for a text."""
    match question:
        case Single(options=options) | Multiple(options=options):
            return {str(key): said for key, said in options.items()}
        case Rating():
            return {str(number): str(number) for number in RATINGS}
        case Nps():
            return {str(number): str(number) for number in SCORES}
        case Text():
            return {}


def in_language(survey: Survey, wanted: Iterable[str], base: str) -> tuple[Survey, str]:
    """The survey in the first of the languages that it has, or their base; and that language.

    `base` is the language that the survey itself is written in. The answer's language is empty
    when that stands.
    """
    written = base.replace("_", "-").lower()
    known = {tag.replace("_", "-").lower(): tag for tag in survey.locales}
    for tag in wanted:
        folded = tag.replace("_", "-").lower()
        while folded:
            if folded in known:
                return _said_in(survey, survey.locales[known[folded]]), known[folded]
            if folded == written:
                return survey, ""
            folded = folded.rpartition("-")[0]
    return survey, ""


def _said_in(survey: Survey, words: SurveyWords) -> Survey:
    told = {
        name: value
        for name in ("title", "intro", "thanks", "button")
        if (value := getattr(words, name)) is not None
    }
    questions = [
        _question_in(one, words.questions[one.id]) if one.id in words.questions else one
        for one in survey.questions
    ]
    return replace(survey, questions=questions, **told)


def _question_in(question: Question, words: QuestionWords) -> Question:
    told: dict[str, Any] = {
        name: value
        for name in ("ask", "hint", "low", "high")
        if (value := getattr(words, name)) is not None and hasattr(question, name)
    }
    if isinstance(question, Single | Multiple):
        told["options"] = {
            key: words.options.get(key, said) for key, said in question.options.items()
        }
    return replace(question, **told)


def read_answers(survey: Survey, fields: Mapping[str, Sequence[str]]) -> Answered:
    """What a form says, question by question; fields of no question are not looked at."""
    found = Answered()
    for question in survey.questions:
        given = [value.strip() for value in fields.get(question.id, ()) if value.strip()]
        if not given:
            if question.required:
                found.faults[question.id] = "is_required"
            continue
        answer = _answer(question, given)
        if answer is not None:
            found.answers[question.id] = answer
        else:
            found.faults[question.id] = (
                "too_long" if isinstance(question, Text) else "not_an_option"
            )
    return found


def _answer(question: Question, given: Sequence[str]) -> Answer | None:
    """The answer to one question, or None when it is none."""
    match question:
        case Text(longest=longest):
            # A browser sends each line end as two characters, and counts it as one.
            text = given[-1].replace("\r\n", "\n")
            return text if len(text) <= longest else None
        case Multiple():
            chosen = [key for key in options_of(question) if key in given]
            return chosen if len(chosen) == len(set(given)) else None
    if len(set(given)) > 1 or given[0] not in options_of(question):
        return None
    return given[0] if isinstance(question, Single) else int(given[0])
