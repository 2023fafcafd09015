"""All commands by name, and what becomes of errors."""

import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError, Group, UnusedCliTokensError

from harken import __version__
from harken.errors import BadDefinition, HarkenError

THEMES = {
    "Definitions": ("definitions", ("init", "check", "plan", "apply", "schemas")),
    "Customers": (
        "people",
        ("profile", "timeline", "why", "enter", "consent", "merge", "unmerge", "forget"),
    ),
    "Journeys": ("experiments", ("experiments",)),
    "Segments": ("segments", ("segments", "lists")),
    "Broadcasts": ("broadcasts", ("broadcasts",)),
    "Catalogs": ("catalogs", ("catalogs", "recommend")),
    "Messages": (
        "messages",
        ("ledger", "resend", "close", "preview", "test-send", "sandbox", "webhooks"),
    ),
    "Coupons": ("coupons", ("coupons",)),
    "Surveys": ("surveys", ("surveys",)),
    "Privacy": ("privacy", ("approve", "approvals", "creepiness")),
    "Events": ("importing", ("import", "rejected")),
    "History": ("history", ("sql", "export")),
    "Operation": (
        "operate",
        ("serve", "status", "keys", "suppressions", "backup", "restore"),
    ),
}
"""Headings of the help, and for each the module and the commands in it."""

_RENAMED = {
    "broadcasts": "broadcasts_app",
    "catalogs": "catalogs_app",
    "coupons": "coupons_app",
    "import": "import_file",
    "test-send": "send_test",
    "keys": "keys_app",
    "lists": "lists_app",
    "segments": "segments_app",
    "suppressions": "suppressions_app",
    "surveys": "surveys_app",
}


def build() -> App:
    """The application; a command's module is imported when the command is run."""
    app = App(
        name="harken",
        help="Harken: a self-hosted customer engagement platform.",
        version=__version__,
        help_format="markdown",
    )
    app["--help"].group = app["--version"].group = Group("Other", sort_key=9)
    for order, (heading, (module, names)) in enumerate(THEMES.items()):
        group = Group(heading, sort_key=order)
        for name in names:
            function = _RENAMED.get(name, name.replace("-", "_"))
            app.command(f"harken.cli.{module}:{function}", name=name, group=group)
    return app


def run(arguments: Sequence[str]) -> int:
    """Run one command; its exit code. An error that was meant to be raised is told in a line."""
    try:
        app = build()
        if not arguments or arguments[0] in app.help_flags:
            # Only then are all needed: their first lines stand in the list.
            for name in (name for _, names in THEMES.values() for name in names):
                app[name]
        result = app(
            arguments, exit_on_error=False, print_error=False, result_action="return_value"
        )
    except CycloptsError as error:
        _tell(_plain(error), "`harken --help` lists the commands and their options")
        return 2
    except BadDefinition as error:
        _tell("\n".join(str(fault) for fault in error.faults))
        return 1
    except HarkenError as error:
        _tell(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has enough of it (`| head`).
        sys.stderr.close()
        return 1
    return result if isinstance(result, int) else 0


def _plain(error: CycloptsError) -> str:
    if isinstance(error, UnusedCliTokensError):
        unused = " ".join(error.unused_tokens or ())
        return f"'{unused}' is more than the command takes; a value with blanks needs quotes"
    return " ".join(str(error).split())


def _tell(*lines: str) -> None:
    for line in lines:
        print(f"harken: {line}" if line is lines[0] else line, file=sys.stderr)
