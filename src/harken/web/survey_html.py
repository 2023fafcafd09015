"""A survey as a page: plain HTML without scripts, each field with what is wrong with it."""

from collections.abc import Mapping, Sequence
from html import escape

from harken.messages.forms import Answered, options_of
from harken.messages.surveys import Multiple, Nps, Question, Rating, Survey, Text
from harken.web.page_html import frame
from harken.web.page_words import WORDS

STYLE = """
legend,label.ask{font-weight:600;padding:0;margin:0 0 .25rem;display:block}
.hint{color:var(--soft);font-size:.95rem;margin:0 0 .25rem}
.need{color:var(--soft);font-weight:400;font-size:.9rem}
.fault{color:var(--bad);margin:0 0 .5rem}
.faults{border-left:4px solid var(--bad);padding-left:.75rem;margin:0 0 1.25rem}
.faults ul{margin:.25rem 0 0;padding-left:1.25rem}
.scale{display:grid;grid-template-columns:repeat(auto-fit,minmax(48px,1fr));gap:.4rem}
.scale label{display:flex;flex-direction:column;align-items:center;justify-content:center;
min-height:56px;border:1px solid var(--line);border-radius:10px;cursor:pointer}
.ends{display:flex;justify-content:space-between;color:var(--soft);font-size:.9rem;margin:.25rem 0}
.question{margin:0 0 1.75rem}
input[type=radio]{width:24px;height:24px;accent-color:var(--act)}
textarea{font:inherit;width:100%;min-height:7rem;padding:.6rem;border-radius:10px;
border:1px solid var(--line);background:var(--card);color:var(--ink)}
textarea:focus-visible{outline:3px solid var(--act);outline-offset:2px}
.intro{white-space:pre-line}
:root{--bad:#b3261e}
@media (prefers-color-scheme:dark){:root{--bad:#ff9a90}}
"""

Fields = Mapping[str, Sequence[str]]
"""What a form said, by field."""


def questions(
    survey: Survey,
    spoken: str,
    language: str,
    to: str,
    *,
    fields: Fields | None = None,
    answered: Answered | None = None,
    preview: bool = False,
) -> str:
    """The survey's form.

    `spoken` is the language of the page's own words, `language` that of the survey's; `fields` and
    `answered` are what was sent and could not be taken.
    """
    words = WORDS[spoken]
    faults = answered.faults if answered else {}
    body = [f'<p class="intro">{escape(survey.intro)}</p>'] if survey.intro else []
    if preview:
        body.insert(0, f'<p class="done" role="status">{escape(words["survey_preview"])}</p>')
    if faults:
        body.append(_summary(survey, faults, words))
    body.append(f'<form method="post" action="{escape(to)}">')
    for question in survey.questions:
        given = (fields or {}).get(question.id, ())
        body.append(_question(question, given, faults.get(question.id, ""), words))
    button = escape(survey.button or words["survey_send"])
    stopped = " disabled" if preview else ""
    body.append(f'<button type="submit"{stopped}>{button}</button></form>')
    return frame(language, survey.title, "".join(body), STYLE)


def thanks(survey: Survey, spoken: str, language: str) -> str:
    """What stands there once it is answered."""
    words = WORDS[spoken]
    said = survey.thanks or words["survey_thanks"]
    return frame(
        language,
        words["survey_thanks_title"],
        f'<p class="done intro" role="status">{escape(said)}</p>',
        STYLE,
    )


def _summary(survey: Survey, faults: Mapping[str, str], words: Mapping[str, str]) -> str:
    """The faults at the top of the page, each with a link to its question."""
    lines = "".join(
        f'<li><a href="#{question.id}-1">{escape(question.ask)}</a>: '
        f"{escape(_fault(question, faults[question.id], words))}</li>"
        for question in survey.questions
        if question.id in faults
    )
    return (
        f'<div class="faults" role="alert"><p class="fault">{escape(words["survey_wrong"])}</p>'
        f"<ul>{lines}</ul></div>"
    )


def _fault(question: Question, fault: str, words: Mapping[str, str]) -> str:
    longest = question.longest if isinstance(question, Text) else 0
    return words[f"survey_{fault}"].format_map({"longest": longest})


def _question(
    question: Question, given: Sequence[str], fault: str, words: Mapping[str, str]
) -> str:
    id = question.id
    need = f' <span class="need">({escape(words["survey_required"])})</span>'
    ask = escape(question.ask) + (need if question.required else "")
    notes, described = "", []
    if question.hint:
        notes += f'<p class="hint" id="{id}-hint">{escape(question.hint)}</p>'
        described.append(f"{id}-hint")
    if fault:
        said = escape(_fault(question, fault, words))
        notes += f'<p class="fault" id="{id}-fault">{said}</p>'
        described.append(f"{id}-fault")
    about = f' aria-describedby="{" ".join(described)}"' if described else ""
    wrong = ' aria-invalid="true"' if fault else ""
    if isinstance(question, Text):
        needed = ' aria-required="true"' if question.required else ""
        return (
            f'<div class="question"><label class="ask" for="{id}-1">{ask}</label>{notes}'
            f'<textarea id="{id}-1" name="{id}" maxlength="{question.longest}"'
            f"{about}{wrong}{needed}>\n{escape(given[-1] if given else '')}</textarea></div>"
        )
    return (
        f'<fieldset class="question"{about}{wrong}><legend>{ask}</legend>{notes}'
        f"{_options(question, given)}</fieldset>"
    )


def _options(question: Question, given: Sequence[str]) -> str:
    kind = "checkbox" if isinstance(question, Multiple) else "radio"
    scale = isinstance(question, Rating | Nps)
    rows = []
    for place, (key, said) in enumerate(options_of(question).items(), 1):
        chosen = " checked" if key in given else ""
        field = (
            f'<input type="{kind}" id="{question.id}-{place}" name="{question.id}" '
            f'value="{escape(key)}"{chosen}>'
        )
        name = "" if scale else ' class="row"'
        rows.append(f"<label{name}>{field} <span>{escape(said)}</span></label>")
    if not isinstance(question, Rating | Nps):
        return "".join(rows)
    low, high = escape(question.low), escape(question.high)
    ends = f'<div class="ends"><span>{low}</span><span>{high}</span></div>' if low or high else ""
    return f'<div class="scale">{"".join(rows)}</div>{ends}'
