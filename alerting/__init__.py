"""Policy and delivery: what is told to whom, and what is throttled. Knows signals, not Kafka.

A folder a role (``watch``, ``decide``, ``notify``), none of which imports another; ``throttle`` is
about actions. What lies beside the folders, the roles share.
"""
