"""Photos from files, bytes, arrays: found, decoded, made 8-bit RGB."""
