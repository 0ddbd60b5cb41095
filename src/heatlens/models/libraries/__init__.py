"""Networks as libraries make and name them, one library a file."""
