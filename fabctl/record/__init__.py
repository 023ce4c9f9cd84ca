"""What happened, durably: journal of runs."""
