"""Depth of each weight in the network, and learning rates that fall from the head down to the embeddings."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from sftkeras.backbones import Backbone


def depths_of(network: keras.Model, backbone: Backbone) -> tuple[int, ...]:
    """Gives the depth of each of the network's trainable variables, in their order.

    Embeddings, and all else of the backbone that comes before its layers, have depth 0, the first layer 1 and so on.
    What comes after the layers, and the head, have one more than the last layer; a decoder's head that is its token
    embedding has depth 0. A layer that is run again and again, as ALBERT's, counts once.

    Args:
        network: the backbone with a head.
        backbone: the encoder or decoder, whose layers are accessible.
    """
    top = len(backbone.layers) + 1
    depths = {id(variable): 0 for variable in backbone.model.variables}
    for depth, layer in enumerate(backbone.layers, 1):
        depths |= {id(variable): depth for variable in layer.variables}
    for layer in backbone.after_layers:
        depths |= {id(variable): top for variable in layer.variables}
    return tuple(depths.get(id(variable), top) for variable in network.trainable_variables)


def variables_before(backbone: Backbone, number: int) -> list[keras.Variable]:
    """Return the variables of all that comes before a layer of a backbone, counted from 0: embeddings and layers."""
    later = {
        id(variable) for layer in (*backbone.layers[number:], *backbone.after_layers) for variable in layer.variables
    }
    return [variable for variable in backbone.model.variables if id(variable) not in later]


def rate_factors(depths: Sequence[int], decay: float) -> tuple[float, ...]:
    """Gives what each variable's learning rate is multiplied by.

    The head has 1, the layer below it `decay`, and each layer `decay` times the factor of the one above, embeddings
    last. ELECTRA (Clark et al., 2020, arXiv:2003.10555) fine-tunes so; the numbering is BEiT's (Bao et al., 2022,
    arXiv:2106.08254).

    Args:
        depths: of each variable, as `depths_of` gives them.
        decay: above 0, below 1.
    """
    top = max(depths)
    return tuple(decay ** (top - depth) for depth in depths)
