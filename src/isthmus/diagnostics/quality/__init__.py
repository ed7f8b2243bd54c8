"""How well coordinates keep neighbourhoods and distances."""
