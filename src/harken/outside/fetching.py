"""What templates may fetch, as a process that renders them answers it: `messages.outside`.

A sender and a web process have one `Fetching` each, whose caches all their threads share; `of` is
the view of it for the workspace that a message belongs to.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from harken.catalogs.settings import CatalogSettings, Shopping
from harken.catalogs.shelves import Shelves, Standing
from harken.clock import Clock
from harken.config import Settings
from harken.messages.outside import Feed, Outside, Unanswered, Unasked, Wish
from harken.outside.feeds import Feeds, Header
from harken.outside.network import networks
from harken.people.profile import Profile
from harken.people.traits import id_of, ids_in, trait_id
from harken.store.catalogs import Catalogs
from harken.workspace import Workspace

Profiles = Callable[[Sequence[int]], dict[int, Profile]]


class Fetching:
    """All that templates of this process may fetch from. Usable by several threads."""

    def __init__(self, settings: Settings, clock: Clock, profiles: Profiles) -> None:
        """`profiles` answers the documents of ids, where there are any."""
        self._catalogs, self._profiles = Catalogs(settings.catalogs), profiles
        self._shelves = Shelves(self._catalogs)
        self.feeds = Feeds(clock, networks(settings.private_networks))

    def of(self, workspace: Workspace, at_most: int | None = None) -> Outside:
        """What templates of a workspace may fetch: in a trial, `at_most` so many feeds."""
        return Fetched(
            feeds=self.feeds,
            standing=self._shelves.latest(),
            profiles=self._profiles,
            workspace=workspace,
            at_most=at_most,
        )

    def close(self) -> None:
        self.feeds.close()
        self._catalogs.close()


class Fetched(Struct, frozen=True, kw_only=True):
    """An `Outside` that answers for one workspace."""

    feeds: Feeds
    standing: Standing
    profiles: Profiles
    workspace: Workspace
    environment: Mapping[str, str] = os.environ
    at_most: int | None = None
    asked: set[Feed] = field(default_factory=set)

    def connected(self, feed: Feed) -> Any:
        if self.at_most is not None:
            self.asked.add(feed)
            if len(self.asked) > self.at_most:
                raise Unasked(f"a trial asks at most {self.at_most} feeds")
        return self.feeds.ask(feed, self._header(feed) if feed.auth else None)

    def catalog(self, name: str, id: Any) -> Any:
        settings = self.workspace.catalogs.get(name) or CatalogSettings()
        ids = _ids([id], settings) if not isinstance(id, list) else _ids(id, settings)
        found = [item for one in ids if (item := self.standing.item(name, one)) is not None]
        return found if isinstance(id, list) else next(iter(found), None)

    def recommend(self, wish: Wish) -> list[dict[str, Any]]:
        catalogs = self.workspace.catalogs
        able = [name for name, one in catalogs.items() if one.recommend is not None]
        name = wish.catalog or next(iter(able), "")
        settings = catalogs.get(name) or CatalogSettings()
        plain = replace(wish, catalog=name, items=tuple(_ids(wish.items, settings)))
        bought: Iterable[str] = ()
        if wish.kind == "not_yet_bought" and wish.profile_id:
            bought = self._bought(wish.profile_id, settings)
        return self.standing.recommend(plain, settings, bought)

    def _bought(self, profile_id: int, settings: CatalogSettings) -> Iterable[str]:
        """From the customer's document: what they bought up to this moment counts."""
        found = self.profiles([profile_id]).get(profile_id)
        while found is not None and found.tombstone is not None:
            found = self.profiles([found.tombstone.into]).get(found.tombstone.into)
        trait = bought_trait(settings.events)
        return (found.traits.get(trait) or ()) if found is not None else ()

    def _header(self, feed: Feed) -> Header:
        account = self.workspace.connected.get(feed.auth)
        if account is None:
            raise Unanswered(f"the workspace has no `{feed.auth}` under `connected`")
        if not feed.url.startswith(account.url):
            raise Unanswered(f"the secret of `{feed.auth}` goes only to {account.url}")
        secret = self.environment.get(account.secret_env)
        if not secret:
            raise Unanswered(f"the variable {account.secret_env} is not set")
        return account.header, secret


def _ids(given: Iterable[Any], settings: CatalogSettings) -> list[str]:
    """Ids as they are, or as events list products; what is neither is left out."""
    found: list[str] = []
    for one in given:
        if isinstance(one, dict):
            found += ids_in(one, settings.events.products, settings.events.id)
        elif (id := id_of(one)) is not None:
            found.append(id)
    return found


def bought_trait(events: Shopping) -> str:
    """The trait that keeps what a customer has bought."""
    return trait_id("items", (events.bought,), (), events.bought_ids, None, None)
