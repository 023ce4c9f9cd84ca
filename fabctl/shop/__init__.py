"""Facts about the workshop: machines, firmware, tools, materials, stock, recipes. Read from TOML; no numpy."""
