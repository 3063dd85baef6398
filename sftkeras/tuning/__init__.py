"""What learns: which weights of a network a run changes, from when on, and how fast beside the others."""
