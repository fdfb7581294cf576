"""What any daemon needs and no word of this product: clock, tasks, backoff, files, processes, systemd, logging."""
