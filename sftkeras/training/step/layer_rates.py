"""Learning rates that fall from the head down to the embeddings."""

from __future__ import annotations

from collections.abc import Sequence


def rate_factors(depths: Sequence[int], decay: float) -> tuple[float, ...]:
    """Gives what each variable's learning rate is multiplied by.

    The head has 1, the layer below it `decay`, and each layer `decay` times the factor of the one above, embeddings
    last. ELECTRA (Clark et al., 2020, arXiv:2003.10555) fine-tunes so; the numbering is BEiT's (Bao et al., 2022,
    arXiv:2106.08254).

    Args:
        depths: of each variable, as `sftkeras.backbones.depth.depths_of` gives them.
        decay: above 0, below 1.
    """
    top = max(depths)
    return tuple(decay ** (top - depth) for depth in depths)
