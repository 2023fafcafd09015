"""Segments: the language of rules, and the customers for whom a rule holds."""
