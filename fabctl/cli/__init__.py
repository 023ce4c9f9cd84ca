"""The command line: prints, prompts, exits."""
