"""What NOTIFY makes of alerts: who is told what, and how it gets there; a folder a receiver."""
