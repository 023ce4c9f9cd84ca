"""Pictures of designs, toolpaths and programs."""
