"""Settings of the parts of a built layer, in its config, so that a network that Keras saved computes the same again.

KerasHub's layers keep what their constructor was given. A checkpoint's activation, epsilon and kinds of dropout are set
in their parts afterwards, since the constructor has no place for them.
"""

from __future__ import annotations

from typing import Any

import keras

from sftkeras.backbones.dropout import StreamDropout
from sftkeras.internals.keras import all_layers

_PLACE = ("layer_number", "layer_count")  # of a dropout layer among all, which its mask depends on
_SETTINGS = ("activation", "epsilon", "rate", "_dropout", *_PLACE)  # "_dropout" is what Keras' attention computes with
_KEY = "parts"


class PartsInConfig:
    """Mixin of a layer that is made of layers: their settings go into its config and come back out of it.

    A subclass calls `set_parts` at the end of its `build`.
    """

    _settings_of_parts: list[dict[str, Any]] | None = None

    def get_config(self) -> dict[str, Any]:
        """The layer's own config, and the settings of its parts."""
        return {**super().get_config(), _KEY: [_settings(part) for part in _parts(self)]}  # type: ignore[misc]

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """A layer of this config, whose parts are set as soon as they are there."""
        config = dict(config)
        settings = config.pop(_KEY, None)
        layer = cls(**config)
        layer._settings_of_parts = settings
        layer.set_parts()
        return layer

    def set_parts(self) -> None:
        """Gives the parts that there are the settings that the config had."""
        for part, settings in zip(_parts(self), self._settings_of_parts or (), strict=False):
            if settings.keys() >= {*_PLACE} and type(part) is keras.layers.Dropout:
                part.__class__ = StreamDropout
            for name, value in settings.items():
                setattr(part, name, keras.activations.get(value) if name == "activation" else value)


def _parts(layer: Any) -> list[keras.layers.Layer]:
    return all_layers(layer, itself=False)


def _settings(part: keras.layers.Layer) -> dict[str, Any]:
    found = {name: getattr(part, name) for name in _SETTINGS if hasattr(part, name)}
    if "activation" in found:
        found["activation"] = keras.activations.serialize(found["activation"])
    return found
