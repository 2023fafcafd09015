"""What do we say: content and its variants, Liquid, MJML, links."""
