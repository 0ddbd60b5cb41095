"""How a model is read: what it is called with, how its layers are named, found and laid out."""
