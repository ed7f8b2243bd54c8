"""The error of an average over its number of members."""
