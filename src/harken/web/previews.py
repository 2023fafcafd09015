"""A message as a given customer would get it: for a preview, and for a test send."""

import os
import time
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from harken.channels.addresses import parse_address, parse_mailbox
from harken.channels.base import Outcome, Prepared
from harken.channels.hooks import build as build_hooks
from harken.channels.mime import Mail, clean, compose
from harken.channels.sandbox import SandboxTransport
from harken.channels.smtp import Letter
from harken.channels.transports import PRESET, Choice, Transport, build
from harken.channels.webhook import message_body
from harken.config import link_secret
from harken.deciding.asking import choose
from harken.definitions import InForce
from harken.errors import BadInput, Conflict, NotFound
from harken.gates import check, demands
from harken.ids import derived_id
from harken.journeys.compile import LiveJourney
from harken.journeys.kinds import Message
from harken.messages.compile import CompiledMessage
from harken.messages.context import context_of
from harken.messages.coupons import with_examples
from harken.messages.evaluate import Aborted
from harken.messages.render import Rendered, render
from harken.people.profile import Profile, Run, Trigger
from harken.store.base import LedgerRow
from harken.web.api import Api
from harken.web.problems import not_there
from harken.web.projects import ProjectBody, compiled, faults_of, next_bundle, refuse_faults
from harken.web.samples import trigger_for
from harken.workspace import Sender

TEST_HEADER = b"X-Harken-Test"
SEND_SECONDS = 20.0
SANDBOX_SENDER = Sender(from_="Harken <sandbox@localhost>")


class Wanted(Struct, frozen=True, kw_only=True):
    """Which message, for whom, and what differs from what they would get."""

    journey: str
    step: str
    user_id: str
    variant: str | None = None
    event: dict[str, Any] | None = None
    language: str | None = None
    project: ProjectBody | None = None


class Shown(Struct, frozen=True, kw_only=True):
    """A message in a customer's terms, and what it was made of."""

    rendered: Rendered
    draft: InForce
    step: Message
    profile: Profile
    purpose: str


def show(api: Api, wanted: Wanted, by: str) -> Shown:
    """Render the message. Raises NotFound, BadInput, BadDefinition, or Conflict when a template
    says that this customer is to get nothing."""
    draft = _draft(api, wanted, by)
    journey, step, words = _message(draft, wanted)
    profile = api.person(wanted.user_id)
    if wanted.variant is not None and wanted.variant not in words.contents:
        known = ", ".join(words.contents)
        raise BadInput(f"there is no variant {wanted.variant!r}; the message has: {known}")
    if wanted.event is None:
        event = trigger_for(api, profile, journey)
    else:
        event = Trigger(name=journey.source.entry.event, at=api.now, properties=wanted.event)
    event = with_examples(event, journey, step.message, draft.coupons, api.now, draft.zone)
    allocation = api.services.in_force.allocations.get(words.chooser.key)
    choice = words.chooser.choose(profile, event, api.now, wanted.variant, allocation)
    context = context_of(profile, event, draft.workspace, api.now, step.sender)
    if wanted.language:
        context["profile"]["language"] = wanted.language
        context["profile"].pop("locale", None)
    channel, lawful = _asked(draft, journey, step, profile, event, api.now)
    if lawful:
        context["demands"] = lawful
    try:
        outside = api.services.fetching.of(draft.workspace)
        rendered = render(
            words, choice.variant, context, None, why=choice.why, outside=outside, channel=channel
        )
    except Aborted as stop:
        raise Conflict(f"this customer would get nothing: {stop.reason}") from None
    return Shown(rendered=rendered, draft=draft, step=step, profile=profile, purpose=words.purpose)


def send_test(api: Api, wanted: Wanted, to: str, by: str) -> tuple[Shown, Outcome, str]:
    """Send the message to `to` by the workspace's transports, marked as a test; its id.

    It is in no ledger, takes no slot of a cap, is not tracked, and its links lead nowhere.
    """
    shown = show(api, wanted, by)
    if shown.rendered.payload is not None:
        return _post_test(api, shown, wanted, to)
    recipient = parse_address(to)
    transports = _transports(api, shown.draft)
    sender = _sender(shown, transports)
    id = derived_id("test", shown.profile.id, wanted.journey, wanted.step, to, api.now)
    mailbox = parse_mailbox(sender.from_)
    mime = compose(
        Mail(
            id=id,
            at=api.now,
            from_=mailbox,
            to=recipient,
            subject=shown.rendered.subject,
            text=shown.rendered.text,
            html=shown.rendered.html,
            reply_to=parse_mailbox(sender.reply_to) if sender.reply_to else None,
        )
    )
    mime.headers.append((TEST_HEADER, b"yes"))
    try:
        transport = Choice(transports).pick(id)
        assert transport is not None, "transports made just now do not rest"
        signed = transport.signer.sign(mime, api.now) if transport.signer else mime
        letter = Letter(
            sender=str(mailbox.address),
            recipient=str(recipient),
            data=signed.to_bytes(),
            utf8=recipient.utf8 or mailbox.address.utf8,
            id=id,
            profile_id=shown.profile.id,
            subject=clean(shown.rendered.subject),
        )
        outcomes = transport.send([letter], time.monotonic() + SEND_SECONDS)
    finally:
        for one in transports:
            one.close()
    nothing = Outcome(state="temporary", reason="the server could not be reached in time")
    return shown, outcomes[0] if outcomes else nothing, id


def _post_test(api: Api, shown: Shown, wanted: Wanted, to: str) -> tuple[Shown, Outcome, str]:
    """The same by webhook: it is told that this is a test."""
    services, used = api.services, shown.draft.workspace
    ours = link_secret(services.settings.data)
    hooks = build_hooks(used, os.environ, ours, services.sandbox, services.clock)
    row = LedgerRow(
        id=derived_id("test", shown.profile.id, wanted.journey, wanted.step, to, api.now),
        profile_id=shown.profile.id,
        journey=wanted.journey,
        revision=0,
        step=wanted.step,
        run="",
        channel=shown.rendered.channel,
        purpose=shown.purpose,
        address=to,
        state="handed",
        queued_at=api.now,
    )
    body = {**message_body(Prepared(row, shown.rendered)), "type": "message.test"}
    try:
        outcome, _ = hooks[used.hook(shown.step.hook)].post(
            row, msgspec.json.encode(body), "POST", time.monotonic() + SEND_SECONDS
        )
    finally:
        for hook in hooks.values():
            hook.close()
    return shown, outcome, row.id


def _draft(api: Api, wanted: Wanted, by: str) -> InForce:
    if wanted.project is None:
        return api.services.in_force
    _, written = next_bundle(api, wanted.project, by)
    refuse_faults(faults_of(written, [wanted.journey]))
    return compiled(api, written)


def _message(draft: InForce, wanted: Wanted) -> tuple[LiveJourney, Message, CompiledMessage]:
    journey = draft.journeys.get(wanted.journey)
    if journey is None:
        raise not_there("journey", wanted.journey, draft.journeys)
    step = draft.message_step(journey.name, journey.revision, wanted.step)
    words = draft.message(journey.name, journey.revision, wanted.step)
    if step is None or words is None:
        known = ", ".join(one.message for one in journey.messages())
        raise NotFound(f"{journey.name} has no message {wanted.step!r}; it has: {known or 'none'}")
    return journey, step, words


def _asked(
    draft: InForce,
    journey: LiveJourney,
    step: Message,
    profile: Profile,
    event: Trigger | None,
    now: int,
) -> tuple[str, dict[str, Any]]:
    """The channel that the gates would choose, and what the recipient's law wants shown there."""
    trigger = event or Trigger(name=journey.source.entry.event, at=now)
    run = Run(
        id="preview",
        journey=journey.name,
        revision=journey.revision,
        entered_at=now,
        since=now,
        event=trigger,
    )
    candidate, _ = choose(profile, run, journey, step, draft, now, live=True)
    candidate = replace(candidate, audience=None, control_percent=0.0)
    return candidate.channel, demands(check(candidate, profile, now, draft.policy))


def _transports(api: Api, draft: InForce) -> list[Transport]:
    settings = api.services.settings
    environment = {**os.environ}
    if settings.smtp_url:
        environment[PRESET] = settings.smtp_url
    return build(draft.workspace, environment, api.services.sandbox, api.services.clock)


def _sender(shown: Shown, transports: list[Transport]) -> Sender:
    name = shown.step.sender or "default"
    found = shown.draft.workspace.senders.get(name)
    if found is None and all(isinstance(one, SandboxTransport) for one in transports):
        return SANDBOX_SENDER
    if found is None:
        raise BadInput(f"the workspace has no sender `{name}`: add it to workspace.yaml")
    return found
