-- catalogs.db: what there is to offer. Only the web process writes it; senders read it.

CREATE TABLE IF NOT EXISTS catalogs (
    name TEXT PRIMARY KEY,
    version INTEGER NOT NULL DEFAULT 0,
    items INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    changed_at INTEGER NOT NULL DEFAULT 0,
    -- Counts the times that recommendations were replaced, so that readers know.
    refreshes INTEGER NOT NULL DEFAULT 0,
    refreshed_at INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS versions (
    catalog TEXT NOT NULL,
    version INTEGER NOT NULL,
    at INTEGER NOT NULL,
    by TEXT NOT NULL,
    how TEXT NOT NULL,
    items INTEGER NOT NULL,
    added INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    removed INTEGER NOT NULL,
    PRIMARY KEY (catalog, version)
) WITHOUT ROWID;

-- A row holds from version `since` up to, but not including, `until`: a change of one item in
-- 100,000 writes one row, and an old version stays whole until it is let go of.
CREATE TABLE IF NOT EXISTS items (
    catalog TEXT NOT NULL,
    id TEXT NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (catalog, id, since)
) WITHOUT ROWID;

-- What a version did (its diff), and what can be let go of, without reading the whole catalog.
CREATE INDEX IF NOT EXISTS items_since ON items (catalog, since);
CREATE INDEX IF NOT EXISTS items_until ON items (catalog, until);

-- News that customers have yet to be told: it goes on after the profile `after`.
CREATE TABLE IF NOT EXISTS news (
    number INTEGER PRIMARY KEY,
    catalog TEXT NOT NULL,
    version INTEGER NOT NULL,
    event TEXT NOT NULL,
    at INTEGER NOT NULL,
    changes BLOB NOT NULL,
    after INTEGER NOT NULL DEFAULT -1,
    told INTEGER NOT NULL DEFAULT 0
);

-- Recommendations: [[item id, score], ...] as JSON, the best first. `key` is a category or an item.
CREATE TABLE IF NOT EXISTS shelves (
    catalog TEXT NOT NULL,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (catalog, kind, key)
) WITHOUT ROWID;
