"""The set form of a rule: one SQL statement over history that finds everybody for whom it holds.

The rule tree becomes one condition on a row `p` of `profiles`. What customers did is asked in
sub-selects of `events`, each read once. `live` is the same language on one document; the
conformance test holds the two together.
"""

from msgspec import UNSET

from harken.segments.compare import compile_test
from harken.segments.live import EARTH_RADIUS
from harken.segments.rules import (
    All,
    AnswerIs,
    Any_,
    Attribute,
    Average,
    Bucket,
    ConsentIs,
    Did,
    Distinct,
    EventProperty,
    First,
    InList,
    InSegment,
    Last,
    Max,
    Messages,
    Min,
    Near,
    Not,
    Reachable,
    Rule,
    Sum,
)
from harken.segments.sql_behaviour import did, measured, messages, occasion
from harken.segments.sql_values import attribute
from harken.segments.sql_writing import Asked, Statement, Writing, by_halves, constant, double, sure


def compile_members(rule: Rule, asked: Asked) -> Statement:
    """The profile ids of all for whom `rule` holds, in any order."""
    writing = Writing(asked)
    where = condition(rule, writing)
    return writing.statement(f"SELECT p.profile_id {writing.people()} WHERE {where}")


def condition(rule: Rule, writing: Writing, holds: bool = True) -> str:
    """That `rule` holds (or not), as a condition on the row `p` of `profiles`.

    It may be NULL for false. Negations go down to the leaves, where engines know how to look for
    those who are not among others.
    """
    match rule:
        case All():
            return _joined(rule.all, writing, holds, both=holds)
        case Any_():
            return _joined(rule.any, writing, holds, both=not holds)
        case Not():
            return condition(rule.not_, writing, not holds)
        case InSegment():
            named = writing.asked.segments.get(rule.in_segment)
            return constant(not holds) if named is None else condition(named, writing, holds)
        case Did():
            return did(rule, writing, holds)
        case Sum() | Average() | Min() | Max() | Distinct():
            return measured(rule, writing, holds)
        case First() | Last():
            return occasion(rule, writing, holds)
        case Messages():
            return messages(rule, writing, holds)
        case _:
            fact = _fact(rule, writing)
            return fact if holds else f"NOT {sure(fact)}"


def _joined(rules: list[Rule], writing: Writing, holds: bool, *, both: bool) -> str:
    parts = [condition(rule, writing, holds) for rule in rules]
    return f"({by_halves(parts, 'AND' if both else 'OR')})" if parts else constant(both)


Fact = Attribute | EventProperty | AnswerIs | InList | Reachable | ConsentIs | Near | Bucket


def _fact(rule: Fact, writing: Writing) -> str:
    """What the row itself tells."""
    dialect = writing.dialect
    match rule:
        case Attribute():
            return attribute(rule, writing)
        case EventProperty() | AnswerIs():
            # The whole base is asked, for which there is no run and no event that began it.
            return constant(compile_test(rule)(UNSET))
        case InList():
            return dialect.listed("p.lists", writing.text(rule.in_list))
        case Reachable():
            return dialect.listed("p.reachable", writing.text(rule.reachable))
        case ConsentIs():
            return _consent(rule, writing)
        case Near():
            return _near(rule)
        case Bucket():
            number = dialect.bucket("p.profile_id", writing.text(rule.bucket))
            return f"{number} BETWEEN {int(rule.from_)} AND {int(rule.to)}"


def _consent(rule: ConsentIs, writing: Writing) -> str:
    def is_(state: str) -> str:
        key = writing.text(f"{rule.consent}:{rule.purpose}:{state}")
        return writing.dialect.listed("p.consent", key)

    if rule.is_ == "implied":
        return f"NOT ({sure(is_('opted_in'))} OR {sure(is_('opted_out'))})"
    return is_(rule.is_)


def _near(rule: Near) -> str:
    # The same steps as in `live`, so that both come to the same last digit.
    latitude, longitude = double(rule.near.latitude), double(rule.near.longitude)
    lower, upper = "radians(p.latitude)", f"radians({latitude})"
    across = f"radians({longitude} - p.longitude)"
    north = f"pow(sin(({upper} - {lower}) / 2), 2)"
    half = f"{north} + cos({lower}) * cos({upper}) * pow(sin({across} / 2), 2)"
    return f"2 * {EARTH_RADIUS} * asin(least(1.0, sqrt({half}))) <= {double(rule.radius)}"
