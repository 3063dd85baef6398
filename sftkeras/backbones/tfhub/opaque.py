"""A TF2 Hub module as a Keras 3 layer that trains the module's own variables, for modules that cannot be rebuilt.

What a module is and how it is called is the business of `module`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from sftkeras.backbones.backbone import Backbone
from sftkeras.backbones.tfhub.module import HubModule, LoadedModule, read_module
from sftkeras.backbones.tfhub.preprocessor import files_of, load_preprocessor, resources_of
from sftkeras.backbones.tfhub.tokenizer import tokenizer_of
from sftkeras.errors import SFTError
from sftkeras.internals.tensorflow import is_op_determinism_enabled
from sftkeras.text import ModulePreprocessor, Tokenizer
from sftkeras.text.features.raw_text import TEXT

_TOKENS = ("token_ids", "segment_ids", "padding_mask")
_NO_LIMIT = 2**31 - 1  # tokens: what an int32 can count
_SAMPLE = "a text to learn the shapes from"

# Operations with a state of their own; they take a seed, but most modules give them none.
_DRAWS = frozenset({"Multinomial", "RandomShuffle", "RandomStandardNormal", "RandomUniform", "RandomUniformInt"})
_DRAWS |= {"TruncatedNormal"}


def load(folder: Path, *, max_length: int, dropout: float | None, preprocessor: Path | None) -> Backbone:
    """Loads the module in `folder`; to train it, under the strategy's scope.

    Args:
        folder: the module.
        max_length: tokens a text will have at most; of no meaning for a module that reads texts.
        dropout: what the user asked for; the module keeps its own.
        preprocessor: folder of the preprocessor that tokenises; None takes the module's own vocabulary.

    Raises:
        SFTError: SFT351 or SFT371 if the module cannot take `max_length` tokens, SFT372 if nothing says how to
            tokenise, SFT375 if module or preprocessor is not what it is given for, SFT376 if the module must be
            deterministic but cannot, and what `read_module` raises.
    """
    module = read_module(folder)
    if module.kind == "preprocessor":
        raise SFTError("SFT375", flag="--backbone.handle", folder=folder, problem="this is a preprocessor, no encoder")
    positions = _positions(module)
    tokenizer = _tokenizer(module, preprocessor)
    if tokenizer is not None and max_length > positions:
        raise SFTError("SFT351", length=max_length, most=positions)
    if is_op_determinism_enabled() and _draws_without_seed(folder):
        raise SFTError("SFT376", folder=folder)
    loaded = module.load()
    widths = _output_widths(loaded, max_length)
    encoder = _build_encoder(loaded, widths)
    files = files_of(folder) | ({} if preprocessor is None else files_of(preprocessor, inside="preprocessor"))
    return Backbone(
        encoder,
        tokenizer,
        max_positions=positions,
        has_pooler="pooled_output" in widths,
        format="tfhub",
        files=files,
        notes=tuple(_notes(loaded, encoder, dropout)),
    )


class SharedVariable(keras.Variable):
    """A Keras variable over a `tf.Variable` that exists: both names mean the same numbers.

    Args:
        variable: of the loaded module.
        trainable: whether fine-tuning may change it.
    """

    def __init__(self, variable: tf.Variable, *, trainable: bool) -> None:
        name = variable.name.removesuffix(":0")
        super().__init__(
            lambda shape, dtype: variable,
            shape=tuple(variable.shape),
            dtype=variable.dtype.name,
            trainable=trainable,
            autocast=False,
            name=name.rpartition("/")[2],  # by which an optimizer knows what not to decay: "bias", "gamma", …
        )
        self._path = name  # the whole name, which differs from the other layers' biases

    def _initialize_with_initializer(self, initializer: Any) -> None:
        self._initialize(initializer(self._shape, self._dtype))  # stock Keras would make a new variable


class OpaqueEncoder(keras.layers.Layer):
    """Calls a module; its variables are the layer's weights, its regularization losses the layer's losses.

    It computes in float32, whatever the precision around it: the types inside a SavedModel are fixed.

    Args:
        loaded: the module.
        widths: for each output that it gives, the size of its vectors.
    """

    def __init__(self, loaded: LoadedModule, widths: dict[str, int]) -> None:
        super().__init__(name="module", dtype="float32")
        self.supports_jit = False
        self.loaded = loaded
        self._widths = widths
        trainable = {id(variable) for variable in loaded.trainable_variables}
        for variable in _variables_read(loaded):
            self._track_variable(SharedVariable(variable, trainable=id(variable) in trainable))

    @property
    def resources(self) -> Sequence[Any]:
        """Resources of an export besides the weights: lookup tables and the files they are filled from."""
        return resources_of(self.loaded.root)

    def get_config(self) -> dict[str, Any]:
        """There is none: what the layer computes is in the module's files.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(
            "a TF-Hub module that is trained as it is cannot be written into a .keras file. Write the run's module by "
            "python -m sftkeras.publish --run runs/NAME --output FOLDER, or the weights alone by save_weights."
        )

    def call(self, inputs: dict[str, tf.Tensor], training: bool | None = None) -> dict[str, tf.Tensor]:
        """Encodes texts [batch] or tokens [batch, length], as `Backbone.model` does."""
        training = bool(training) and self.trainable
        if training:
            for loss in self.loaded.regularization_losses:
                self.add_loss(tf.cast(loss(), tf.float32))
        vectors = _encode(self.loaded, inputs, training)
        return {name: tf.cast(vectors[name], tf.float32) for name in self._widths}

    def compute_output_spec(
        self, inputs: dict[str, keras.KerasTensor], training: bool | None = None
    ) -> dict[str, keras.KerasTensor]:
        """The shapes, without tracing the module."""
        leading = {"pooled_output": (None,), "sequence_output": (None, None)}
        return {name: keras.KerasTensor((*leading[name], width), "float32") for name, width in self._widths.items()}


def _encode(loaded: LoadedModule, inputs: dict[str, tf.Tensor], training: bool) -> dict[str, tf.Tensor]:
    if loaded.module.kind == "text_encoder":
        return loaded.encode_texts(inputs[TEXT], training)
    return loaded.encode_tokens(inputs["token_ids"], inputs["padding_mask"], inputs["segment_ids"], training)


def _build_encoder(loaded: LoadedModule, widths: dict[str, int]) -> keras.Model:
    if loaded.module.kind == "text_encoder":
        inputs = {TEXT: keras.Input((), dtype="string", name=TEXT)}
    else:
        inputs = {name: keras.Input((None,), dtype="int32", name=name) for name in _TOKENS}
    return keras.Model(inputs, OpaqueEncoder(loaded, widths)(inputs), name="encoder")


def _variables_read(loaded: LoadedModule) -> list[tf.Variable]:
    """The variables that a call reads, in the order in which the module lists them; those not listed come last."""
    traces = loaded.root.__call__.concrete_functions
    read = {id(variable): variable for trace in traces for variable in trace.variables}
    listed = {id(variable): variable for variable in loaded.variables if id(variable) in read}
    return list((listed | read).values())


def _output_widths(loaded: LoadedModule, max_length: int) -> dict[str, int]:
    """Encodes one text of the greatest length, which proves that the module can, and gives its outputs' widths."""
    strategy = tf.distribute.get_strategy()
    if loaded.module.kind == "text_encoder":
        sample = {TEXT: tf.constant([_SAMPLE])}
    else:
        sample = {name: tf.ones([1, max_length], tf.int32) for name in _TOKENS}
        sample["segment_ids"] *= 0
    try:
        # Mirrored variables can be read inside a replica alone; a strategy that is not in a graph says that it is slow.
        run = tf.function(lambda: strategy.run(_encode, (loaded, sample, False)), autograph=False)
        vectors = run.get_concrete_function()()
    except (tf.errors.OpError, ValueError) as error:
        problem = str(error).strip().split("\n")[0][:200]
        raise SFTError("SFT371", folder=loaded.module.folder, length=max_length, problem=problem) from error
    widths = {name: strategy.experimental_local_results(vector)[0].shape[-1] for name, vector in vectors.items()}
    if loaded.module.kind == "text_encoder":
        widths.pop("sequence_output", None)  # of tokens that only the module knows
    if not widths:
        problem = "it gives no vectors of texts or tokens"
        raise SFTError("SFT375", flag="--backbone.handle", folder=loaded.module.folder, problem=problem)
    return widths


def _draws_without_seed(folder: Path) -> bool:
    """Whether the module draws random numbers that nothing can repeat; TensorFlow refuses to, when deterministic."""
    (graph, *_) = SavedModel.FromString((folder / "saved_model.pb").read_bytes()).meta_graphs
    nodes = (node for function in graph.graph_def.library.function for node in function.node_def)
    return any(node.op in _DRAWS and not (node.attr["seed"].i or node.attr["seed2"].i) for node in nodes)


def _positions(module: HubModule) -> int:
    """Most tokens the module takes, as far as its signature and its names show."""
    rows = [
        variable.shape[0]
        for name, variable in module.variables.items()
        if "position_embedding" in name and "relative" not in name and len(variable.shape) == 2
    ]
    return min([module.length or _NO_LIMIT, *rows])


def _tokenizer(module: HubModule, preprocessor: Path | None) -> Tokenizer | ModulePreprocessor | None:
    if module.kind == "text_encoder":
        if preprocessor is not None:
            problem = "the module reads texts itself. Leave this setting out"
            raise SFTError("SFT375", flag="--backbone.preprocessor", folder=preprocessor, problem=problem)
        return None
    if preprocessor is not None:
        return load_preprocessor(preprocessor)
    return tokenizer_of(module)


def _notes(loaded: LoadedModule, encoder: keras.Model, dropout: float | None) -> list[str]:
    """Notes for the user of a module that trains as it is."""
    notes = []
    if not encoder.trainable_variables:
        notes.append("the module lists no trainable variables: only the head learns")
    if dropout is not None:
        notes.append("--backbone.dropout does not reach inside the module, which keeps its own")
    if loaded.module.takes_training and loaded.module.dropout != 0:
        notes.append("dropout inside the module draws its own random numbers: the seed does not decide them")
    precision = keras.config.dtype_policy().name
    if precision != "float32":
        notes.append(f"--training.precision {precision} does not reach inside the module, which computes in float32")
    if "sequence_output" not in encoder.output:
        notes.append("the module gives one vector a text: --backbone.pooling has no effect")
    return notes
