"""`python -m heatlens`: the command line."""

from .cli import main

main()
