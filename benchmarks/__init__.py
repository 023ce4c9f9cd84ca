"""Side-by-side measurements: every module with a ``run(scale)`` is one row of docs/performance.md."""
