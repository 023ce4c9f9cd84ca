"""Run ``python -m fabctl``."""

from fabctl.cli.main import main

if __name__ == "__main__":
    main()
