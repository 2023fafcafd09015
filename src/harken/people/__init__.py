"""Who is it: identity, the customer's document, consent, merge and un-merge."""
