"""Reports: what was decided and what came of it, told to people; one module for each."""
