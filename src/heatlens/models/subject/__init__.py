"""A model made ready to be asked: what it is shown, how its layers are read, what its classes are."""
