"""Webhooks: every transition as JSON, signed by Standard Webhooks."""
