"""What the tests of channels share."""

from hypothesis import strategies as st

from harken.channels.addresses import parse_address, parse_mailbox
from harken.channels.mime import Mail

AT = 1_767_225_600_000
SHOP = parse_mailbox("Shop <hello@shop.example>")
MINA = parse_address("mina@example.com")


def mail(**values: object) -> Mail:
    given = {"id": "abc234", "at": AT, "from_": SHOP, "to": MINA, "subject": "Hi", "text": "Hi"}
    return Mail(**{**given, **values})  # type: ignore[arg-type]


any_text = st.text(max_size=300) | st.text(
    alphabet="\r\n\t .=-_<>가é😀\x00\x85\u2028", max_size=120
)
