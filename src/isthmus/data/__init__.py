"""Rows: the protocol and every view of them, checks, moments, scaling."""
