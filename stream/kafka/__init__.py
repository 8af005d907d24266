"""How every part reaches Kafka: connection, topics, reading beside the groups, the Faust app."""
