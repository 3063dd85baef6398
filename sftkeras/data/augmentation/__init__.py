"""Training texts rewritten at random."""
