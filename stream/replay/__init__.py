"""The whole chain over a file, without Kafka, and what it came to."""
