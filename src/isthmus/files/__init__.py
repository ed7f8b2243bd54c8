"""Files: models, tables, and writing them completely or not at all."""
