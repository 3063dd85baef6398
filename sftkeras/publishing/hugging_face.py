"""A backbone as a folder that transformers, sentence-transformers and vLLM load."""

from __future__ import annotations

import shutil
from pathlib import Path

from sftkeras.backbones.converted import write_json
from sftkeras.backbones.hugging_face import load_tokenizer, write_decoder, write_folder
from sftkeras.backbones.hugging_face.config import read_json
from sftkeras.backbones.hugging_face.family import model_type_of
from sftkeras.backbones.hugging_face.masked_lm import MaskedLMHead
from sftkeras.backbones.hugging_face.sentence_model import SentenceModel, write_sentence_model
from sftkeras.backbones.hugging_face.task_heads import TaskHead, has_form
from sftkeras.backbones.hugging_face.tensors import FloatType
from sftkeras.backbones.hugging_face.tokenizers import FILES
from sftkeras.backbones.publishing.read_back import prove_folder
from sftkeras.command_line import next_commands
from sftkeras.disk.files import write_text
from sftkeras.exporting.parity import ODD_TEXTS
from sftkeras.publishing.cards import Card, render_card
from sftkeras.publishing.source import Source
from sftkeras.tasks.masked_lm.vocabulary_head import VocabularyHead

_TOKENIZER, _GENERATION = "tokenizer_config.json", "generation_config.json"
_TEMPLATE = "chat_template"


def write(source: Source, draft: Path, output: Path, dtype: FloatType) -> list[str]:
    """Writes the folder, and proves that it is read as it was meant; returns what to say of it.

    Args:
        source: what is published.
        draft: an empty folder, which becomes `output`.
        output: the folder.
        dtype: of the weights.

    Raises:
        SFTError: SFT378 if a preprocessor tokenised a run's texts, SFT379 if the folder does not pass.
    """
    notes = write_decoder_folder(source, draft, dtype) if _is_decoder(source) else _write_encoder(source, draft, dtype)
    difference = prove_folder(source.backbone, draft, dtype, ODD_TEXTS)
    write_text(draft / "README.md", render_card(Card(output.name, source, dtype, difference, tuple(notes)), draft))
    return [
        f"Hugging Face folder  {output}",
        f"Loaded again, its outputs differ from the model's by {difference:.1e} at most ({dtype} weights).",
        *notes,
        "",
        "What to type next:",
        f"  {next_commands.with_backbone(output, source.kind)}",
    ]


def _is_decoder(source: Source) -> bool:
    return source.backbone.kind == "decoder"


def write_decoder_folder(source: Source, draft: Path, dtype: FloatType) -> list[str]:
    """Writes a decoder, with the chat template and the ends of answers that its run learned with; returns notes."""
    write_decoder(draft, source.backbone, dtype)
    _write_ends(source, draft)
    task = source.task
    if task.template is not None:
        _write_template(task.template, draft)
    return [f'Give conversations the system message that it learned with: "{task.system}"'] if task.system else []


def _write_ends(source: Source, draft: Path) -> None:
    """Writes into generation_config.json where answers end, and with what rows are filled."""
    tokenizer = source.tokenizer
    assert tokenizer.decoder is not None
    ends = dict.fromkeys([*(tokenizer.special[token] for token in source.task.end_tokens), *tokenizer.end_ids])
    known = read_json(draft / _GENERATION) if (draft / _GENERATION).exists() else {}
    numbers = {"eos_token_id": [*ends] if len(ends) > 1 else next(iter(ends)), "pad_token_id": tokenizer.pad_id}
    begin = tokenizer.decoder.begin_id
    write_json(draft / _GENERATION, {**known, **({} if begin is None else {"bos_token_id": begin}), **numbers})


def _write_template(template: str, draft: Path) -> None:
    """Writes a chat template in place of that of the pretrained model."""
    write_text(draft / f"{_TEMPLATE}.jinja", template)
    (draft / f"{_TEMPLATE}.json").unlink(missing_ok=True)
    if (draft / _TOKENIZER).exists():
        settings = read_json(draft / _TOKENIZER)
        write_json(draft / _TOKENIZER, {key: value for key, value in settings.items() if key != _TEMPLATE})


# Encoders.


def _write_encoder(source: Source, draft: Path, dtype: FloatType) -> list[str]:

    backbone, notes = source.backbone, _notes_on_texts(source)
    head, missing = _head(source)
    write_folder(draft, backbone.model, source.tokenizer, has_pooler=backbone.has_pooler, head=head, dtype=dtype)
    _keep_tokenizer_files(source, draft)
    length = source.run.max_length if source.run else backbone.max_positions
    write_json(draft / _TOKENIZER, {**read_json(draft / _TOKENIZER), "model_max_length": length})
    sentence_model = _sentence_model(source)
    if sentence_model:
        pooler = backbone.pooler if source.run and sentence_model.pooling == "cls" and backbone.has_pooler else None
        write_sentence_model(sentence_model, draft, pooler, backbone.model.hidden_dim)
    return [*missing, *notes]


def _head(source: Source) -> tuple[TaskHead | MaskedLMHead | None, list[str]]:
    """Return the head of a run that transformers has a class for, and a note if it has none."""
    if source.run is None:
        return None, []
    network, described = source.run.model.network, source.task.head
    if described is None:
        return VocabularyHead.of(network), []
    model_type = model_type_of(source.backbone.model)
    pooled = source.run.pooling == "cls" and source.backbone.has_pooler
    if not has_form(model_type, described.kind, pooled=pooled):
        return None, [
            f"This is the encoder without its classifier: behind {source.run.pooling} pooling, the classes of "
            f"transformers for {model_type} would compute something else. Export the run to serve its predictions."
        ]
    layer = network.get_layer("logits")
    kernel, bias = layer.kernel.numpy() * described.scale, layer.bias.numpy() * described.scale + described.shift
    head = TaskHead(described.kind, kernel, bias, described.labels, described.problem_type)
    return head, []


def _sentence_model(source: Source) -> SentenceModel | None:
    """Return how a text's vector is made, if the run learned it, or if sentence-transformers knows the encoder so."""
    if source.run and source.task.gives_vectors:
        return SentenceModel(source.run.pooling, source.run.max_length, lowers=False, left_out=(), normalises=True)
    given = source.sentence_model
    return given if given and given.is_plain else None


def _keep_tokenizer_files(source: Source, draft: Path) -> None:
    """Puts the tokenizer's files that the encoder came with in place of ours, where they say the same."""
    paths = {name: path for name, path in source.backbone.files.items() if name in FILES}
    if source.backbone.format != "hugging_face" or not paths:
        return
    folder = next(iter(paths.values())).parent
    if load_tokenizer(folder).fingerprint != source.tokenizer.fingerprint:
        return
    for name in FILES:
        (draft / name).unlink(missing_ok=True)
    for name, path in paths.items():
        shutil.copyfile(path, draft / name)
    if not (draft / _TOKENIZER).exists():
        write_json(draft / _TOKENIZER, {})


def _notes_on_texts(source: Source) -> list[str]:
    """Say what is done to texts before their tokens, which no file of the folder does."""
    steps = [name for name, value in (source.run.cleaning if source.run else {}).items() if value]
    return [f"Texts were cleaned before they were tokenised ({', '.join(steps)}): do the same."] if steps else []
