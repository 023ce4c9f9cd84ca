"""Try a controller against a table of facts: what holds, what differs, what was not tried and why."""
