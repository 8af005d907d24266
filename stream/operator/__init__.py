"""An operator's side: what is held now, whom a command means, what came of it."""
