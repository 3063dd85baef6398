"""README.md of a published folder: what it is, where it comes from, how it was checked and how to load it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sftkeras.backbones.hugging_face.config import read_json
from sftkeras.publishing.source import Source


@dataclass(frozen=True)
class Card:
    """The facts of a card.

    Attributes:
        name: of the folder.
        source: what was published.
        dtype: of the weights.
        difference: largest difference of an output, loaded again from the files.
        notes: what the reader must know to get the same outputs.
    """

    name: str
    source: Source
    dtype: str
    difference: float
    notes: tuple[str, ...]


# What Hugging Face's pages call the use of a class, and the function of `transformers.pipeline` for it.
_USES = {
    "ForCausalLM": "text-generation",
    "LMHeadModel": "text-generation",
    "ForSequenceClassification": "text-classification",
    "ForTokenClassification": "token-classification",
    "ForQuestionAnswering": "question-answering",
    "ForMaskedLM": "fill-mask",
}


def render_card(card: Card, folder: Path) -> str:
    """Return the card of a Hugging Face folder as Markdown.

    Args:
        card: its facts.
        folder: as it was written.
    """
    (architecture,) = read_json(folder / "config.json").get("architectures") or ("",)
    use = next((use for end, use in _USES.items() if architecture.endswith(end)), "feature-extraction")
    library = "transformers"
    if (folder / "modules.json").exists():
        library, use = "sentence-transformers", "sentence-similarity"
    return _sections(card, f"---\nlibrary_name: {library}\npipeline_tag: {use}\n---\n\n", _LOADING[use])


def render_gguf_card(card: Card, file: str) -> str:
    """Return the card of a GGUF file as Markdown."""
    return _sections(
        card, "---\nlibrary_name: gguf\npipeline_tag: text-generation\n---\n\n", _GGUF.replace("FILE", file)
    )


def _sections(card: Card, head: str, loading: str) -> str:
    origin = card.source.origin
    data = origin.data.get("train")
    tuned = f", fine-tuned on `{data}`" if data else ""
    notes = "".join(f"- {note}\n" for note in card.notes)
    return f"""{head}# {card.name}

Made of `{origin.backbone}`{tuned} with sftkeras: {card.source.backbone.parameters:,} parameters as {card.dtype}.

{notes}
## How it was checked

Loaded again from its files, its weights are those of the model it was made of, rounded to {card.dtype}, its tokenizer
gives the same tokens, and its outputs differ by {card.difference:.1e} at most.

## How to load it

{loading.replace("NAME", card.name)}
In sftkeras, as `--backbone.handle {card.name}`.

## License

The weights and the vocabulary keep the license of the model they come from, named above: read it there before you pass
this on. Publishing adds no terms.
""".replace("\n\n\n", "\n\n")


def _of_pipeline(use: str, given: str) -> str:
    return f"""```python
from transformers import pipeline

predict = pipeline("{use}", "NAME")
print(predict({given}))
```
"""


_LOADING = {
    "text-generation": """```python
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer, model = AutoTokenizer.from_pretrained("NAME"), AutoModelForCausalLM.from_pretrained("NAME")
conversation = [{"role": "user", "content": "Hello!"}]
prompt = tokenizer.apply_chat_template(conversation, add_generation_prompt=True, return_tensors="pt", return_dict=True)
answer = model.generate(**prompt, max_new_tokens=64, do_sample=False)[0, prompt["input_ids"].shape[1] :]
print(tokenizer.decode(answer, skip_special_tokens=True))
```

With vLLM: `vllm serve NAME`.
""",
    "text-classification": _of_pipeline("text-classification", '"a text"'),
    "token-classification": _of_pipeline("token-classification", '"a text with names"'),
    "question-answering": _of_pipeline("question-answering", 'question="Who?", context="a text with the answer"'),
    "fill-mask": _of_pipeline("fill-mask", 'f"a text with a {predict.tokenizer.mask_token}"'),
    "sentence-similarity": """```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("NAME")
print(model.similarity(model.encode(["a text"]), model.encode(["another"])))
```
""",
    "feature-extraction": """```python
from transformers import AutoModel, AutoTokenizer

tokenizer, model = AutoTokenizer.from_pretrained("NAME"), AutoModel.from_pretrained("NAME")
vectors = model(**tokenizer("a text", return_tensors="pt")).last_hidden_state
```
""",
}
_GGUF = """With llama.cpp: `llama-cli -m FILE`, or `llama-server -m FILE`.

With Ollama, by the `Modelfile` beside it:

```sh
ollama create NAME -f Modelfile
ollama run NAME
```
"""
