"""Kafka and wiring: the roles INGEST, WATCH, DECIDE and NOTIFY, and the command line."""
