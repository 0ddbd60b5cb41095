"""Files that people keep: whole or not there, and none lost."""
