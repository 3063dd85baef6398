from __future__ import annotations

import numpy as np

from sftkeras.evaluation.statistics.confusion import confusion_counts, most_confused


def test_most_confused_labels_are_found():
    counts = confusion_counts(np.array([0, 0, 1, 2, 2, 3]), np.array([0, 0, 1, 3, 3, 2]), 4)
    assert most_confused(counts, 2).tolist() == [2, 3]
