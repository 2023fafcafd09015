"""The REST API, hosted pages, and how errors become HTTP."""
