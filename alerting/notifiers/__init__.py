"""One folder per receiver: its configuration and its notifier."""
