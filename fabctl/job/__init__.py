"""What needs two rooms at once: from a file somebody drew to a recorded run.

file ──plan──▶ Plan ──approve──▶ Permit ──carry_out──▶ motion, record
"""
