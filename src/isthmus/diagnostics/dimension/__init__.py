"""How many dimensions the data have, and how many a map needs."""
