"""Films drawn frame by frame from schedules (Deforum)."""
