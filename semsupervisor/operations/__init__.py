"""What is done to the stack as a whole: stopped, started, and seen to be ready."""
