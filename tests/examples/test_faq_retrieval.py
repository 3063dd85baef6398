from __future__ import annotations

import numpy as np

from examples.faq_retrieval import Entry, Faq, shown

ENTRIES = [Entry("q0", "a0"), Entry("q1", "a1"), Entry("q2", "a2")]
# The questions stand apart; the answers of 1 and 2 are near the question of 0, each in its way.
FAQ = Faq(ENTRIES, np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 0, 0], [0.6, 0.8, 0], [0.8, 0, -0.6]], np.float32))


def test_entry_is_as_near_as_the_nearer_of_its_question_and_its_answer():
    found = FAQ.nearest(np.array([1, 0, 0], np.float32), 3)
    assert [entry.question for _, entry in found] == ["q0", "q2", "q1"]
    np.testing.assert_allclose([cosine for cosine, _ in found], [1, 0.8, 0.6], rtol=1e-6)


def test_no_more_are_found_than_asked_for():
    assert len(FAQ.nearest(np.array([0, 1, 0], np.float32), 1)) == 1


def test_what_is_not_near_enough_is_not_told():
    found = FAQ.nearest(np.array([1, 0, 0], np.float32), 3)
    assert [str(line) for line in shown(found, 0.7)] == ["1.00 q0 → a0", "0.80 q2 → a2"]
    assert [str(line) for line in shown(found[1:], 0.9)] == ["I do not know."]
