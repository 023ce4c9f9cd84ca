"""The link to a controller: bytes counted, replies understood, a port kept."""
