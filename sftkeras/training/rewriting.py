"""Shows how cleaning and augmentation change the texts of a run before it begins; makes the rewritten texts."""

from __future__ import annotations

from sftkeras.config import TrainConfig
from sftkeras.console import say
from sftkeras.data import LabelledData, RewrittenTexts, describe_augmentation, describe_cleaning, make_variants
from sftkeras.text import Cleaning


def rewrite_texts(config: TrainConfig, data: LabelledData, cleaning: Cleaning | None) -> list[RewrittenTexts]:
    """Shows what will be done to the texts.

    Returns:
        The training texts in all their variants, cleaned; none if no augmentation is asked for.

    Raises:
        SFTError: as `make_variants`.
    """
    examples, train = data.examples, data.splits["train"]
    clean = cleaning.clean if cleaning else None
    if cleaning:
        say(describe_cleaning(examples, cleaning.after_each_step))
    clean_as = cleaning.fingerprint if cleaning else None
    variants = make_variants(config.data.augmentation, config.seed, examples, train, clean=clean, clean_as=clean_as)
    if variants:
        say(describe_augmentation(variants, examples, train, clean))
    return variants
