"""What the daemon shows and takes over its sockets."""
