"""Chat templates: a conversation to one string, in which it is marked what the template wrote and what is learned."""

from sftkeras.text.templates.chat_template import ChatTemplate, Rendered, TrainOn
from sftkeras.text.templates.finding import NAMED, find_template

__all__ = ["NAMED", "ChatTemplate", "Rendered", "TrainOn", "find_template"]
