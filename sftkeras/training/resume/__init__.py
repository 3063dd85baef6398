"""Resuming of interrupted runs, bit for bit: the state of a run, the files of it, and when they are written."""
