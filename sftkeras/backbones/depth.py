"""How deep in the network each weight stands, embeddings lowest, the head highest; what it is used for is elsewhere."""

from __future__ import annotations

import keras

from sftkeras.backbones.hugging_face.family import transformer_layers


def depths_of(network: keras.Model, encoder: keras.Model) -> tuple[int, ...]:
    """Gives the depth of each of the network's trainable variables, in their order.

    Embeddings, and all else of the encoder that comes before its layers, have depth 0, the first layer 1 and so on. The
    pooler and the head have one more than the last layer. A layer that is run again and again, as ALBERT's, counts
    once.

    Args:
        network: the encoder with a head.
        encoder: a KerasHub encoder, which tells its layers apart.
    """
    layers = list(transformer_layers(encoder))
    top = len(layers) + 1
    depths = {id(variable): 0 for variable in encoder.variables}
    for depth, layer in enumerate(layers, 1):
        depths |= {id(variable): depth for variable in layer.variables}
    if pooler := getattr(encoder, "pooled_dense", None):
        depths |= {id(variable): top for variable in pooler.variables}
    return tuple(depths.get(id(variable), top) for variable in network.trainable_variables)
