"""What a model is called with and what it says: inputs, layers, outputs, chunks of work."""
