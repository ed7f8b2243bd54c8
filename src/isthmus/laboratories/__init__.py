"""Laboratories: what theory says of networks, measured on data. They return records, never figures."""
