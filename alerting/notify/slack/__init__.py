"""Slack: one message per incident, updated in place, with replies for what must be noticed."""
