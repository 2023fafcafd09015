"""Which groups: the rule language, and customers grouped by it."""
