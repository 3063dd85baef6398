"""Distillation before the steps: the teacher that the settings name, and what it gives of the training rows.

Its outputs are computed once, before training, and cached beside the tokens; `sftkeras.objectives.distillation` learns
them. Commands ask `find_teacher` before TensorFlow is loaded, and give training an `Asking`.
"""
