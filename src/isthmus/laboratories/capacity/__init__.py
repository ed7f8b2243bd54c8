"""Wide or deep: the error over the shape of a network."""
