"""What is done: which target, how hard, for how long, and what never."""
