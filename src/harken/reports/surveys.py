"""What a survey came to: how many were asked and answered, and each question's answers."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct, field

from harken.history.base import History
from harken.messages.surveys import Multiple, Nps, Question, Rating, Single, Survey, Text
from harken.segments.sql_writing import Statement

PAGE = 20_000
MOST_STEPS = 500

# Whose events count is asked first, by parameters of its own: these are numbered from there.
ANSWERED = """
SELECT ts, message, profile_id, journey, step, props::JSON::VARCHAR FROM events
WHERE name = '$survey_answered' AND props.survey::VARCHAR = {0} AND ts >= {1} AND ts < {2}
    AND (ts, message) > ({3}, {4}){among}
ORDER BY ts, message LIMIT {5}
"""
SENT = """
SELECT count(DISTINCT message) FROM events WHERE name = '$message_sent' AND ts >= {0} AND ts < {1}
    AND journey || '/' || step IN (SELECT unnest(from_json({2}, '["VARCHAR"]'))){among}
"""

_object = msgspec.json.Decoder(dict[str, Any]).decode


class Said(Struct, frozen=True):
    """A text that somebody wrote."""

    at: int
    profile_id: int
    text: str


class QuestionReport(Struct, kw_only=True):
    """The answers to one question."""

    id: str
    kind: str
    ask: str
    answered: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    """By option (or number): how many chose it. Options that are gone from the file too."""
    average: float | None = None
    """Of a rating, 1 to 5, or of the numbers given to an `nps`, 0 to 10."""
    score: int | None = None
    """Net promoter score, -100 to 100: percent of 9 and 10 less percent of 0 to 6."""
    texts: list[Said] = field(default_factory=list)
    """The latest, newest first."""


class SurveyReport(Struct, kw_only=True):
    """What a survey came to."""

    survey: str
    sent: int
    """Messages that led to it and were sent."""
    answered: int
    share: float | None
    """Of the sent ones; null when none was."""
    questions: list[QuestionReport]


def report(
    history: History,
    survey: Survey,
    steps: Iterable[tuple[str, str]],
    *,
    since: int,
    until: int,
    texts: int,
    among: Statement | None = None,
) -> SurveyReport:
    """All that was answered from `since` to before `until` (ms).

    `steps` are the (journey, step) whose messages lead to the survey; those through which it was
    answered are counted too. `among` selects the profile ids of those who count; None is everybody.
    """
    found = {question.id: _begin(question) for question in survey.questions}
    through, answered = set(steps), 0
    for at, profile_id, journey, step, answers in _answers(history, survey, since, until, among):
        answered += 1
        through.add((journey, step))
        for question in survey.questions:
            if question.id in answers:
                said = Said(at, profile_id, "")
                _take(found[question.id], question, answers[question.id], said, texts)
    for question in survey.questions:
        _finish(found[question.id], question)
    sent = _sent(history, sorted(through)[:MOST_STEPS], since, until, among)
    return SurveyReport(
        survey=survey.survey,
        sent=sent,
        answered=answered,
        share=round(answered / sent, 4) if sent else None,
        questions=list(found.values()),
    )


def _answers(
    history: History, survey: Survey, since: int, until: int, among: Statement | None
) -> Iterator[tuple[int, int, str, str, Mapping[str, Any]]]:
    """(time, profile, journey, step, properties) of each, oldest first, a page at a time."""
    at, message = -(2**62), ""
    while True:
        own = [survey.survey, since, until, at, message, PAGE]
        rows = history.query(*_asked(ANSWERED, own, among), limit=PAGE)
        for row in rows:
            yield row[0], row[2], row[3], row[4], _object(row[5])
        if len(rows) < PAGE:
            return
        at, message = rows[-1][:2]


def _asked(sql: str, own: list[Any], among: Statement | None) -> tuple[str, list[Any]]:
    """A statement about the events of some customers, and all its parameters."""
    before = list(among.params) if among else []
    names = (f"${len(before) + place + 1}" for place in range(len(own)))
    condition = f"\n    AND profile_id IN ({among.sql})" if among else ""
    return sql.format(*names, among=condition), [*before, *own]


def _sent(
    history: History,
    steps: Sequence[tuple[str, str]],
    since: int,
    until: int,
    among: Statement | None,
) -> int:
    if not steps:
        return 0
    named = msgspec.json.encode([f"{journey}/{step}" for journey, step in steps]).decode()
    return int(history.query(*_asked(SENT, [since, until, named], among))[0][0])


def _begin(question: Question) -> QuestionReport:
    made = QuestionReport(id=question.id, kind=question.key, ask=question.ask)
    match question:
        case Single(options=options) | Multiple(options=options):
            made.counts = {str(option): 0 for option in options}
        case Rating():
            made.counts = {str(number): 0 for number in range(1, 6)}
        case Nps():
            made.counts = {str(number): 0 for number in range(11)}
    return made


def _take(into: QuestionReport, question: Question, answer: Any, said: Said, texts: int) -> None:
    into.answered += 1
    if isinstance(question, Text):
        into.texts = [Said(said.at, said.profile_id, str(answer)), *into.texts][:texts]
        return
    for one in answer if isinstance(answer, list) else [answer]:
        into.counts[str(one)] = into.counts.get(str(one), 0) + 1


def _finish(made: QuestionReport, question: Question) -> None:
    if not isinstance(question, Rating | Nps):
        return
    # An earlier version of the question may have been answered with something else.
    numbers = Counter({int(one): count for one, count in made.counts.items() if one.isdecimal()})
    total = numbers.total()
    if not total:
        return
    made.average = round(sum(number * count for number, count in numbers.items()) / total, 2)
    if isinstance(question, Nps):
        promoters = sum(count for number, count in numbers.items() if number >= 9)
        critics = sum(count for number, count in numbers.items() if number <= 6)
        made.score = round(100 * (promoters - critics) / total)
