"""What the words of a message step name, read as plain text.

The engine never loads templates; what it has to know of them (does this message tell a coupon's
code?) it finds in their text.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from harken.journeys.compile import Node
from harken.journeys.kinds import IssueCoupon, Message

BLOCKS = "blocks/"
USES_BLOCK = re.compile(r"\{%-?\s*block\b")


def wordings(step: Message, files: Mapping[str, str]) -> Iterator[str]:
    """Every text of a message, also of the content files that it names and the blocks it uses."""
    blocks = [text for name, text in files.items() if name.startswith(BLOCKS)]
    written = msgspec.to_builtins([step.default, step.variants], enc_hook=str)
    for text in _texts(written):
        whole = files.get(text, text)
        yield whole
        if USES_BLOCK.search(whole):
            # Which ones depends on the language; one too many does no harm here.
            yield from blocks


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)


def showing(nodes: Iterable[Node], files: Mapping[str, str]) -> frozenset[str]:
    """The message steps whose templates say a coupon of the run."""
    steps = [(node.id, node.step) for node in nodes]
    issuing = [re.escape(id) for id, step in steps if isinstance(step, IssueCoupon)]
    if not issuing:
        return frozenset()
    names = "|".join(issuing)
    says = re.compile(rf"\{{[{{%][^}}]*\b(coupon\b|answers\b[^}}]*\b({names})\b)")
    return frozenset(
        id
        for id, step in steps
        if isinstance(step, Message) and any(map(says.search, wordings(step, files)))
    )


def leads_to(step: Message, files: Mapping[str, str], survey: str) -> bool:
    """Whether a message's templates link to the survey."""
    name = re.escape(survey)
    link = re.compile(rf"\blinks\s*\.\s*survey\s*(\.\s*{name}(?![\w-])|\[\s*['\"]{name}['\"])")
    return any(map(link.search, wordings(step, files)))
