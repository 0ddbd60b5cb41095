"""MMPretrain: its zoo, its config files, its pipelines."""
