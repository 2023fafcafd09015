"""One sender: the ledger, the definitions in force and the channels, put together."""

import os
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from harken import metrics, workspace
from harken.channels.base import Channel
from harken.channels.begun import Begun, Left, left_by_dead
from harken.channels.closed import Closed
from harken.channels.delivery import Delivery, Rendering
from harken.channels.email import EmailChannel, Returns, Sending
from harken.channels.hooks import ClosedHook
from harken.channels.hooks import build as build_hooks
from harken.channels.retries import Retries
from harken.channels.sandbox import Sandbox, SandboxTransport
from harken.channels.table import CALL
from harken.channels.transports import PRESET, build
from harken.channels.webhook import WebhookChannel, call_body, call_outcome, message_body
from harken.clock import MINUTE, SECOND, Clock
from harken.config import Settings, link_secret
from harken.definitions import InForce
from harken.errors import BadInput
from harken.gates import Candidate, Verdict, check, decision
from harken.journeys.broadcasts import CALLED_OFF_NOTE
from harken.logs import structlog
from harken.messages.compile import CompiledCall, CompiledMessage
from harken.messages.context import values_of
from harken.messages.links import Link, Links, MessageLinks
from harken.messages.render import Rendered, render, render_call
from harken.outside.fetching import Fetching
from harken.people.profile import Profile, Run, Trigger
from harken.store.base import LedgerRow, MessageState
from harken.store.sqlite import SqliteStore

log = structlog.get_logger("sender")

LEASES_EVERY = MINUTE
CALL_RETRIES = Retries(first=3 * SECOND, longest=MINUTE)
"""A run waits for a call, not longer than its step says."""
SANDBOX_SENDER = "Harken <sandbox@localhost>"
"""Stands in for a sender that is not set up yet, in mail that goes nowhere."""


class Sender:
    """Sends what the ledger holds, by the transports of the workspace in force."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        name: str,
        *,
        on_outcome: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings, self._clock = settings, clock
        self._on_outcome = on_outcome
        self._look_at_leases = 0
        self._store = SqliteStore(settings.state, durable=True)
        self._sandbox = Sandbox(settings.sandbox)
        self._secret = link_secret(settings.data)
        self._links = Links(settings.base_url, self._secret)
        self._fetching = Fetching(settings, clock, self._store.profiles)
        self._begun = Begun(settings.data / f"{name}.begun")
        self._sandboxed = False
        self._called_off: dict[str, str] = {}
        """Broadcasts whose messages must not leave any more, and their journeys."""
        self._in_force = self._compile()
        self._delivery: Delivery[CompiledMessage | CompiledCall, MessageLinks] = Delivery(
            self._store,
            self._channels(),
            Rendering(
                compiled=self._message,
                links=self._links_of,
                render=self._render,
                recalled=self._recalled,
                look=self._look,
            ),
            clock,
            name,
            retries_of={CALL: CALL_RETRIES},
            count=self._settled,
            begun=self._begun,
            left_by=self._left_by,
        )

    def recover(self) -> int:
        """Settle what was left behind when this sender last stopped."""
        return self._delivery.recover(self._clock.now())

    def turn(self) -> int:
        """One turn of the loop; 0 when there is nothing to do now."""
        self._follow_definitions()
        self._follow_broadcasts()
        now = self._clock.now()
        if now >= self._look_at_leases:
            self._look_at_leases = now + LEASES_EVERY
            self._delivery.take_over(now)
        return self._delivery.turn(now)

    def wait(self) -> float:
        """Seconds until there may be something to do again, if nobody rings."""
        resting = self._delivery.rest()
        if resting:
            return resting
        due = self._store.next_message(self._delivery.open())
        return (due - self._clock.now()) / SECOND if due is not None else 60.0

    def close(self) -> None:
        self._delivery.close()
        self._begun.close()
        self._store.close()
        self._sandbox.close()
        self._fetching.close()

    def _left_by(self, sender: str) -> Left | None:
        # `running.roles` holds this lock for as long as its process lives.
        settings = self._settings
        return left_by_dead(settings.run / f"{sender}.lock", settings.data / f"{sender}.begun")

    def _follow_definitions(self) -> None:
        if self._store.definitions_revision() == self._in_force.written.revision:
            return
        before = self._in_force.workspace
        self._in_force = self._compile()
        if self._in_force.workspace != before:
            self._delivery.replace(self._channels())

    def _follow_broadcasts(self) -> None:
        note = self._store.note(CALLED_OFF_NOTE)
        self._called_off = msgspec.msgpack.decode(note, type=dict[str, str]) if note else {}

    def _recalled(self, row: LedgerRow) -> bool:
        called_off = self._called_off
        if row.journey not in called_off.values():
            return False
        return msgspec.msgpack.decode(row.context).get("broadcast") in called_off

    def _compile(self) -> InForce:
        store = self._store
        return InForce(store.definitions(), store.journey_revision, self._settings.sender)

    def _channels(self) -> dict[str, Channel]:
        """The channels of the workspace. One whose settings are wrong keeps its messages."""
        environment = {**os.environ}
        if self._settings.smtp_url:
            environment[PRESET] = self._settings.smtp_url
        used = self._in_force.workspace
        return {"email": self._email(used, environment), **self._webhooks(used, environment)}

    def _email(self, used: workspace.Workspace, environment: Mapping[str, str]) -> Channel:
        try:
            transports = build(used, environment, self._sandbox, self._clock)
        except BadInput as fault:
            log.error("no e-mail can leave until this is mended", fault=str(fault))
            return Closed()
        self._sandboxed = all(isinstance(one, SandboxTransport) for one in transports)
        return EmailChannel(
            transports,
            sending=self._from,
            returns=self._returns,
            workspace=used.workspace,
            clock=self._clock,
            mark=self._begun.mark,
        )

    def _webhooks(
        self, used: workspace.Workspace, environment: Mapping[str, str]
    ) -> dict[str, Channel]:
        hooks = build_hooks(used, environment, self._secret, self._sandbox, self._clock)
        for hook in hooks.values():
            if isinstance(hook, ClosedHook):
                log.error("nothing is posted until this is mended", fault=hook.trouble)
        return {
            "webhook": WebhookChannel(hooks, self._hook_of, message_body),
            CALL: WebhookChannel(hooks, self._called_of, call_body, call_outcome),
        }

    def _called_of(self, row: LedgerRow) -> tuple[str, str]:
        step = self._in_force.call_step(row.journey, row.revision, row.step)
        return (step.webhook, step.method) if step else ("", "POST")

    def _hook_of(self, row: LedgerRow) -> tuple[str, str]:
        step = self._in_force.message_step(row.journey, row.revision, row.step)
        return self._in_force.workspace.hook(step.hook if step else None), "POST"

    def _look(self, row: LedgerRow, now: int) -> Verdict | None:
        profile = self._owner(row.profile_id)
        return ask_again(row, profile, self._in_force, now) if profile is not None else None

    def _owner(self, id: int) -> Profile | None:
        """The document a message belongs to: after a merge, the survivor's."""
        found = self._store.profiles([id]).get(id)
        while found is not None and found.tombstone is not None:
            found = self._store.profiles([found.tombstone.into]).get(found.tombstone.into)
        return found

    def _message(
        self, journey: str, revision: int, step: str
    ) -> CompiledMessage | CompiledCall | None:
        force = self._in_force
        if force.call_step(journey, revision, step) is not None:
            return force.call(journey, revision, step)
        return force.message(journey, revision, step)

    def _render(
        self,
        message: CompiledMessage | CompiledCall,
        variant: str,
        kept: dict[str, Any],
        links: MessageLinks,
    ) -> Rendered:
        force, link = self._in_force, links.link
        outside = self._fetching.of(force.workspace)
        step = force.message_step(link.journey, link.revision, link.step)
        values = values_of(kept, force.workspace, step.sender if step is not None else None)
        if isinstance(message, CompiledCall):
            return render_call(message, values, links, outside)
        return render(message, variant, values, links, outside=outside)

    def _links_of(self, row: LedgerRow) -> MessageLinks:
        link = Link(
            profile_id=row.profile_id,
            message=row.id,
            journey=row.journey,
            revision=row.revision,
            step=row.step,
            variant=row.variant,
            channel=row.channel,
        )
        return self._links.of(link)

    def _from(self, row: LedgerRow) -> Sending:
        step = self._in_force.message_step(row.journey, row.revision, row.step)
        name = (step.sender if step else None) or "default"
        sender = self._in_force.workspace.senders.get(name)
        if sender is None and self._sandboxed:
            sender = workspace.Sender(from_=SANDBOX_SENDER)
        if sender is None:
            raise BadInput(f"the workspace has no sender `{name}`: add it to workspace.yaml")
        return Sending(from_=sender.from_, reply_to=sender.reply_to)

    def _returns(self, row: LedgerRow, domain: str) -> Returns:
        mailbox = self._links.mailbox
        return Returns(
            bounces=f"{mailbox('bounce', row.profile_id, row.id)}@{domain}",
            leave=f"{mailbox('leave', row.profile_id, row.id)}@{domain}",
        )

    def _settled(self, state: MessageState, transport: str) -> None:
        metrics.MESSAGES.labels(state).inc()
        self._on_outcome()


def ask_again(row: LedgerRow, profile: Profile, in_force: InForce, now: int) -> Verdict | None:
    """What forbids or delays a message that has waited since its gates were passed, or None.

    Between the two a customer may have opted out, the night begun, or the journey been paused:
    pace, retries and an outage all make messages wait. The audience is not asked again (the run
    it belonged to may be over), and the message keeps the slot that it has under the caps.
    """
    journey = in_force.journey(row.journey, row.revision)
    step = in_force.message_step(row.journey, row.revision, row.step)
    if journey is None or step is None:
        return None
    candidate = Candidate(
        message_id=row.id,
        journey=row.journey,
        revision=row.revision,
        run=Run(
            id=row.run,
            journey=row.journey,
            revision=row.revision,
            entered_at=row.queued_at,
            event=Trigger(name=journey.source.entry.event, at=row.queued_at),
        ),
        step=step,
        purpose="marketing" if row.purpose == "marketing" else "transactional",
        tags=[*journey.source.tags, *step.tags],
        channel=row.channel,
        address=row.address,
        since=row.queued_at,
        ends_at=journey.ends_at,
        journey_live=in_force.live(row.journey),
    )
    verdict = decision(check(candidate, profile, now, in_force.policy))
    return verdict if verdict.outcome in ("hold", "drop") else None
