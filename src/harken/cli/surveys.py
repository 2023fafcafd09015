"""Surveys: which there are, what they came to, and how their page looks."""

from pathlib import Path
from typing import Any

from cyclopts import App

from harken.cli import show
from harken.cli.client import Connection, quoted
from harken.reports.words import counted

surveys_app = App(name="surveys", help="List surveys, report what they came to, and write their "
                  "page to a file.")  # fmt: skip


@surveys_app.command(name="list")
def list_surveys(*, connection: Connection = Connection()) -> None:
    """List the surveys in force, and the messages that lead to them."""
    with connection.open() as client:
        found = client.get("/surveys")
    if connection.json:
        show.as_json(found)
        return
    rows = [
        (one["survey"], one["title"], one["questions"], ", ".join(one["languages"]),
         ", ".join(one["linked_from"]) or "-")
        for one in found["surveys"]
    ]  # fmt: skip
    columns = ("survey", "title", "questions", "languages", "linked from")
    show.table(columns, rows, "there are no surveys; a survey is a file surveys/NAME.yaml")


@surveys_app.command(name="report")
def report_survey(
    name: str,
    /,
    *,
    since: str = "",
    until: str = "",
    texts: int = 20,
    segment: str = "",
    connection: Connection = Connection(),
) -> None:
    """Say how many were asked and answered, and what.

    Parameters
    ----------
    name
        The survey's name.
    since
        Count answers from this time on (ISO 8601).
    until
        Count answers before this time.
    texts
        How many of the latest texts to show for each question.
    segment
        Count only customers who are in this segment now.
    """
    asked = {"since": since, "until": until, "texts": texts, "segment": segment}
    with connection.open() as client:
        found = client.get(f"/surveys/{quoted(name)}/report", **asked)
    if connection.json:
        show.as_json(found)
        return
    share = f"{found['share']:.1%}" if found["share"] is not None else "-"
    show.facts({"sent": found["sent"], "answered": found["answered"], "share": share})
    for question in found["questions"]:
        _show_question(question)


def _show_question(question: dict[str, Any]) -> None:
    show.heading(f"{question['ask']} ({question['id']}, {counted(question['answered'], 'answer')})")
    if question["counts"]:
        total = question["answered"] or 1
        rows = [(key, count, f"{count / total:.0%}") for key, count in question["counts"].items()]
        show.table(("answer", "count", "share"), rows, "")
    if question["average"] is not None:
        show.line(f"average {question['average']:g}")
    if question["score"] is not None:
        show.line(f"net promoter score {question['score']}")
    for said in question["texts"]:
        show.line(f"{said['at']}  {said['text']}")


@surveys_app.command(name="preview")
def preview_survey(
    name: str, to: Path, /, *, language: str = "", connection: Connection = Connection()
) -> None:
    """Write a survey's page to a file, as a customer would see it.

    Parameters
    ----------
    name
        The survey's name.
    to
        The file to write.
    language
        Whose: `ko`, `id`; by default the workspace's.
    """
    with connection.open() as client:
        content = client.fetch(f"/surveys/{quoted(name)}/preview", language=language)
    to.write_bytes(content)
    show.line(f"wrote {to}", "green")
