"""The Modelfile by which Ollama makes a model of a GGUF file: template, system message, stop strings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from sftkeras.backbones.gguf.written_tokenizers import WrittenTokenizer
from sftkeras.errors import SFTError
from sftkeras.text.marks import without_marks
from sftkeras.text.templates import find_template
from sftkeras.text.templates.compiled import START, CompiledTemplate, compiled_template


def render_modelfile(file: str, folder: Path, tokenizer: WrittenTokenizer, system: str | None) -> str:
    """Return the text of a Modelfile.

    Args:
        file: name of the GGUF file beside it.
        folder: the Hugging Face folder that the file was made of.
        tokenizer: what the file says of it.
        system: system message of conversations that have none.
    """
    template = _compiled(folder)
    if template is None:
        parts = ["# Without TEMPLATE, Ollama looks for one of its own that is like the template in the file."]
    else:
        parts = [f'TEMPLATE """{go_template(template, tokenizer.begin)}"""']
    if system:
        parts.append(f'SYSTEM """{system}"""')
    stops = [f"PARAMETER stop {json.dumps(end, ensure_ascii=False)}" for end in tokenizer.ends]
    return "\n".join([f"FROM ./{file}", *parts, *stops]) + "\n"


def _compiled(folder: Path) -> CompiledTemplate | None:
    """Return the chat template of a folder as a table; None if it has none, or one that is more than a table."""
    try:
        template = find_template("auto", folder, ())
    except SFTError:
        return None
    return compiled_template(lambda conversation: template.render(conversation, generation=True), template.in_texts)


def go_template(template: CompiledTemplate, begin: str | None) -> str:
    """Return a compiled template in the language of Go's `text/template`, which Ollama reads.

    The table of what stands before a message becomes a chain of conditions.

    Args:
        template: the table.
        begin: the token that is put before texts whatever they are; the template is to write no second one.
    """
    cases = []
    for (previous, role, is_last), written in template.before.items():
        last = "$isLast" if is_last else "(not $isLast)"
        condition = f"and (eq $previous {_quoted(previous)}) (eq .Role {_quoted(role)}) {last}"
        text = without_marks(written)
        cases.append((condition, _literal(text.removeprefix(begin) if begin and previous == START else text)))
    ends = [
        (f"eq $previous {_quoted(role)}", _literal(without_marks(written)))
        for role, written in template.generation.items()
    ]
    return (
        f"{{{{- $previous := {_quoted(START)} }}}}"
        "{{- range $place, $_ := .Messages }}"
        "{{- $isLast := eq (len (slice $.Messages $place)) 1 }}"
        f"{_chain(cases)}{{{{ .Content }}}}{{{{- $previous = .Role }}}}"
        "{{- end }}"
        f"{_chain(ends)}"
    )


def _chain(cases: Sequence[tuple[str, str]]) -> str:
    conditions = "".join(
        f"{{{{- {'else ' if place else ''}if {condition} }}}}{literal}"
        for place, (condition, literal) in enumerate(cases)
    )
    return f"{conditions}{{{{- end }}}}"


def _literal(text: str) -> str:
    """Return an action that writes a text, which may hold line breaks and braces."""
    return f"{{{{ {_quoted(text)} }}}}" if text else ""


def _quoted(text: str) -> str:
    """Return a text as a string of Go."""
    return json.dumps(text, ensure_ascii=False)
