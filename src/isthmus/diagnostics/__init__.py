"""What a fitted map is worth, and where. Works on arrays and on ``model.encode``/``model.decode``."""
