"""Chat templates by name, for weights that come without one. Each writes what its family's own template does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class NamedTemplate:
    """A template by name.

    Attributes:
        source: Jinja's text.
        tokens: the special tokens that it writes, beside those that the vocabulary names (`bos_token`, `eos_token`).
    """

    source: str
    tokens: tuple[str, ...] = ()


# OpenAI's Chat Markup Language, without a system message of its own.
_CHATML = """
{%- for message in messages %}
    {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""

_LLAMA3 = """
{{- bos_token }}
{%- for message in messages %}
    {%- set role = 'ipython' if message.role == 'tool' else message.role %}
    {{- '<|start_header_id|>' + role + '<|end_header_id|>\\n\\n' + message.content | trim }}
    {%- for call in message.tool_calls or [] %}
        {{- '{"name": "' + call.function.name + '", "parameters": ' + call.function.arguments | tojson + '}' }}
    {%- endfor %}
    {{- '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""

# Gemma and Mistral 7B Instruct have no role of a system: what it says stands before the first question.
_IN_TURNS = """
{{- bos_token }}
{%- set system = '' %}
{%- if messages[0].role == 'system' %}
    {%- set system = messages[0].content | trim + '\\n\\n' %}
    {%- set messages = messages[1:] %}
{%- endif %}
{%- for message in messages %}
    {%- if message.role != ('assistant' if loop.index0 % 2 else 'user') %}
        {{- raise_exception('user and assistant must take turns, and the user begins') }}
    {%- endif %}
"""

_GEMMA = (
    _IN_TURNS
    + """\
    {{- '<start_of_turn>' + ('model' if message.role == 'assistant' else 'user') + '\\n' }}
    {{- (system if loop.first else '') + message.content | trim + '<end_of_turn>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<start_of_turn>model\\n' }}
{%- endif %}
"""
)

_MISTRAL = (
    _IN_TURNS
    + """\
    {%- if message.role == 'user' %}
        {{- '[INST] ' + (system if loop.first else '') + message.content | trim + ' [/INST]' }}
    {%- else %}
        {{- ' ' + message.content | trim + eos_token }}
    {%- endif %}
{%- endfor %}
"""
)

# For vocabularies without tokens for chats: names, and the end of a text as that of an answer.
_PLAIN = """
{%- for message in messages %}
    {{- message.role | capitalize + ': ' + message.content | trim }}
    {{- eos_token + '\\n' if message.role == 'assistant' else '\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- 'Assistant:' }}
{%- endif %}
"""

NAMED = {
    "chatml": NamedTemplate(_CHATML, ("<|im_start|>", "<|im_end|>")),
    "llama3": NamedTemplate(_LLAMA3, ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")),
    "gemma": NamedTemplate(_GEMMA, ("<start_of_turn>", "<end_of_turn>")),
    "mistral": NamedTemplate(_MISTRAL),
    "plain": NamedTemplate(_PLAIN),
}
