"""What there is to offer: catalogs of items, news of them, and recommendations."""
