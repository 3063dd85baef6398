"""A TF2 Hub module: what it holds, read from its files without running it; and calling it, whatever its convention.

A module is a folder with a SavedModel whose root can be called and lists its variables: TF-Hub's reusable SavedModel.
What becomes of it is said elsewhere: `native` rebuilds it as a KerasHub encoder, `opaque` trains it as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401  registers the operations of modules that read texts

from sftkeras.backbones.tfhub.object_graph import ObjectGraph, StoredVariable
from sftkeras.errors import SFTError
from sftkeras.graphs.trusted import UntrustedGraphError

ModuleKind = Literal["token_encoder", "text_encoder", "preprocessor"]

# What an encoder of tokens takes: by these names in a dict, or in this order in a list.
TOKEN_INPUTS = ("input_word_ids", "input_mask", "input_type_ids")
_WANTED = ", ".join(TOKEN_INPUTS)
# What one vector a text is called, the most telling name first.
_POOLED = ("pooled_output", "default", "outputs")


@dataclass(frozen=True)
class HubModule:
    """Facts about a module, known without running it; made by `read_module`.

    Attributes:
        folder: holds saved_model.pb, variables/ and assets/.
        kind: "token_encoder" maps three [batch, length] int32 tensors to vectors, "text_encoder" maps [batch] strings
            to vectors, "preprocessor" maps [batch] strings to the three tensors.
        by_name: whether it takes the three tensors in a dict; if not, in a list.
        rows: the only number of texts it takes at once; None if it takes any.
        length: the only length of tokens it takes; None if it takes any.
        layers: how many layers it gives the outputs of; None if it gives none of them.
        takes_training: whether it can be called with `training`.
        dropout: the share of units that it drops in training; None if its layers have several rates.
        attributes: the names of what hangs on its root, such as "tokenize" and "bert_pack_inputs".
        variables: every variable with a stored value, by its name without the ":0".
        vocabulary: the word pieces, one a line, if it has the asset `vocab_file`.
        sentence_piece: the SentencePiece model, if it has the asset `sp_model_file`.
        tokenizer_config: how texts are tokenised, as Hugging Face writes it, if it has the asset `tokenizer_config`.
        encoder_config: what the encoder is, as Hugging Face writes it, if it has the asset `encoder_config`.
        lowercase: the value of its variable `do_lower_case`; None if it has none.
    """

    folder: Path
    kind: ModuleKind
    by_name: bool
    rows: int | None
    length: int | None
    layers: int | None
    takes_training: bool
    dropout: float | None
    attributes: frozenset[str]
    variables: Mapping[str, StoredVariable]
    vocabulary: Path | None
    sentence_piece: Path | None
    tokenizer_config: Path | None
    encoder_config: Path | None
    lowercase: bool | None

    def read(self, name: str) -> np.ndarray:
        """Reads the stored value of a variable."""
        with _naming_damage(self.folder):
            return _read_value(self.folder, self.variables[name].checkpoint_key)

    def load(self) -> LoadedModule:
        """Loads the module into TensorFlow; to train it, under the strategy's scope.

        Raises:
            SFTError: SFT364 if TensorFlow cannot.
        """
        with _naming_damage(self.folder):
            return LoadedModule(self, tf.saved_model.load(str(self.folder)))


class LoadedModule:
    """A module in TensorFlow, called alike whatever its convention.

    Args:
        module: what is known of it.
        root: what `tf.saved_model.load` gave for it.
    """

    def __init__(self, module: HubModule, root: Any) -> None:
        self.module = module
        self.root = root

    @cached_property
    def variables(self) -> list[tf.Variable]:
        """All variables that a call can use."""
        return list(getattr(self.root, "variables", ()))

    @cached_property
    def trainable_variables(self) -> list[tf.Variable]:
        """Variables that fine-tuning may change."""
        return list(getattr(self.root, "trainable_variables", ()))

    @cached_property
    def regularization_losses(self) -> list[Callable[[], tf.Tensor]]:
        """Functions without arguments, each giving one number that is to be added to the loss."""
        return list(getattr(self.root, "regularization_losses", ()))

    def encode_tokens(
        self, word_ids: tf.Tensor, mask: tf.Tensor, type_ids: tf.Tensor, training: bool = False
    ) -> dict[str, tf.Tensor]:
        """Encodes tokens with a module of kind "token_encoder".

        Args:
            word_ids: [batch, length] integers; at most `module.length` long, if it is set.
            mask: the same shape, 1 where a token is.
            type_ids: the same shape, 0 in the first text and 1 in the second.
            training: whether dropout is on, if the module has it.

        Returns:
            "sequence_output" [batch, length, hidden] and "pooled_output" [batch, hidden], as far as it gives them.
        """
        given = tf.shape(word_ids)[1]
        tensors = [self._at_its_length(tf.cast(tensor, tf.int32)) for tensor in (word_ids, mask, type_ids)]
        named = dict(zip(TOKEN_INPUTS, tensors, strict=True))
        vectors = self._vectors(named if self.module.by_name else tensors, training)
        if self.module.length is not None and "sequence_output" in vectors:
            vectors["sequence_output"] = vectors["sequence_output"][:, :given]
        return vectors

    def encode_texts(self, texts: tf.Tensor, training: bool = False) -> dict[str, tf.Tensor]:
        """Encodes `texts` [batch] string with a module of kind "text_encoder": "pooled_output" [batch, hidden]."""
        return self._vectors(texts, training)

    def _vectors(self, inputs: Any, training: bool) -> dict[str, tf.Tensor]:
        def call(some: Any) -> dict[str, tf.Tensor]:
            return _named(self.root(some, training=training) if self.module.takes_training else self.root(some))

        if self.module.rows is None:
            return call(inputs)
        given = _named(self.root.__call__.concrete_functions[0].structured_outputs)
        dtypes = {name: spec.dtype for name, spec in given.items()}
        return _in_groups(self.module.rows, call, inputs, dtypes)

    def _at_its_length(self, tensor: tf.Tensor) -> tf.Tensor:
        if self.module.length is None:
            return tensor
        padded = tf.pad(tensor, [[0, 0], [0, self.module.length - tf.shape(tensor)[1]]])
        return tf.ensure_shape(padded, [None, self.module.length])


def read_module(folder: Path) -> HubModule:
    """Reads facts about a module from its files alone: no operation of it is run.

    Raises:
        SFTError: SFT363 if it is in the format of TF1, SFT364 if a file is missing or damaged, SFT365 if it could reach
            outside of itself, SFT368 if it is no text encoder and no preprocessor.
    """
    with _naming_damage(folder):
        return _read_module(folder)


def _read_module(folder: Path) -> HubModule:
    graph = _read_graph(folder)
    call = graph.root_function("__call__")
    if call is None:
        raise SFTError("SFT368", folder=folder, found="it cannot be called", wanted=_WANTED)
    found = next((found for signature in call.signatures if (found := _convention(*signature))), None)
    if found is None:
        inputs = call.signatures[0][0] if call.signatures else "nothing"
        raise SFTError("SFT368", folder=folder, found=f"it takes {_told(inputs)}", wanted=_WANTED)
    lowercase = graph.root_variable("do_lower_case")
    return HubModule(
        folder,
        **found,
        takes_training="training" in call.arguments,
        dropout=_single_rate(graph.dropout_rates),
        attributes=graph.root_attributes,
        variables=graph.variables,
        vocabulary=graph.root_asset("vocab_file"),
        sentence_piece=graph.root_asset("sp_model_file"),
        tokenizer_config=graph.root_asset("tokenizer_config"),
        encoder_config=graph.root_asset("encoder_config"),
        lowercase=None if lowercase is None else bool(_read_value(folder, lowercase.checkpoint_key)),
    )


def _read_graph(folder: Path) -> ObjectGraph:
    if (folder / "tfhub_module.pb").exists():
        raise SFTError("SFT363", folder=folder)
    graph = ObjectGraph.read(folder)
    if graph is None:
        raise SFTError("SFT363", folder=folder)
    try:
        graph.check_trusted()
    except UntrustedGraphError as error:
        raise SFTError("SFT365", folder=folder, problem=error) from error
    return graph


def _read_value(folder: Path, key: str) -> np.ndarray:
    return tf.train.load_checkpoint(str(folder / "variables" / "variables")).get_tensor(key)


def _single_rate(rates: frozenset[float]) -> float | None:
    if len(rates) > 1:
        return None
    return round(next(iter(rates), 0.0), 6)  # 0.1 is no float32


@contextmanager
def _naming_damage(folder: Path) -> Iterator[None]:
    """Turns what TensorFlow raises on a damaged module, which is nearly anything, into SFT364."""
    try:
        yield
    except SFTError:
        raise
    except Exception as error:
        problem = str(error).strip().split("\n")[0][:200] or type(error).__name__
        raise SFTError("SFT364", folder=folder, problem=problem) from error


def _convention(inputs: Any, outputs: Any) -> dict[str, Any] | None:
    """Arguments of a function that maps `inputs` to `outputs`, nests of `tf.TensorSpec`; None if it takes no text."""
    if isinstance(inputs, tf.TensorSpec) and inputs.dtype == tf.string and inputs.shape.rank == 1:
        gives_tokens = isinstance(outputs, dict) and set(TOKEN_INPUTS) <= set(outputs)
        kind = "preprocessor" if gives_tokens else "text_encoder"
        return {"kind": kind, "by_name": False, "rows": inputs.shape[0], "length": None, "layers": None}
    by_name = isinstance(inputs, dict)
    if by_name and set(inputs) == set(TOKEN_INPUTS):
        specs = [inputs[name] for name in TOKEN_INPUTS]
    elif isinstance(inputs, list | tuple) and len(inputs) == len(TOKEN_INPUTS):
        specs = list(inputs)
    else:
        return None
    if not all(isinstance(spec, tf.TensorSpec) and spec.dtype == tf.int32 and spec.shape.rank == 2 for spec in specs):
        return None
    layers = outputs.get("encoder_outputs") if isinstance(outputs, dict) else None
    count = len(layers) if isinstance(layers, list | tuple) else None
    rows, length = specs[0].shape
    return {"kind": "token_encoder", "by_name": by_name, "rows": rows, "length": length, "layers": count}


def _named(outputs: Any) -> dict[str, tf.Tensor]:
    """The vectors of tokens and of texts among what a module gave."""
    if isinstance(outputs, Mapping):
        named = {"sequence_output": outputs.get("sequence_output")}
        named["pooled_output"] = next((outputs[name] for name in _POOLED if name in outputs), None)
        return {name: tensor for name, tensor in named.items() if tensor is not None}
    by_rank = {3: "sequence_output", 2: "pooled_output"}
    return {by_rank[tensor.shape.rank]: tensor for tensor in tf.nest.flatten(outputs) if tensor.shape.rank in by_rank}


def _in_groups(
    size: int, call: Callable[[Any], dict[str, tf.Tensor]], inputs: Any, dtypes: dict[str, tf.DType]
) -> dict[str, tf.Tensor]:
    """Calls with `size` rows at a time; the last group is filled up with rows that are then dropped."""
    rows = tf.shape(tf.nest.flatten(inputs)[0])[0]
    groups = -(-rows // size)

    def grouped(tensor: tf.Tensor) -> tf.Tensor:  # [groups, size, …]
        rest = tf.shape(tensor)[1:]
        filler = tf.zeros(tf.concat([[groups * size - rows], rest], 0), tensor.dtype)
        whole = tf.reshape(tf.concat([tensor, filler], 0), tf.concat([[groups, size], rest], 0))
        return tf.ensure_shape(whole, [None, size, *tensor.shape[1:]])

    def rejoined(tensor: tf.Tensor) -> tf.Tensor:  # [rows, …]
        joined = tf.reshape(tensor, tf.concat([[groups * size], tf.shape(tensor)[2:]], 0))[:rows]
        return tf.ensure_shape(joined, [None, *tensor.shape[2:]])

    outputs = tf.map_fn(call, tf.nest.map_structure(grouped, inputs), fn_output_signature=dtypes)
    return {name: rejoined(tensor) for name, tensor in outputs.items()}


def _told(inputs: Any) -> str:
    """The inputs of a function in a few words, for an error."""
    if isinstance(inputs, dict):
        return ", ".join(sorted(map(str, inputs)))
    if isinstance(inputs, list | tuple):
        return f"{len(inputs)} inputs"
    if isinstance(inputs, tf.TensorSpec):
        return f"{inputs.dtype.name} {inputs.shape}"
    return "inputs of another kind"
