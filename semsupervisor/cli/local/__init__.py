"""What works without the daemon, and the daemon itself."""
