"""Display of a training while it runs: progress, times, stalls, TensorBoard and trackers."""
