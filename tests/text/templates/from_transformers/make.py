"""Makes the file beside this one: what transformers renders of drawn conversations, and where the assistant speaks.

Needs transformers, which the tests do not. Made with transformers 5.24:

    PYTHONPATH=. python tests/text/templates/from_transformers/make.py
"""

import json
from pathlib import Path

from transformers.utils.chat_template_utils import render_jinja_template

from tests.text.templates import real
from tests.text.templates.drawn import conversations
from tests.text.templates.rendered import digest_of
from tests.text.templates.tagged import NAMES, Tagged, tagged

COUNT, SHOWN = 1000, 2


def rendered(written: Tagged) -> list[tuple[str, list[tuple[int, int]]]]:
    """The text of each conversation and the spans of characters that the assistant writes."""
    template, source, tools = written
    found = []
    for conversation in conversations(COUNT, tools=tools):
        messages = [message.values() for message in conversation.messages]
        given = {"tools": list(conversation.tools) or None, **template.variables}
        (text,), (spans,) = render_jinja_template(
            [messages], chat_template=source, return_assistant_tokens_mask=True, **given
        )
        (plain,), _ = render_jinja_template([messages], chat_template=template.source, **given)
        assert plain == text
        found.append((text, [tuple(span) for span in spans]))
    return found


if __name__ == "__main__":
    made = {}
    for name, shown in [*((name, SHOWN) for name in NAMES), *((name, 0) for name in real.NAMES)]:
        rows = rendered(tagged(name) if shown else real.tagged(name))
        made[name] = {"rows": len(rows), "digest": digest_of(rows), "first": rows[:shown]}
    Path(__file__).with_name("rendered.json").write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", "utf-8")
