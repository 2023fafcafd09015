"""Journeys: what happens to a customer next. Who enters, by what steps they go, and when."""
