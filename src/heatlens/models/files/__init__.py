"""Networks and weights from files, read as data and never as code."""
