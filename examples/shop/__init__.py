"""A small shop that sends its events to Harken, and the journeys that answer them."""
