"""`sftkeras.load_backbone`: a pretrained model as a plain Keras model, and its tokenizer, for a head of one's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any

from sftkeras import runtime
from sftkeras.config import BackboneConfig
from sftkeras.errors import SFTError
from sftkeras.handles import kind_of

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from sftkeras.backbones import Backbone, Mode
    from sftkeras.text import Tokenizer

_MAX_LENGTH = BackboneConfig().max_length


def load_backbone(
    handle: str | PathLike[str],
    *,
    max_length: int = _MAX_LENGTH,
    dropout: float | None = None,
    preprocessor: str | None = None,
    mode: Mode = "auto",
    extra_tokens: Sequence[str] = (),
) -> PretrainedBackbone:
    """Loads an encoder or decoder and its tokenizer, to put a head of your own on it and train with `model.fit`.

    ```python
    backbone = sftkeras.load_backbone("hf://sentence-transformers/all-MiniLM-L6-v2", max_length=64)
    vectors = backbone.model.output["sequence_output"]            # [batch, length, hidden]
    outputs = keras.layers.Dense(2, activation="softmax")(vectors[:, 0])
    model = keras.Model(backbone.model.input, outputs)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(backbone.tokenizer(texts), labels)
    ```

    Args:
        handle: any that `backbone.handle` of `python -m sftkeras.train` takes, the folder of a run among them.
        max_length: tokens a text may have, special tokens included; what is longer is cut.
        dropout: dropout inside the encoder; None takes the checkpoint's own.
        preprocessor: handle of a TF-Hub preprocessor that tokenises.
        mode: how a TF-Hub module is loaded: "native" rebuilds it, "opaque" trains it as it is, "auto" chooses.
        extra_tokens: strings that become tokens of their own.

    Raises:
        SFTError: SFT123 where Keras runs on another backend, SFT30x to SFT38x if the handle leads nowhere, or its files
            are broken or cannot do what is asked.
    """
    from sftkeras.backbones.fetching import fetch_backbone

    folders = fetch_backbone(str(handle), preprocessor, max_length=max_length)
    runtime.start_tensorflow()
    runtime.check_backend()
    from sftkeras import backbones
    from sftkeras.runs import RunFolder
    from sftkeras.runs.restoring import kept_backbone

    folder, given = folders.encoder, folders.preprocessor
    if kind_of(folder) == "run":
        run = RunFolder.open(folder)
        folder, given = kept_backbone(run), given or run.preprocessor
    loaded = backbones.load_backbone(
        folder, max_length=max_length, dropout=dropout, mode=mode, preprocessor=given, extra_tokens=extra_tokens
    )
    return PretrainedBackbone(loaded, max_length)


class PretrainedBackbone:
    """A pretrained encoder or decoder with its tokenizer.

    Attributes:
        model: the encoder, a functional `keras.Model`. Its inputs are what `tokenizer` gives: `token_ids`,
            `segment_ids` and `padding_mask`, each [batch, length] int32. Its output is a dictionary: `sequence_output`,
            [batch, length, hidden], a vector for each token, and `pooled_output`, [batch, hidden], a vector for each
            text. A TF-Hub module that is trained as it is and reads texts itself has
            the input `text`, [batch] string, and gives `pooled_output` alone. A decoder has the inputs `token_ids`,
            `positions` and `segments`, and gives `sequence_output` alone; its `logits` makes predictions of that.
        tokenizer: makes the inputs of texts.
        has_pooler: whether `pooled_output` comes from pretrained weights. If not, its weights are random: take the
            first token's vector, or the mean, of `sequence_output`.
        max_length: tokens a text may have.
        notes: how it was loaded, and which settings could not reach it.
    """

    def __init__(self, backbone: Backbone, max_length: int) -> None:
        self.model: keras.Model = backbone.model
        self.tokenizer = TextTokenizer(backbone, max_length)
        self.has_pooler = backbone.has_pooler
        self.max_length = max_length
        self.notes = backbone.notes
        # Batches are as wide as their longest text: XLA, which Keras chooses by itself, would compile each width anew.
        self.model.supports_jit = False

    def __repr__(self) -> str:
        return f"PretrainedBackbone({self.model.name!r}, {self.model.count_params():,} parameters)"


class TextTokenizer:
    """Makes model inputs of texts: eagerly, and inside the graph of a `tf.data` pipeline.

    Batches are padded to their longest text. The tokens are those of `python -m sftkeras.train`.

    Attributes:
        max_length: tokens a row may have, special tokens included.
    """

    def __init__(self, backbone: Backbone, max_length: int) -> None:
        self.max_length = max_length
        self._backbone = backbone
        self._names = tuple(backbone.model.input)

    def __call__(self, texts: Any, pairs: Any = None) -> dict[str, tf.Tensor]:
        """Returns the model inputs of a batch, by name.

        Args:
            texts: [batch] strings: a list, a NumPy array, a pandas column, or a string tensor.
            pairs: the second texts, as many, for rows of two texts.

        Raises:
            SFTError: SFT127 for what is no batch of texts, SFT370 or SFT374 for pairs where the encoder or its
                preprocessor reads single texts only.
        """
        features = self._of_one if pairs is None else self._of_two
        columns = [_strings(column) for column in (texts, pairs) if column is not None]
        inputs = features(*columns)
        return {name: inputs[name] for name in self._names}

    @cached_property
    def _of_one(self) -> Callable[..., dict[str, tf.Tensor]]:
        return self._features(pairs=False)

    @cached_property
    def _of_two(self) -> Callable[..., dict[str, tf.Tensor]]:
        return self._features(pairs=True)

    def _features(self, *, pairs: bool) -> Callable[..., dict[str, tf.Tensor]]:
        from sftkeras.text import Tokenizer, make_features

        tokenizer = self._backbone.tokenizer
        if self._backbone.kind == "decoder":
            assert isinstance(tokenizer, Tokenizer)
            if pairs:
                raise SFTError("SFT370")
            return _of_decoder(tokenizer, self.max_length)
        return make_features(tokenizer, max_length=self.max_length, pairs=pairs)


def _of_decoder(tokenizer: Tokenizer, max_length: int) -> Callable[..., dict[str, tf.Tensor]]:
    """Gives what makes a decoder's inputs of texts: their tokens after the one that begins a text, if it has one."""
    import tensorflow as tf

    from sftkeras.text import ConversationFeatures
    from sftkeras.text.marks import LEARNED_END, SPECIAL, special

    begins = {number: string for string, number in tokenizer.special.items()}
    begin = special(begins[tokenizer.begin_id]) if tokenizer.begin_id in begins else ""
    features = ConversationFeatures(tokenizer, max_length=max_length, render=list, rules="texts")

    def inputs(texts: tf.Tensor) -> dict[str, tf.Tensor]:
        unmarked = tf.strings.regex_replace(texts, f"[{SPECIAL}-{LEARNED_END}]", "\ufffd")
        return features(tf.strings.join([begin, unmarked]))

    return inputs


def _strings(texts: Any) -> tf.Tensor:
    """Returns texts as a tensor, [batch] string."""
    import tensorflow as tf

    if isinstance(texts, Iterable) and not isinstance(texts, (str, tf.Tensor)):
        texts = list(texts)
    try:
        tensor = tf.convert_to_tensor(texts, tf.string) if not tf.is_tensor(texts) else texts
    except (TypeError, ValueError) as error:
        raise SFTError("SFT127", found="something else than strings") from error
    if tensor.dtype != tf.string:
        raise SFTError("SFT127", found=f"a tensor of {tensor.dtype.name}")
    if tensor.shape.rank != 1:
        raise SFTError(
            "SFT127", found="one text" if tensor.shape.rank == 0 else f"a tensor of {tensor.shape.rank} axes"
        )
    return tensor
