"""README.md of a published module: what it is, where it comes from, how it was checked and how to load it."""

from __future__ import annotations

import math

from sftkeras.backbones.backbone import Backbone
from sftkeras.backbones.tfhub.names import HUB_INPUTS, hub_names

_POOLED = {
    "pooler": "the first token's vector through its pooler",
    "cls": "the first token's vector as it is; it has no pooler",
    "mean": "the mean of the token vectors; it has no pooler",
    "max": "the largest value of each feature over the tokens; it has no pooler",
}


def render_card(
    name: str, backbone: Backbone, pooling: str, difference: float, *, source: str, learned_from: str | None = None
) -> str:
    """Gives the card as Markdown.

    Args:
        name: of the module.
        backbone: the encoder that was published.
        pooling: how its token vectors become "pooled_output".
        difference: largest difference of an output, loaded again from the files.
        source: handle of the pretrained encoder.
        learned_from: the data it was fine-tuned on; None if it was not.
    """
    sections = [
        f"# {name}\n\n{_summary(backbone, source, learned_from)}",
        f"## What it gives\n\n{_outputs(backbone, pooling)}",
        f"## How it was checked\n\n{_proof(difference)}",
        f"## How to load it\n\n{_loading(name, is_opaque=backbone.is_module)}",
        f"## License\n\n{_LICENSE}",
    ]
    return "\n\n".join(sections) + "\n"


_LICENSE = """The weights and the vocabulary keep the license of the encoder they come from, named above: read it
there before you pass this module on. Publishing adds no terms."""


def _summary(backbone: Backbone, source: str, learned_from: str | None) -> str:
    encoder = backbone.model
    tuned = f", fine-tuned on `{learned_from}`" if learned_from else ""
    if backbone.is_module:
        facts = {"parameters": f"{backbone.parameters:,}"}
    else:
        sizes = [math.prod(variable.shape) for variable, _ in hub_names(encoder, backbone.has_pooler)]
        facts = {
            "parameters": f"{sum(sizes):,}",
            "layers, heads, hidden size": f"{encoder.num_layers}, {encoder.num_heads}, {encoder.hidden_dim}",
            "tokens in the vocabulary": f"{encoder.token_embedding.input_dim:,}",
            "longest text": f"{backbone.max_positions} tokens",
        }
    rows = "\n".join(f"| {name} | {value} |" for name, value in facts.items())
    return f"""A text encoder as a TF-Hub module (TF2 SavedModel, reusable interface), made of `{source}`{tuned}.

| | |
|---|---|
{rows}"""


def _outputs(backbone: Backbone, pooling: str) -> str:
    if backbone.is_module:
        return "What the module it is made of gives: only the weights are others. It is called as that one is."
    inputs = ", ".join(f"`{name}`" for name in HUB_INPUTS)
    pooled = _POOLED["pooler" if backbone.has_pooler else pooling]
    return f"""Called with a dictionary of {inputs}, each [batch, length] int32:

- `sequence_output` [batch, length, hidden]: one vector a token
- `pooled_output`, also named `default`, [batch, hidden]: {pooled}
- `encoder_outputs`: a list, what each layer gives

`training=True` turns dropout on. All `trainable_variables` have gradients."""


def _proof(difference: float) -> str:
    return f"""Loaded from its files, it was compared with the encoder it was made of.

| | largest difference |
|---|---|
| outputs | {difference:.1e} |
| weights | none |
| tokens of its preprocessor, if there is one | none |"""


def _loading(name: str, *, is_opaque: bool) -> str:
    here = f"""In sftkeras, from the folder that holds `{name}`:

```sh
python -m sftkeras.train --backbone.handle {name} --data.train FILE
```"""
    if is_opaque:
        return f"{here}\n\nElsewhere: as the module it is made of."
    return f"""{here}

In tf_keras, with `tensorflow_hub` and `tensorflow_text` installed:

```python
import tensorflow as tf, tensorflow_hub as hub, tensorflow_text, tf_keras

texts = tf_keras.Input([], dtype=tf.string)
inputs = hub.KerasLayer("{name}/preprocessor")(texts)
outputs = hub.KerasLayer("{name}", trainable=True)(inputs)
model = tf_keras.Model(texts, tf_keras.layers.Dense(1)(outputs["pooled_output"]))
```

With TensorFlow alone, pairs of texts and a length of your own:

```python
import tensorflow as tf, tensorflow_text

preprocessor, encoder = tf.saved_model.load("{name}/preprocessor"), tf.saved_model.load("{name}")
tokens = [preprocessor.tokenize(tf.constant(["a text"])), preprocessor.tokenize(tf.constant(["another"]))]
vectors = encoder(preprocessor.bert_pack_inputs(tokens, seq_length=tf.constant(32)))["pooled_output"]
```"""
