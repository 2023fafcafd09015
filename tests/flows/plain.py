"""Small journeys to put together in tests."""

MESSAGE = """
  - message: {name}
    channel: email
    default: {{subject: "{name}", html: "<p>Hi</p>"}}
"""


def journey(event: str = "Go", *, name: str = "cart", steps: str = "", **parts: str) -> str:
    """A journey on an event. `parts` are its other keys; those of the entry begin with `entry_`."""
    entry = "".join(f"  {k[6:]}: {v}\n" for k, v in parts.items() if k.startswith("entry_"))
    rest = "".join(f"{k}: {v}\n" for k, v in parts.items() if not k.startswith("entry_"))
    return f"journey: {name}\nentry:\n  event: {event}\n{entry}{rest}steps:{steps or say()}"


def say(name: str = "nudge", **fields: str) -> str:
    """A message step."""
    more = "".join(f"    {key}: {value}\n" for key, value in fields.items())
    return MESSAGE.format(name=name).rstrip() + "\n" + more


def wait(what: str) -> str:
    """A wait step."""
    return f"\n  - wait: {what}\n"


def then(rule: str) -> str:
    """An exit step."""
    return f"\n  - exit: {rule}\n"
