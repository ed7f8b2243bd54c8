"""The explorer: a page, or a widget in a notebook, in which one moves through a fitted map."""
