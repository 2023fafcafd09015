"""What came of it: one module a report."""
