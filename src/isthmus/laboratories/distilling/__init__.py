"""How small a network may become, in one step or in several."""
