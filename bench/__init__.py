"""Speed and memory, as repeatable programs: each prints its figure and a ratio to a floor."""
