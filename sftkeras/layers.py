"""The layers that networks are made of, known to Keras: import this before `keras.saving.load_model`."""

from sftkeras import runtime

runtime.start_tensorflow()

from sftkeras.backbones.decoders.decoder import Embeddings, LastNorm, SharedByLayers  # noqa: E402
from sftkeras.backbones.decoders.layer import DecoderLayer, RootMeanSquareNorm  # noqa: E402
from sftkeras.backbones.decoders.virtual import PrefixKeys  # noqa: E402
from sftkeras.backbones.dense.operations import exact_gelu, tanh_gelu  # noqa: E402
from sftkeras.backbones.dropout import StreamDropout, StreamNoise  # noqa: E402
from sftkeras.backbones.fused_deberta import FusedDisentangledEncoder, SharedRelativeEmbedding  # noqa: E402
from sftkeras.backbones.fused_transformer import FusedTransformerEncoder  # noqa: E402
from sftkeras.backbones.virtual_encoders import (  # noqa: E402
    InFront,
    LaterPositions,
    LaterTokensAndPositions,
    PromptedEmbedding,
    PromptedTokensAndPositions,
)
from sftkeras.tasks.learned_places import LearnedPlaces  # noqa: E402
from sftkeras.tasks.masked_lm.vocabulary_head import VocabularyHead  # noqa: E402
from sftkeras.tasks.network import MarkerPooling, TokenPooling  # noqa: E402
from sftkeras.tasks.span_qa.places import NowhereInPadding  # noqa: E402

__all__ = [
    "DecoderLayer",
    "Embeddings",
    "FusedDisentangledEncoder",
    "FusedTransformerEncoder",
    "InFront",
    "LastNorm",
    "LaterPositions",
    "LaterTokensAndPositions",
    "LearnedPlaces",
    "MarkerPooling",
    "NowhereInPadding",
    "PrefixKeys",
    "PromptedEmbedding",
    "PromptedTokensAndPositions",
    "RootMeanSquareNorm",
    "SharedByLayers",
    "SharedRelativeEmbedding",
    "StreamDropout",
    "StreamNoise",
    "TokenPooling",
    "VocabularyHead",
    "exact_gelu",
    "tanh_gelu",
]
