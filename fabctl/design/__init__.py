"""File formats in, one Design out."""
