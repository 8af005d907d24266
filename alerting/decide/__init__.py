"""What DECIDE makes of signals and commands: incidents, and what is done about them."""
