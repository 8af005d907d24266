"""What DECIDE and NOTIFY stand on: one owner at a time, small state kept by key."""
