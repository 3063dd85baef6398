"""Tuning: which weights of a network a run changes, from when on, and how fast beside the others.

Training asks `needs` before TensorFlow is loaded, `freeze` once there is an encoder, and `plan_tuning` once it has a
head. It knows nothing else of how a network is tuned.
"""
