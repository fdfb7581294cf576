"""What is told: rules over facts, the life of an alert, what mutes it, who is told, and the way to them."""
