"""Private copies of a network: faster, compiled, or with weights drawn anew."""
