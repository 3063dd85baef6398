"""Cells and files of labels to numbers: classes, sets of classes, numbers, spans, answers."""
