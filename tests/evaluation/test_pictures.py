from __future__ import annotations

import warnings
from xml.etree import ElementTree

import numpy as np
import pytest
from evaluated_rows import number_rows, one_label_rows

from sftkeras.evaluation import pictures
from sftkeras.tasks.classification.pictures import precision_recall_figure

PNG = b"\x89PNG\r\n"
# In a script of Ethiopia, which matplotlib's own font lacks, and no font of CJK_FONTS has either.
UNDRAWABLE = "ሰላም"


def letters(figure) -> str:
    return " ".join(text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text")))


def test_every_picture_becomes_a_png_and_a_themed_svg():
    one_label, numbers = one_label_rows(), number_rows()
    history = [{"epoch": 1, "loss": 0.5, "val_loss": 0.6, "accuracy": 0.8, "val_accuracy": None}]
    curve = {"edges": [0, 0.5, 1], "count": [0, 3], "probability": [None, 0.8], "right": [None, 0.7]}
    figures = [
        pictures.confusion_figure(np.array([[5, 1], [0, 3]]), ["a", "b"]),
        precision_recall_figure(one_label.truth, one_label.predictions, one_label.label_names),
        pictures.reliability_figure(curve),
        pictures.learning_figure(history, [0.9, 0.7, 0.5]),
        pictures.comparison_figure([("this", 0.8, (0.7, 0.9)), ("other", 0.5, None)], "Accuracy"),
        pictures.residual_figure(numbers.truth, numbers.predictions),
    ]
    for number, figure in enumerate(figures):
        assert pictures.png(figure).startswith(PNG)
        drawn = pictures.svg(figure, f"picture{number}", alt='what it "shows"')
        root = ElementTree.fromstring(drawn)
        assert root.get("aria-label") == 'what it "shows"'
        assert "var(--ink)" in drawn or "var(--muted)" in drawn
        assert "http-equiv" not in drawn


def test_ids_of_two_pictures_do_not_meet():
    one_label = one_label_rows()
    figure = precision_recall_figure(one_label.truth, one_label.predictions, one_label.label_names)
    ids = [
        {element.get("id") for element in ElementTree.fromstring(pictures.svg(figure, name, "")).iter()} - {None}
        for name in ("one", "two")
    ]
    assert ids[0]
    assert not ids[0] & ids[1]


def test_label_names_are_never_read_as_formulas():
    figure = pictures.confusion_figure(np.eye(2, dtype=int), ["$\\notacommand$", "a$b$c"])
    assert pictures.png(figure).startswith(PNG)
    truth, probabilities = np.array([0, 1]), np.array([[0.9, 0.1], [0.2, 0.8]])
    figure = precision_recall_figure(truth, probabilities, ["$\\notacommand$", "_underscored"])
    assert "$\\notacommand$" in letters(figure)
    assert "_underscored" in letters(figure)
    assert pictures.png(figure).startswith(PNG)


def test_names_without_a_font_become_numbers_and_warn_of_nothing():
    assert pictures.drawable(["a", UNDRAWABLE]) == ["1", "2"]
    assert pictures.drawable(["a", "é"]) == ["a", "é"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = pictures.confusion_figure(np.eye(2, dtype=int), ["a", UNDRAWABLE])
        pictures.png(figure)
    assert UNDRAWABLE not in letters(figure)


def test_a_browser_gets_the_names_themselves():
    truth, probabilities = np.array([0, 1]), np.array([[0.9, 0.1], [0.2, 0.8]])
    figure = precision_recall_figure(truth, probabilities, ["<script>", UNDRAWABLE], for_browser=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = pictures.svg(figure, "curves", "")
    assert UNDRAWABLE in drawn
    assert "<script" not in drawn
    assert "&lt;script&gt;" in drawn


def test_a_large_confusion_matrix_shows_the_most_confused_labels():
    counts = np.eye(100, dtype=int)
    counts[70, 30] = 9
    shown = letters(pictures.confusion_figure(counts, [f"label {n}" for n in range(100)], limit=2))
    assert "label 70" in shown
    assert "label 30" in shown
    assert "label 71" not in shown


def test_nothing_to_learn_from_gives_no_picture():
    assert pictures.learning_figure([], None) is None


@pytest.mark.parametrize("history", [[{"epoch": 1, "loss": 0.5}], []])
def test_learning_curves_need_no_validation(history):
    assert pictures.png(pictures.learning_figure(history, [0.5])).startswith(PNG)
