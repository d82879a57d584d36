"""Measurements side by side with the peers, each one command: see README.md."""
