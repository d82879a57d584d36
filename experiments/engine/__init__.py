"""What carries every run: its folder, its fit, its state."""
