"""Policy and delivery: what is told to whom, and what is throttled. Knows signals, not Kafka."""
