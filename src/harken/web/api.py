"""What every route answers from, and how a request waits for its effect."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

from litestar import Request
from litestar.datastructures import State
from litestar.params import Dependency

from harken.config import link_secret
from harken.errors import BadInput, NotFound, Unavailable
from harken.ids import named, profile_id
from harken.ingest.protocol import Accepted
from harken.inputs import Command, Definitions
from harken.people.profile import Profile
from harken.store.log import LogReader
from harken.web import health
from harken.web.catchup import durable
from harken.web.clicks import Clicks
from harken.web.exports import Exports
from harken.web.segments import Segments

if TYPE_CHECKING:
    from harken.running.services import Services

PATIENCE = 10.0
"""Seconds that an answer waits until what was asked for has taken effect."""
_LOOK_EVERY = 0.005
_LARGEST_ID = 2**63
SLASH = "\x1f"
"""Stands for a `/` in a part of a path (`%2F`): no id holds a control character."""


class Api:
    """The services of this process and what the routes share. Safe for many threads."""

    def __init__(
        self,
        services: "Services",
        *,
        handled: Callable[[int], bool] | None = None,
        children: Callable[[], dict[str, bool]] | None = None,
        patience: float = PATIENCE,
    ) -> None:
        """`handled(offset)` says whether the engine has handled the log up to there; `children`
        which child processes run.
        """
        self.services = services
        self.log = LogReader(services.settings.log)
        self.applying = threading.Lock()
        """Held while definitions change: each revision follows the one before."""
        self.copying = threading.Lock()
        """Held while a backup is made."""
        self.listing = threading.Lock()
        """Held while the customers of a list are exchanged."""
        self.shelving = threading.Lock()
        """Held while a catalog changes: each version follows the one before."""
        self.forms = Clicks()
        """Forms of surveys that were sent lately, by message."""
        self.segments = Segments(services)
        self.exports = Exports(
            services.settings.data / "exports.json",
            services.clock,
            link_secret(services.settings.data),
            self.segments.page_of,
            self.segments.asks,
            services.store.profiles,
            private=services.settings.private_webhooks,
        )
        """Nothing is posted until it is started, which a server does."""
        self._handled = handled or services.handled
        self._patience = patience
        self.children = children or dict
        self.intake = threading.Lock()
        """Held while the look-up or the rejected log is asked: they share a connection."""

    @property
    def now(self) -> int:
        return self.services.clock.now()

    def troubles(self) -> dict[str, str]:
        """What keeps Harken from working, by part; empty when it is ready."""
        dead = {name: "does not run" for name, alive in self.children().items() if not alive}
        return {**dead, **health.troubles(self.services)}

    # -- writing

    def command(self, commands: Sequence[tuple[int, Command]]) -> bool:
        """Log commands durably; whether they have taken effect by now. Raises Unavailable."""
        return self.wait(durable(self.services.collector.append_commands(commands)))

    def events(self, events: Sequence[Accepted], key: str) -> bool:
        """Log events durably, in the name of an API key; whether they have taken effect."""
        submitted = self.services.collector.submit(events, received_at=self.now, key=key)
        return self.wait(durable(submitted))

    def wait(self, offset: int) -> bool:
        """Wait until the engine has handled the log up to `offset`; False when it takes long."""
        until = time.monotonic() + self._patience
        while not self._handled(offset):
            if time.monotonic() >= until:
                return False
            time.sleep(_LOOK_EVERY)
        return True

    def settle(self) -> None:
        """Wait until the engine has handled all that is durable now, and not what comes meanwhile.

        Before a customer is said to be unknown: who was told that an event about them is safe need
        not sleep until they are there. Raises Unavailable when it takes long.
        """
        if not self.wait(self.log.durable()):
            raise Unavailable("the engine is behind; try again when it has caught up")

    def settled_definitions(self) -> Definitions:
        """The definitions in force once all that was applied is. Raises Unavailable."""
        self.settle()
        return self.services.store.definitions()

    # -- people

    def profile_id(self, id: str) -> int:
        """The profile that `ids.named` tells of. Raises BadInput."""
        kind, which = named(id)
        with self.intake:
            if kind == "anonymous":
                return self.services.lookup.resolve(anonymous_id=which)
            if kind == "profile":
                return self.services.lookup.forward(profile_number(which))
            return self.services.lookup.resolve(user_id=which)

    def known(self, profile_id: int) -> Profile | None:
        """The document of a profile, or of the one that it was joined into."""
        with self.intake:
            profile_id = self.services.lookup.forward(profile_id)
        found = self.services.store.profiles([profile_id]).get(profile_id)
        while found is not None and found.tombstone is not None:
            into = found.tombstone.into
            found = self.services.store.profiles([into]).get(into)
        return found

    def person(self, id: str) -> Profile:
        """The document of the customer that a path names. Raises NotFound, and Unavailable."""
        id = id.replace(SLASH, "/")
        found = self.known(self.profile_id(id))
        if found is None:
            self.settle()
            found = self.known(self.profile_id(id))
        if found is None:
            raise NotFound(f"nothing is known of a customer {id!r}")
        return found

    def anonymous_ids(self, profile: Profile) -> list[str]:
        """Every anonymous id that leads to the customer."""
        lookup = self.services.lookup
        with self.intake:
            known = set(lookup.anonymous_ids_of(profile.id))
            # Who was seen since on a device that they shared has its id now.
            theirs = [
                id for id in profile.anonymous_ids if lookup.resolve(anonymous_id=id) == profile.id
            ]
        # An alias of an id without a history may be of either kind; events and documents tell.
        unclear = {profile_id("user", id): id for id in known.difference(profile.anonymous_ids)}
        users = self.services.store.profiles(list(unclear))
        return sorted(known.difference(unclear[user] for user in users).union(theirs))


def profile_number(text: str) -> int:
    """The number in `profile:NUMBER`. Raises BadInput."""
    if not (text.isascii() and text.isdigit() and int(text[:20]) < _LARGEST_ID and len(text) < 20):
        raise BadInput(f"profile:{text[:40]} is no profile; its number has at most 19 digits")
    return int(text)


Asked = Request[str, str, State]
"""A request; its `user` is the name of the secret key, once the guard has let it in."""

TheApi = Annotated[Api, Dependency(skip_validation=True)]
