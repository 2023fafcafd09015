"""The web process: REST API, hosted pages, health and metrics."""
