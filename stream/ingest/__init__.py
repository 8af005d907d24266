"""INGEST, role 1: bytes on usage.events become transactional deltas, exactly once."""
