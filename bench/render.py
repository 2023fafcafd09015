"""How fast messages are rendered, against python-liquid itself on the same template.

    python bench/render.py

A mail of 40 lines with ten values and a loop over three products: subject, HTML with tracked
links and pixel, and the plain part, as `render` makes them; the same with its footer in a block
and a feed's cached answer in it (from a server on loopback); then the parts of that time, and the
bare library with the same template and values.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory

from liquid import Environment

from harken.channels.table import ChannelName
from harken.clock import SystemClock
from harken.config import Settings
from harken.ids import derived_id
from harken.journeys.kinds import Message
from harken.messages.compile import CompiledMessage, compile_message
from harken.messages.content import Content
from harken.messages.context import context_of
from harken.messages.evaluate import Scope
from harken.messages.links import Link, Links
from harken.messages.liquid import HTML, Template
from harken.messages.render import render
from harken.outside.fetching import Fetching
from harken.people.profile import Profile, Trigger
from harken.values import Name, zone
from harken.workspace import Workspace

SUBJECT = "{{ profile.first_name | default: 'Hello' }}, your cart is waiting"
BODY = """<html>
<head>
<style>
  p { font-family: sans-serif; font-size: 14px; }
  td { padding: 8px; }
</style>
</head>
<body>
<h1>Hello {{ profile.first_name | default: 'friend' }} {{ profile.last_name | default: '' }}</h1>
<p>You left {{ event.properties.count | default: 'some' }} things in your cart,</p>
<p>worth {{ event.properties.cart_value | default: 0 }} {{ event.properties.currency | default: 'USD' }}.</p>
{% if profile.city %}
<p>Delivery to {{ profile.city }} takes two days.</p>
{% else %}
<p>Delivery takes three days.</p>
{% endif %}
<table>
<tr><th>What</th><th>How many</th><th>Price</th></tr>
{% for product in event.properties.products %}
<tr>
<td><a href="https://shop.example/p/{{ product.product_id | default: 'x' }}">{{ product.name | default: 'Thing' | upcase }}</a></td>
<td>{{ product.quantity | default: 1 }}</td>
<td>{{ product.price | default: 0 | times: 2 }}</td>
</tr>
{% endfor %}
</table>
<p>
  <a href="https://shop.example/cart/{{ event.properties.cart_id | default: 'x' }}">Back to your cart</a>
</p>
<p>
  Your points: {{ profile.attributes.points | default: 0 }},
  your level: {{ profile.attributes.level | default: 'new' }}.
</p>
<p>We keep your cart for two days.</p>
<p>The shop, Street 1, Town</p>
<p>
  <a href="{{ links.unsubscribe }}">Unsubscribe</a>
  <a href="{{ links.preferences }}">Preferences</a>
</p>
</body>
</html>"""  # noqa: E501

FOOTER = """<p>We keep your cart for two days.</p>
<p>The shop, Street 1, Town</p>
<p>
  <a href="{{ links.unsubscribe }}">Unsubscribe</a>
  <a href="{{ links.preferences }}">Preferences</a>
</p>"""
WEATHER = """{% connected weather = "URL?city={{ profile.city }}" cache: 900 %}
<p>It is {{ weather.sky }} where you are, {{ weather.degrees | number }} degrees.</p>
{% else %}
<p>Look out of the window.</p>
{% endconnected %}
{% block "footer" %}"""


class Weather(BaseHTTPRequestHandler):
    """A feed."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"sky": "cloudy", "degrees": 12.5}')

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def feed() -> Iterator[str]:
    """The address of a feed while it answers."""
    with HTTPServer(("127.0.0.1", 0), Weather) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def compiled(body: str, files: dict[str, str]) -> CompiledMessage:
    """A message that says `body`."""
    step = Message(
        message=Name("nudge"),
        channel=ChannelName("email"),
        default=Content(subject=SUBJECT, html=body),
    )
    message, faults = compile_message(
        step,
        files,
        path="$",
        workspace_language="en",
        journey="cart",
        compile_rule=lambda rule: lambda profile, event, now: False,
    )
    assert not [fault for fault in faults if not fault.warning], faults
    return message


def rate(work: Callable[[], object], seconds: float = 2.0) -> float:
    """Calls a second of processor time, the best of three rounds: others may use the machine."""
    best = 0.0
    for _ in range(3):
        start, count = time.process_time(), 0
        while time.process_time() - start < seconds / 3:
            for _ in range(50):
                work()
            count += 50
        best = max(best, count / (time.process_time() - start))
    return best


def main() -> None:
    now = 1_750_000_000_000
    profile = Profile(
        id=7,
        attributes={
            "first_name": "Yuna", "last_name": "Kim", "city": "Seoul", "points": 120,
            "level": "gold",
        },
    )  # fmt: skip
    products = [
        {"product_id": f"p{n}", "name": f"Shoe {n}", "quantity": n, "price": 10.5 * n}
        for n in (1, 2, 3)
    ]
    trigger = Trigger(
        name="Cart Abandoned",
        at=now,
        properties={
            "cart_id": "c1", "count": 3, "cart_value": 129.5, "currency": "USD",
            "products": products,
        },
    )  # fmt: skip
    message = compiled(BODY, {})
    context = context_of(profile, trigger, Workspace(), now)
    links = Links("https://mail.example", b"x" * 32).of(
        Link(7, derived_id("m"), "cart", 1, "nudge")
    )
    print(f"text part:\n{render(message, 'default', context, links).text}\n")

    bare = Environment(autoescape=True).from_string(BODY)
    values = {**context, "links": links.values()}
    parts = message.contents["default"][""]
    scope = Scope(values, "en", zone("UTC"), now)  # type: ignore[arg-type]
    ours = Template(BODY, HTML)
    library = rate(lambda: bare.render(values))
    whole = rate(lambda: render(message, "default", context, links))
    with feed() as url, TemporaryDirectory() as folder:
        body = BODY.replace(FOOTER, WEATHER.replace("URL", url))
        blocks = compiled(body, {"blocks/footer.html": FOOTER})
        settings = Settings(data=Path(folder), private_networks="127.0.0.1")
        fetching = Fetching(settings, SystemClock(), lambda ids: {})
        outside = fetching.of(Workspace())
        said = render(blocks, "default", context, links, outside=outside)
        assert "It is cloudy" in said.text, said.text
        live = rate(lambda: render(blocks, "default", context, links, outside=outside))
        fetching.close()
    text = parts.text
    assert text is not None
    for name, value in (
        ("whole message (subject, HTML, text, links)", whole),
        ("the same with a block and a feed's value", live),
        ("the HTML template alone", rate(lambda: ours.render(scope))),
        ("the text template alone", rate(lambda: text.render(scope))),
        ("bare python-liquid, the HTML template alone", library),
    ):
        print(f"{name:45}{value:9,.0f} /s")
    print(f"whole message to bare template               {whole / library:9.2f}")


if __name__ == "__main__":
    main()
