"""Messages: what is said to a customer. Content and its variants, Liquid, MJML, links."""
