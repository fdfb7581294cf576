"""Acts and schedules: when something is due and who owns its errors."""
