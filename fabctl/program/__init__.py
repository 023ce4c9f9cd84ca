"""G-code words: writing, reading, checking and explaining them."""
