"""Examples that run against Harken."""
