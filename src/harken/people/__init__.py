"""People: who a customer is. Their document, attributes, consent, merge and un-merge."""
