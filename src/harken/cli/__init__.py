"""The command line: a thin client of the REST API, and `harken serve`.

Nothing is imported before it is needed: a command line that takes a second to say what is wrong
with a file is not used while writing it.
"""


def main() -> None:
    """Run the command line of this process; the exit code is 0, 1 (it failed) or 2 (usage)."""
    import sys

    from harken.cli.commands import run

    sys.exit(run(sys.argv[1:]))
