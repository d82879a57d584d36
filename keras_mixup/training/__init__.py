"""Train steps, schedules and callbacks."""
