"""From the rows of an evaluation to a table for people."""
