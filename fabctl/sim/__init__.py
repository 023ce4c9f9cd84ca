"""A Grbl in software, sharing no code with what it judges."""
