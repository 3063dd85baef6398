"""Tuning: which weights of a network a run changes, from when on, and how fast beside the others.

Training asks `needs` before TensorFlow is loaded, `choose_what_learns` once the backbone has a head, and `plan_tuning`
once it knows its batches. It knows nothing else of how a network is tuned.
"""
