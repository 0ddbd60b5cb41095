"""One forward pass over a batch, and the derivatives that are taken of it."""
