"""What is seen: scheduled probes, Docker's events, and the observations that both make."""
