"""Real TF2 Hub modules, tiny, and what looks like one: every layout and calling convention that public modules have.

Written in plain TensorFlow, with the variable names and the interface of the public exporters but none of their code,
and without KerasHub: the encoders are an implementation of their own, so a backbone made from one has a true reference.
"""

from __future__ import annotations

import io
import math
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from unittest import mock

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text
from tensorflow.python.ops import control_flow_assert
from tiny_bert import VOCABULARY, reviews

from sftkeras.internals.tensorflow import tracing_to_save

# By the names of today's exports, without ":0"; attention kernels are [hidden, heads, size] and [heads, size, hidden].
Variables = dict[str, np.ndarray]

TOKEN_INPUTS = ("input_word_ids", "input_mask", "input_type_ids")
SENTENCE_PIECE_SPECIALS = ("<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]")  # ALBERT's first pieces
LENGTH = 128  # to which the public preprocessors pad

ACTIVATIONS: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "gelu": lambda x: x * 0.5 * (1.0 + tf.math.erf(x / math.sqrt(2.0))),
    "gelu_new": lambda x: x * 0.5 * (1.0 + tf.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x * x * x))),
    "relu": tf.nn.relu,
    "squared_relu": lambda x: tf.square(tf.nn.relu(x)),  # in no family that is known here
}
# The older names of 2019's exports, for those of today.
_OLDER = [
    (r"^position_embedding/embeddings", "embedding_postprocessor/position_embeddings"),
    (r"^type_embeddings/embeddings", "embedding_postprocessor/type_embeddings"),
    (r"^embeddings/layer_norm", "embedding_postprocessor/layer_norm"),
    (r"^embedding_projection", "embedding_postprocessor/embedding_hidden_mapping_in"),
    (r"^transformer/self_attention/attention_output", "encoder/shared_layer/self_attention_output"),
    (r"^transformer/(layer_\d+)/self_attention/attention_output", r"encoder/\1/self_attention_output"),
    (r"^transformer/(layer_\d+)", r"encoder/\1"),
    (r"^transformer", "encoder/shared_layer"),
]


@dataclass(frozen=True)
class EncoderModule:
    """An encoder of tokens to write, and what is unusual about it.

    Attributes:
        names: of the variables: "current", "older", or "nested" (today's, below the name of the encoder's layer).
        interface: whether inputs and outputs are dicts, or lists with the pooled output first.
        flat_kernels: attention kernels have two dimensions, which hides the number of heads.
        shared: all layers have the same weights, as in ALBERT, and tokens are those of SentencePiece.
        width: of the embeddings; another one than `hidden` adds ELECTRA's and ALBERT's projection.
        length: the only length of tokens it takes; None takes any.
        lowercase: the value of `do_lower_case`; None leaves the variable out.
        talking_heads: heads are mixed before the softmax, which no known family does.
        regularised: it has a regularization loss, 0.01 times the sum of the squared word embeddings.
    """

    names: Literal["current", "older", "nested"] = "current"
    interface: Literal["dict", "list"] = "dict"
    flat_kernels: bool = False
    shared: bool = False
    width: int = 16
    hidden: int = 16
    heads: int = 4
    layers: int = 2
    inner: int = 24
    positions: int = 64
    activation: str = "gelu_new"
    epsilon: float = 1e-12
    dropout: float = 0.0
    length: int | None = None
    lowercase: bool | None = True
    vocabulary: Sequence[str] = VOCABULARY
    talking_heads: bool = False
    regularised: bool = False

    def draw(self, seed: int = 7) -> Variables:
        """Random weights, large enough that every part of the encoder shows in its outputs."""
        random = np.random.default_rng(seed)
        size = self.hidden // self.heads

        def normal(*shape: int) -> np.ndarray:
            return random.normal(0, 0.3, shape).astype(np.float32)

        def dense(name: str, *shape: int, bias: tuple[int, ...]) -> Variables:
            return {f"{name}/kernel": normal(*shape), f"{name}/bias": normal(*bias)}

        def norm(name: str, size: int) -> Variables:
            return {f"{name}/gamma": 1 + normal(size), f"{name}/beta": normal(size)}

        rows = len(SENTENCE_PIECE_SPECIALS) + 100 if self.shared else len(self.vocabulary)
        variables = {
            "word_embeddings/embeddings": normal(rows, self.width),
            "position_embedding/embeddings": normal(self.positions, self.width),
            "type_embeddings/embeddings": normal(2, self.width),
            **norm("embeddings/layer_norm", self.width),
        }
        if self.width != self.hidden:
            variables |= dense("embedding_projection", self.width, self.hidden, bias=(self.hidden,))
        for layer in self._layer_names():
            attention = f"{layer}/self_attention"
            for part in ("query", "key", "value"):
                variables |= dense(f"{attention}/{part}", self.hidden, self.heads, size, bias=(self.heads, size))
            if self.talking_heads:
                variables[f"{attention}/talking_heads_pre/kernel"] = normal(self.heads, self.heads)
            variables |= dense(f"{attention}/attention_output", self.heads, size, self.hidden, bias=(self.hidden,))
            variables |= norm(f"{layer}/self_attention_layer_norm", self.hidden)
            variables |= dense(f"{layer}/intermediate", self.hidden, self.inner, bias=(self.inner,))
            variables |= dense(f"{layer}/output", self.inner, self.hidden, bias=(self.hidden,))
            variables |= norm(f"{layer}/output_layer_norm", self.hidden)
        return variables | dense("pooler_transform", self.hidden, self.hidden, bias=(self.hidden,))

    def write(self, folder: Path, variables: Variables | None = None) -> Path:
        """Writes the module with `variables`, by default those of `draw`, and returns its folder."""
        drawn = self.draw() if variables is None else variables
        weights = {name: tf.Variable(self._flat(name, value), name=self._name(name)) for name, value in drawn.items()}
        root = tf.train.Checkpoint()
        with tempfile.TemporaryDirectory() as scratch:
            if self.shared:
                root.sp_model_file = tf.saved_model.Asset(_put(scratch, "30k-clean.model", sentence_piece_model()))
            else:
                content = "".join(f"{piece}\n" for piece in self.vocabulary).encode()
                root.vocab_file = tf.saved_model.Asset(_put(scratch, "vocab.txt", content))
            others = []
            if self.lowercase is not None and not self.shared:
                root.do_lower_case = tf.Variable(self.lowercase, trainable=False)
                others = [root.do_lower_case]
            root.trainable_variables = list(weights.values())
            root.variables = [*weights.values(), *others]
            root.regularization_losses = [_penalty(weights["word_embeddings/embeddings"])] if self.regularised else []
            root.__call__ = self._traced(weights)
            tf.saved_model.save(root, str(folder))
        return folder

    def _traced(self, weights: dict[str, tf.Variable]) -> Any:
        @tf.function(autograph=False)
        def call(inputs: Any, training: bool = False) -> Any:
            ids, mask, types = (inputs[name] for name in TOKEN_INPUTS) if self.interface == "dict" else inputs
            layers = self._layers(weights, ids, mask, types, training)
            first = layers[-1][:, 0, :]
            pooler = [weights[f"pooler_transform/{part}"] for part in ("kernel", "bias")]
            pooled = tf.tanh(tf.matmul(first, pooler[0]) + pooler[1])
            if self.interface == "list":
                return [pooled, layers[-1]]
            return {
                "pooled_output": pooled,
                "default": pooled,
                "sequence_output": layers[-1],
                "encoder_outputs": layers,
            }

        specs = [tf.TensorSpec([None, self.length], tf.int32, name=name) for name in TOKEN_INPUTS]
        inputs = dict(zip(TOKEN_INPUTS, specs, strict=True)) if self.interface == "dict" else specs
        with tracing_to_save():
            for training in (True, False):
                call.get_concrete_function(inputs, training=training)
        return call

    def _layers(
        self, weights: dict[str, tf.Variable], ids: tf.Tensor, mask: tf.Tensor, types: tf.Tensor, training: bool
    ) -> list[tf.Tensor]:
        """The outputs of all layers, each [batch, length, hidden]."""

        def dropped(x: tf.Tensor) -> tf.Tensor:
            return tf.nn.dropout(x, self.dropout) if training and self.dropout else x

        def norm(name: str, x: tf.Tensor) -> tf.Tensor:
            mean, variance = tf.nn.moments(x, -1, keepdims=True)
            gamma, beta = weights[f"{name}/gamma"], weights[f"{name}/beta"]
            return tf.nn.batch_normalization(x, mean, variance, beta, gamma, self.epsilon)

        def dense(name: str, equation: str, x: tf.Tensor, *shape: int) -> tf.Tensor:
            kernel, bias = weights[f"{name}/kernel"], weights[f"{name}/bias"]
            return tf.einsum(equation, x, tf.reshape(kernel, shape) if shape else kernel) + (
                tf.reshape(bias, shape[1:]) if shape and shape[0] == self.hidden else bias
            )

        size = self.hidden // self.heads
        x = tf.gather(weights["word_embeddings/embeddings"], ids)
        x += weights["position_embedding/embeddings"][: tf.shape(ids)[1]]
        x += tf.matmul(tf.one_hot(types, 2), weights["type_embeddings/embeddings"])
        x = dropped(norm("embeddings/layer_norm", x))
        if self.width != self.hidden:
            x = dense("embedding_projection", "blw,wh->blh", x)
        away = (1.0 - tf.cast(mask, tf.float32)[:, tf.newaxis, tf.newaxis, :]) * -10000.0
        outputs = []
        for number in range(self.layers):
            layer = self._layer_names()[0 if self.shared else number]
            attention = f"{layer}/self_attention"
            query, key, value = (
                dense(f"{attention}/{part}", "blh,hnd->blnd", x, self.hidden, self.heads, size)
                for part in ("query", "key", "value")
            )
            scores = tf.einsum("bfnd,btnd->bnft", query, key) / math.sqrt(size)
            if self.talking_heads:
                scores = tf.einsum("bnft,nm->bmft", scores, weights[f"{attention}/talking_heads_pre/kernel"])
            shares = dropped(tf.nn.softmax(scores + away))
            context = tf.einsum("bnft,btnd->bfnd", shares, value)
            context = dense(f"{attention}/attention_output", "blnd,ndh->blh", context, self.heads, size, self.hidden)
            x = norm(f"{layer}/self_attention_layer_norm", x + dropped(context))
            inner = ACTIVATIONS[self.activation](dense(f"{layer}/intermediate", "blh,hi->bli", x))
            x = norm(f"{layer}/output_layer_norm", x + dropped(dense(f"{layer}/output", "bli,ih->blh", inner)))
            outputs.append(x)
        return outputs

    def _layer_names(self) -> list[str]:
        return ["transformer"] if self.shared else [f"transformer/layer_{number}" for number in range(self.layers)]

    def _flat(self, name: str, value: np.ndarray) -> np.ndarray:
        if not self.flat_kernels or "/self_attention/" not in name:
            return value
        if name.endswith("bias"):
            return value.reshape(-1)
        inputs = self.hidden if "attention_output" not in name else self.heads * (self.hidden // self.heads)
        return value.reshape(inputs, -1)

    def _name(self, name: str) -> str:
        if self.names == "nested":
            return f"bert_encoder/{name}"
        if self.names == "current":
            return name
        for pattern, older in _OLDER:
            name = re.sub(pattern, older, name)
        return f"{'albert' if self.shared else 'bert'}_model/{name}"


BERT = EncoderModule()
# Two layers where the names of layers differ, in current and in older exports; one layer elsewhere.
ENCODERS = {
    "BERT": BERT,
    "BERT, older names": EncoderModule(names="older", interface="list"),
    "BERT, nested names": EncoderModule(names="nested", layers=1),
    "BERT, list interface": EncoderModule(interface="list", dropout=0.3, layers=1),
    "BERT, flat kernels": EncoderModule(names="older", interface="list", flat_kernels=True, layers=1),
    "BERT, fixed length": EncoderModule(length=24, layers=1),
    "BERT, exact gelu": EncoderModule(activation="gelu", layers=1),
    "BERT, relu": EncoderModule(activation="relu", layers=1),
    "BERT, large epsilon": EncoderModule(epsilon=1e-5, layers=1),
    "ELECTRA": EncoderModule(width=8),
    "ALBERT": EncoderModule(width=8, shared=True, layers=3),
    "ALBERT, older names": EncoderModule(width=8, shared=True, layers=3, names="older", interface="list"),
}
# Their variables have the names and shapes of BERT's, but they compute something else.
LOOK_ALIKES = {
    "other activation": EncoderModule(activation="squared_relu", layers=1),
    "talking heads": EncoderModule(talking_heads=True, layers=1),
}


def write_text_module(folder: Path, *, size: int = 16, outputs: Literal["tensor", "dict"] = "tensor") -> Path:
    """A text encoder in the manner of nnlm: the mean of its words' vectors; words not in its table share 3 buckets."""
    words = [word for word in VOCABULARY if not word.startswith(("[", "##"))]
    random = np.random.default_rng(9)
    embeddings = tf.Variable(random.normal(0, 0.5, (len(words) + 3, size)).astype(np.float32), name="embeddings")
    root = tf.train.Checkpoint()
    with tempfile.TemporaryDirectory() as scratch:
        file = _put(scratch, "tokens.txt", "".join(f"{word}\n" for word in words).encode())
        table = tf.lookup.StaticVocabularyTable(
            tf.lookup.TextFileInitializer(
                file, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER
            ),
            num_oov_buckets=3,
        )

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="sentences")], autograph=False)
        def call(sentences: tf.Tensor) -> Any:
            tokens = tf.strings.split(tf.strings.lower(sentences)).to_sparse()
            numbers = tf.SparseTensor(tokens.indices, table.lookup(tokens.values), tokens.dense_shape)
            vectors = tf.nn.safe_embedding_lookup_sparse(embeddings, numbers, combiner="sqrtn")
            vectors = tf.reshape(vectors, [tf.size(sentences), size])
            return {"outputs": vectors} if outputs == "dict" else vectors

        root.table = table
        root.variables = [embeddings]
        root.trainable_variables = [embeddings]
        root.regularization_losses = []
        root.__call__ = call
        tf.saved_model.save(root, str(folder))
    return folder


@contextmanager
def unchecked() -> Iterator[None]:
    """In it, functions are traced without TensorFlow's checks of ragged tensors: thousands of functions, which take
    seconds to trace, and again wherever the module is loaded."""

    def no_check(*_: Any, **__: Any) -> tf.Operation:
        return tf.no_op()

    with mock.patch.object(control_flow_assert, "Assert", no_check):
        yield


@unchecked()
def write_preprocessor(folder: Path, *, vocabulary: Sequence[str] = VOCABULARY, lowercase: bool = True) -> Path:
    """BERT's preprocessor as the public ones are: `__call__`, `tokenize`, `bert_pack_inputs`, a vocabulary asset."""
    root = tf.train.Checkpoint()
    with tempfile.TemporaryDirectory() as scratch:
        file = _put(scratch, "vocab.txt", "".join(f"{piece}\n" for piece in vocabulary).encode())
        table = tf.lookup.StaticHashTable(
            tf.lookup.TextFileInitializer(
                file, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER
            ),
            default_value=-1,
        )
        tokenizer = tf_text.BertTokenizer(table, lower_case=lowercase)
        root.table = table
        specials = {name: vocabulary.index(piece) for name, piece in zip(_SPECIALS, _PIECES, strict=True)}
        specials["vocab_size"] = len(vocabulary)
        _add_preprocessing(root, lambda texts: tf.cast(tokenizer.tokenize(texts), tf.int32), specials)
        tf.saved_model.save(root, str(folder))
    return folder


@unchecked()
def write_sentence_piece_preprocessor(folder: Path) -> Path:
    """ALBERT's preprocessor as the public ones are: accents dropped, case folded, then SentencePiece."""
    tokenizer = tf_text.SentencepieceTokenizer(model=sentence_piece_model(), out_type=tf.int32)

    def tokenise(texts: tf.Tensor) -> tf.RaggedTensor:
        texts = tf.strings.regex_replace(tf_text.normalize_utf8(texts, "NFD"), r"\p{Mn}", "")
        return tokenizer.tokenize(tf_text.case_fold_utf8(texts))

    root = tf.train.Checkpoint()
    root.tokenizer = tokenizer
    specials = dict(zip(_SPECIALS, (2, 3, 0, 4), strict=True))
    _add_preprocessing(root, tokenise, {**specials, "vocab_size": int(tokenizer.vocab_size())})
    tf.saved_model.save(root, str(folder))
    return folder


_SPECIALS = ("start_of_sequence_id", "end_of_segment_id", "padding_id", "mask_id")
_PIECES = ("[CLS]", "[SEP]", "[PAD]", "[MASK]")


def _add_preprocessing(root: Any, tokenise: Callable[[tf.Tensor], tf.RaggedTensor], specials: dict[str, int]) -> None:
    def pack(segments: list[tf.RaggedTensor], length: tf.Tensor | int) -> dict[str, tf.Tensor]:
        segments = [text.merge_dims(1, -1) if text.shape.rank > 2 else text for text in segments]
        trimmed = tf_text.RoundRobinTrimmer(length - len(segments) - 1).trim(segments)
        ids, types = tf_text.combine_segments(
            trimmed,
            start_of_sequence_id=specials["start_of_sequence_id"],
            end_of_segment_id=specials["end_of_segment_id"],
        )
        word_ids, _ = tf_text.pad_model_inputs(ids, length, pad_value=specials["padding_id"])
        type_ids, mask = tf_text.pad_model_inputs(types, length, pad_value=0)
        shape = tf.stack([segments[0].nrows(out_type=tf.int32), tf.cast(length, tf.int32)])
        named = zip(TOKEN_INPUTS, (word_ids, mask, type_ids), strict=True)
        return {name: tf.reshape(tensor, shape) for name, tensor in named}

    texts = tf.TensorSpec([None], tf.string, name="sentences")
    root.__call__ = tf.function(
        lambda sentences: pack([tokenise(sentences)], LENGTH), input_signature=[texts], autograph=False
    )
    root.tokenize = tf.train.Checkpoint()
    root.tokenize.__call__ = tf.function(tokenise, input_signature=[texts], autograph=False)
    root.tokenize.get_special_tokens_dict = tf.train.Checkpoint()
    root.tokenize.get_special_tokens_dict.__call__ = tf.function(lambda: dict(specials), input_signature=[])

    @tf.function(autograph=False)
    def bert_pack_inputs(inputs: list[tf.RaggedTensor], seq_length: tf.Tensor | int = LENGTH) -> dict[str, tf.Tensor]:
        return pack(inputs, seq_length)

    seq_length = tf.TensorSpec([], tf.int32, "seq_length")
    with tracing_to_save():
        for rank in (1, 2):
            for count in (1, 2):
                ragged = [tf.RaggedTensorSpec([None] * (rank + 1), tf.int32) for _ in range(count)]
                bert_pack_inputs.get_concrete_function(ragged, seq_length=seq_length)
    root.bert_pack_inputs = tf.train.Checkpoint()
    root.bert_pack_inputs.__call__ = bert_pack_inputs


def sentence_piece_model() -> bytes:
    """A SentencePiece model of the words of `tiny_bert.reviews`, with ALBERT's special pieces; the same each time."""
    import sentencepiece

    model = io.BytesIO()
    pad, unknown, *others = SENTENCE_PIECE_SPECIALS
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([text for text, _ in reviews()] + [" ".join(VOCABULARY)]),
        model_writer=model,
        model_type="unigram",
        vocab_size=60,
        hard_vocab_limit=False,
        pad_id=0,
        unk_id=1,
        bos_id=-1,
        eos_id=-1,
        pad_piece=pad,
        unk_piece=unknown,
        control_symbols=list(others),
        minloglevel=2,
    )
    return model.getvalue()


def write_tf1_module(folder: Path) -> Path:
    """A module in the format of TF1: a graph without objects, and tfhub_module.pb."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        texts = tf.compat.v1.placeholder(tf.string, [None])
        weight = tf.compat.v1.get_variable("embeddings", [3, 4])
        vectors = tf.gather(weight, tf.strings.to_hash_bucket_fast(texts, 3))
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.saved_model.simple_save(session, str(folder), {"text": texts}, {"default": vectors})
    (folder / "tfhub_module.pb").write_bytes(b"\x08\x03")  # ModuleDef {format: FORMAT_V3}
    return folder


def write_broken_module(folder: Path) -> Path:
    """A module whose saved_model.pb is cut off in the middle."""
    BERT.write(folder)
    graph = folder / "saved_model.pb"
    graph.write_bytes(graph.read_bytes()[: graph.stat().st_size // 2])
    return folder


def write_dangerous_module(folder: Path) -> Path:
    """A module that reads whatever file its input names."""
    root = tf.train.Checkpoint()
    texts = tf.TensorSpec([None], tf.string)
    read = tf.function(lambda names: tf.map_fn(tf.io.read_file, names), input_signature=[texts])
    root.__call__ = read
    tf.saved_model.save(root, str(folder))
    return folder


def write_image_module(folder: Path) -> Path:
    """A module that is whole, but for images."""
    root = tf.train.Checkpoint()
    root.__call__ = tf.function(
        lambda images: tf.reduce_mean(images, [1, 2]), input_signature=[tf.TensorSpec([None, 8, 8, 3], tf.float32)]
    )
    tf.saved_model.save(root, str(folder))
    return folder


def variables_of_hugging_face(folder: Path, heads: int) -> Variables:
    """The weights of a Hugging Face BERT folder by the names of a module: what `EncoderModule.write` takes."""
    from safetensors.numpy import load_file

    tensors = load_file(folder / "model.safetensors")
    hidden = tensors["pooler.dense.bias"].size

    def norm(name: str, stored: str) -> Variables:
        return {f"{name}/gamma": tensors[f"{stored}.weight"], f"{name}/beta": tensors[f"{stored}.bias"]}

    def dense(name: str, stored: str, *shape: int, bias: tuple[int, ...] = (-1,)) -> Variables:
        kernel = np.ascontiguousarray(tensors[f"{stored}.weight"].T)
        return {
            f"{name}/kernel": kernel.reshape(shape or kernel.shape),
            f"{name}/bias": tensors[f"{stored}.bias"].reshape(bias),
        }

    variables = {
        "word_embeddings/embeddings": tensors["embeddings.word_embeddings.weight"],
        "position_embedding/embeddings": tensors["embeddings.position_embeddings.weight"],
        "type_embeddings/embeddings": tensors["embeddings.token_type_embeddings.weight"],
        **norm("embeddings/layer_norm", "embeddings.LayerNorm"),
    }
    layers = 1 + max(int(match[1]) for name in tensors if (match := re.match(r"encoder\.layer\.(\d+)\.", name)))
    for number in range(layers):
        name, stored = f"transformer/layer_{number}", f"encoder.layer.{number}"
        attention = f"{name}/self_attention"
        for part in ("query", "key", "value"):
            source = f"{stored}.attention.self.{part}"
            variables |= dense(f"{attention}/{part}", source, hidden, heads, hidden // heads, bias=(heads, -1))
        output = f"{stored}.attention.output"
        variables |= dense(f"{attention}/attention_output", f"{output}.dense", heads, hidden // heads, hidden)
        variables |= norm(f"{name}/self_attention_layer_norm", f"{output}.LayerNorm")
        variables |= dense(f"{name}/intermediate", f"{stored}.intermediate.dense")
        variables |= dense(f"{name}/output", f"{stored}.output.dense")
        variables |= norm(f"{name}/output_layer_norm", f"{stored}.output.LayerNorm")
    return variables | dense("pooler_transform", "pooler.dense")


def _penalty(embeddings: tf.Variable) -> Any:
    return tf.function(lambda: 0.01 * tf.reduce_sum(tf.square(embeddings)), input_signature=[])


def _put(folder: str, name: str, content: bytes) -> str:
    path = Path(folder) / name
    path.write_bytes(content)
    return str(path)
