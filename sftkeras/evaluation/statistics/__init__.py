"""Figures of all rows: sums, confidence intervals and calibration. Knows no task."""
