"""What a worker says of itself: its metrics, and whether its roles are alive and ready."""
