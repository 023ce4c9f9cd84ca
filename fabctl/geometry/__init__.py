"""Shapes on paper: curves, regions, meshes and their slices. Knows no machine and no material."""
