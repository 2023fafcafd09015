"""The story of `why` in other languages than English: a table of sentences for each."""
