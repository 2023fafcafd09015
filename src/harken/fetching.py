"""What templates may fetch, as a process that renders them answers it: `messages.outside`.

A sender and a web process have one `Fetching` each, whose caches all their threads share; `of` is
the view of it for the workspace that a message belongs to.
"""

import os
from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from harken.clock import Clock
from harken.config import Settings
from harken.feeds import Feeds, Header
from harken.messages.outside import Feed, Outside, Unanswered, Unasked
from harken.network import networks
from harken.workspace import Workspace


class Fetching:
    """All that templates of this process may fetch from. Usable by several threads."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.feeds = Feeds(clock, networks(settings.private_networks))

    def of(self, workspace: Workspace, at_most: int | None = None) -> Outside:
        """What templates of a workspace may fetch: in a trial, `at_most` so many feeds."""
        return Fetched(feeds=self.feeds, workspace=workspace, at_most=at_most)

    def close(self) -> None:
        self.feeds.close()


class Fetched(Struct, frozen=True, kw_only=True):
    """An `Outside` that answers for one workspace."""

    feeds: Feeds
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
