"""What to remove and how deep: one module per operation, none importing another."""
