"""Harken: a self-hosted customer engagement platform."""

__version__ = "0.1.0"
