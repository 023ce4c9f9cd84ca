"""Keeping machines: ports opened once, runs carried out and recorded, and a guard beside the sender."""
