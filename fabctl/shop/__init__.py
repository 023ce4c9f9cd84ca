"""Facts about the workshop: machine, firmware, tool, material, stock, recipe. From TOML; no numpy."""
