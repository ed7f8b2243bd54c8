"""Experiments that compare theory of networks with measurements: records, verdicts and pictures."""
