-- state.db: what the engine and the sender know. The log is the durable truth; everything here
-- but the ledger's claims can be had again by handling the log once more.

CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS profiles (id INTEGER PRIMARY KEY, document BLOB NOT NULL);

-- The key begins with the time, so wake-ups set together lie together: setting one is an append
-- to a warm page, and claiming the due ones reads one range however many are parked.
CREATE TABLE IF NOT EXISTS wakeups (
    due INTEGER NOT NULL,
    profile_id INTEGER NOT NULL,
    key TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (due, profile_id, key)
) WITHOUT ROWID;

-- The ledger: one row a message, never deleted by the engine.
CREATE TABLE IF NOT EXISTS messages (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    profile_id INTEGER NOT NULL,
    journey TEXT NOT NULL,
    revision INTEGER NOT NULL,
    step TEXT NOT NULL,
    run TEXT NOT NULL,
    channel TEXT NOT NULL,
    purpose TEXT NOT NULL,
    address TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    variant TEXT NOT NULL,
    why_variant TEXT NOT NULL,
    transport TEXT NOT NULL DEFAULT '',
    provider_id TEXT NOT NULL DEFAULT '',
    attempts INTEGER NOT NULL DEFAULT 0,
    queued_at INTEGER NOT NULL,
    not_before INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    handed_at INTEGER NOT NULL DEFAULT 0,
    sent_at INTEGER NOT NULL DEFAULT 0,
    delivered_at INTEGER NOT NULL DEFAULT 0,
    opened_at INTEGER NOT NULL DEFAULT 0,
    clicked_at INTEGER NOT NULL DEFAULT 0,
    bounced_at INTEGER NOT NULL DEFAULT 0,
    priority INTEGER NOT NULL,
    sender TEXT NOT NULL DEFAULT '',
    lease_until INTEGER NOT NULL DEFAULT 0,
    context BLOB NOT NULL
);

-- Only what waits to leave is in it: the sender's claim never walks over sent mail, nor over what
-- waits for another channel.
DROP INDEX IF EXISTS messages_queued;
CREATE INDEX IF NOT EXISTS messages_to_leave ON messages (channel, priority, not_before)
    WHERE state = 'queued';
CREATE INDEX IF NOT EXISTS messages_handed ON messages (sender) WHERE state = 'handed';
CREATE INDEX IF NOT EXISTS messages_trouble ON messages (state, number)
    WHERE state IN ('unsure', 'failed', 'aborted', 'bounced');
CREATE INDEX IF NOT EXISTS messages_of ON messages (profile_id, number);

-- Every coupon code that was imported or issued. `number` is the order in which imported codes are
-- given out; a code that comes back goes to the end.
CREATE TABLE IF NOT EXISTS coupons (
    number INTEGER PRIMARY KEY,
    code TEXT NOT NULL UNIQUE,
    pool TEXT NOT NULL,
    state TEXT NOT NULL,
    profile_id INTEGER NOT NULL DEFAULT 0,
    journey TEXT NOT NULL DEFAULT '',
    step TEXT NOT NULL DEFAULT '',
    run TEXT NOT NULL DEFAULT '',
    issued_at INTEGER NOT NULL DEFAULT 0,
    expires_at INTEGER NOT NULL DEFAULT 0,
    ended_at INTEGER NOT NULL DEFAULT 0,
    reference TEXT NOT NULL DEFAULT '',
    amount REAL,
    released INTEGER NOT NULL DEFAULT 0
);
-- The engine asks for the next free codes of a pool however many were given out before.
CREATE INDEX IF NOT EXISTS coupons_free ON coupons (pool, number) WHERE state = 'free';
-- Counts by pool are read from the index alone.
CREATE INDEX IF NOT EXISTS coupons_counted ON coupons (pool, state, released);
CREATE INDEX IF NOT EXISTS coupons_of ON coupons (profile_id) WHERE profile_id <> 0;

CREATE TABLE IF NOT EXISTS suppressions (
    address TEXT PRIMARY KEY,
    why TEXT NOT NULL,
    at INTEGER NOT NULL
) WITHOUT ROWID;

-- AUTOINCREMENT: history knows its place by this number, so one must never come twice.
CREATE TABLE IF NOT EXISTS history_rows (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    body BLOB NOT NULL
);

CREATE TABLE IF NOT EXISTS definitions (revision INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS journey_revisions (
    journey TEXT NOT NULL,
    revision INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (journey, revision)
) WITHOUT ROWID;
