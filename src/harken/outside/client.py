"""httpx without its command line, which would bring click, rich and pygments along."""

from harken.lean import without

with without("click"):
    import httpx

__all__ = ["httpx"]
