"""Who is simulated and what goes wrong there; ``stream/simulate.py`` makes the events of it."""
