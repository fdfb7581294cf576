"""The second half of deploy/quickstart: stack, daemon, a crash, the alert it brings, and the take-down of all of it."""
