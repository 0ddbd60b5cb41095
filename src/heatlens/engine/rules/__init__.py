"""Backward passes under other rules than the derivative's: guided backpropagation, DeepLIFT, relevance."""
