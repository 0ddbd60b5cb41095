"""Metrics: one formula, one file, each a pure function from evidence to a number for each photo."""
