"""Catalogs: items that messages can offer, news of them, and recommendations."""
