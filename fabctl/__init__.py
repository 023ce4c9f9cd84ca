"""fabctl: an open design becomes a safe, adapted, recorded cut on the machine at hand."""

__version__ = "0.1.0"
