"""Settings of `sftkeras shrink`: what leaves a trained model."""

# mypy: disable-error-code="valid-type"

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from jsonargparse.typing import PositiveFloat, PositiveInt

from sftkeras.config.data import ReadingConfig
from sftkeras.config.values import Name


@dataclass(frozen=True)
class ShrinkConfig:
    """Make a smaller model of a finished run, and report what that costs"""

    EXAMPLE: ClassVar[str] = "python -m sftkeras.shrink runs/reviews --vocabulary run"
    REQUIRED: ClassVar[str] = "the folder of a finished run, and one or more of --vocabulary, --heads and --units."

    run: str = field(default="", metadata={"bare_word": True})
    """The folder of a finished run that was exported, such as runs/reviews. It stays as it is."""
    name: Name | None = None
    """Name of the smaller run, and of its exported model; null takes the run's own with -small behind it."""
    vocabulary: str | list[str] | None = None
    """Texts that decide which tokens stay: run for all rows of the run, or files such as texts.txt (a text a line), in
    the formats that training reads; several with commas between, such as run,texts.txt. Tokens that they never use
    leave the model. null keeps all."""
    data: ReadingConfig = field(default_factory=ReadingConfig)
    text: str | None = field(default=None, metadata={"of_train": "data.text"})
    """Column of these files that holds the text; null takes the name used in training."""
    pair: str | None = field(default=None, metadata={"of_train": "data.pair"})
    """Column of these files that holds the second text; null takes the name used in training."""
    heads: PositiveFloat | None = None
    """Attention heads that stay, those that matter most for the loss: a whole number, in each layer, or below 1 a share
    of all, such as 0.75, of which an encoder's layers have different numbers. Of a decoder, heads that share keys and
    values go together. null keeps all."""
    units: PositiveFloat | None = None
    """Feed-forward units that stay in each layer, likewise: a number, or below 1 a share."""
    importance_rows: PositiveInt = 512
    """Rows of the validation part on which importance is measured, at most."""
    runs: str | None = None
    """The smaller run's folder is RUNS/NAME; null puts it beside the run."""
    folder: str | None = field(default=None, metadata={"of_train": "export.folder"})
    """Its exported model lands in FOLDER/NAME/VERSION; null takes the folder of the run's config."""
    overwrite: bool = False
    """Replace a run of the same name."""
