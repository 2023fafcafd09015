"""The store, in rows: the log, documents, wake-ups, the ledger of messages, definitions."""
