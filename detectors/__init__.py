"""The pure core: what is counted, what is expected, what is unusual. No I/O, no clock, no Kafka."""
