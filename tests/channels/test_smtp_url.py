"""How an SMTP server is written down."""

import pytest

from harken.channels.smtp import Server, parse_url
from harken.errors import BadInput


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example", Server(host="mail.example", port=587)),
        ("smtps://mail.example", Server(host="mail.example", port=465, tls="implicit")),
        (
            "smtp://u%40x:p%3A%2F@mail.example:25?starttls=require&verify=no&helo=me.example",
            Server(host="mail.example", port=25, user="u@x", password="p:/", tls="require",
                   verify=False, helo="me.example"),
        ),
        ("smtp://почта.example", Server(host="почта.example", port=587)),
        ("smtp://[::1]:2525?starttls=no", Server(host="::1", port=2525, tls="no")),
    ],
)  # fmt: skip
def test_urls(url: str, server: Server) -> None:
    assert parse_url(url) == server
    assert "p:/" not in repr(parse_url(url))


@pytest.mark.parametrize(
    "url", ["", "mail.example:25", "http://x", "smtp://", "smtp://u:secret@x:port",
            "smtp://u:secret@x?tls=yes", "smtp://u:secret@x?starttls=maybe",
            "smtp://u:secret%D0%BF@x", "smtp://u:secret@x?helo=%D0%BF", "smtp://u:secret@x..y",
            "smtp://u:secret@x?helo=a%0D%0Ab", f"smtp://u:secret@{'x' * 64}"],
)  # fmt: skip
def test_a_bad_url_is_refused_without_showing_the_password(url: str) -> None:
    with pytest.raises(BadInput) as error:
        parse_url(url)
    assert "secret" not in str(error.value)
