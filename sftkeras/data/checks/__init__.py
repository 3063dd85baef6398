"""What may be wrong with the data, found before training."""
