"""A made-up organization: who is in it, what goes wrong there, and the events of it."""
