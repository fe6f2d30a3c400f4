"""The commands: each takes its arguments, calls the core and prints."""
