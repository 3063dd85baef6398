"""A chat template without Jinja: a table of what stands before each message, by its role and the one before.

Most templates are no more than that. The table is learned by rendering stand-ins, and proved on random conversations; a
template that is more has none.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sftkeras.conversations import Conversation, Message, Role
from sftkeras.errors import SFTError
from sftkeras.text import marks
from sftkeras.text.templates.special_tokens import SpecialTokens

COMPILED_ROLES: tuple[Role, ...] = ("system", "user", "assistant")
START = ""  # in place of the role before the first message

# What `str.strip` and Jinja's `trim` take away, as characters of a regular expression.
WHITE_SPACE = "\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"

Prompt = Callable[[Conversation], str]
Key = tuple[str, str, bool]

_PROVED_ON = 300  # conversations
_LONGEST = 6  # messages of one
TRUSTED = ("system", "assistant")  # roles that may write tokens which are found in any text
_NOTHING_FOUND = SpecialTokens(())
_PARTS = ("a", "Bé", "日本", " ", "\n", "\t", "\u3000", "<|im_end|>", "<think>", "</think>", "{{ x }}", "'", '"', "0")


@dataclass(frozen=True)
class CompiledTemplate:
    """Strings that a template writes around contents.

    Attributes:
        before: what stands before a message: by the role before it, its own, and whether it is the last.
        generation: what asks for an answer, by the role of the last message.
        stripped: roles whose contents lose white space at both ends.
        found_in_texts: the tokens that the tokenizer finds in any text; users' texts hold none of them.
    """

    before: Mapping[Key, str]
    generation: Mapping[str, str]
    stripped: frozenset[str]
    found_in_texts: SpecialTokens = _NOTHING_FOUND

    def render(self, roles: Sequence[str], contents: Sequence[str]) -> str | None:
        """Return the marked prompt of a conversation; None if it is none that the template takes."""
        parts = []
        for key, role, content in zip(_keys(roles), roles, contents, strict=True):
            if key not in self.before:
                return None
            content = marks.ordinary(content)
            content = content if role in TRUSTED else self.found_in_texts.divided(content)
            parts += [self.before[key], content.strip() if role in self.stripped else content]
        return "".join(parts) + self.generation[roles[-1]] if roles and roles[-1] in self.generation else None


def compiled_template(
    prompt: Prompt, found_in_texts: SpecialTokens = _NOTHING_FOUND, *, most: int = _LONGEST, seed: int = 0
) -> CompiledTemplate | None:
    """Learn what a template writes around contents, and prove it.

    Args:
        prompt: makes the marked prompt of a conversation; raises SFTError for one that it does not take.
        found_in_texts: the tokens that the tokenizer finds in any text, of which users' texts must hold none.
        most: messages of a conversation; 1 learns questions of a user alone.
        seed: of the conversations on which it is proved.

    Returns:
        The table; None if what is written depends on more.
    """
    before: dict[Key, str] = {}
    generation: dict[str, str] = {}
    for roles in _sequences(most):
        pieces = _pieces(prompt, roles)
        if pieces is None:
            continue
        found = zip(_keys(roles), pieces, strict=False)
        if any(before.setdefault(key, piece) != piece for key, piece in found):
            return None
        if generation.setdefault(roles[-1], pieces[-1]) != pieces[-1]:
            return None
    stripped = frozenset(role for role in COMPILED_ROLES if _strips(prompt, role, before))
    compiled = CompiledTemplate(before, generation, stripped, found_in_texts)
    return compiled if before and _is_proved(compiled, prompt, most, seed) else None


def random_conversations(
    count: int, most: int, seed: int, strings: Sequence[str] = ()
) -> Iterator[tuple[list[Role], list[str]]]:
    """Yield roles and contents of conversations such as nobody would write, some with `strings` in them, the same for
    the same seed."""
    drawn = random.Random(seed)
    for _ in range(count):
        roles: list[Role] = ["system"] if most > 1 and drawn.random() < 0.4 else []
        for _turn in range(drawn.randrange(max(1, (most - len(roles) + 1) // 2))):
            roles += ["user", "assistant"]
        roles.append("user")
        contents = ["".join(drawn.choices((*_PARTS, *strings), k=drawn.randrange(1, 7))) for _ in roles]
        yield roles, contents


def _sequences(most: int) -> Iterator[tuple[Role, ...]]:
    """The orders of roles that show all that a table may hold: questions and answers in turns, maybe a system first."""
    for turns in range(1, 4):
        roles: tuple[Role, ...] = (*("user", "assistant") * (turns - 1), "user")
        for first in ((), ("system",)):
            if len(first) + len(roles) <= most:
                yield (*first, *roles)


def _pieces(prompt: Prompt, roles: Sequence[Role], around: tuple[str, str] = ("", "")) -> list[str] | None:
    """Texts before, between and behind stand-ins; None if the template does not take the roles."""
    stand_ins = [f"StandIn{place}x" for place in range(len(roles))]
    contents = [stand_in.join(around) for stand_in in stand_ins]
    try:
        rest = prompt(_conversation(roles, contents))
    except SFTError:
        return None
    pieces = []
    for stand_in in stand_ins:
        piece, found, rest = rest.partition(stand_in)
        if not found:
            return None
        pieces.append(piece)
    return [*pieces, rest]


def _strips(prompt: Prompt, role: Role, before: Mapping[Key, str]) -> bool:
    """Whether a role's contents lose white space at both ends, as far as one conversation shows it."""
    roles = next(
        (roles for roles in _sequences(_LONGEST) if role in roles and before.keys() >= set(_keys(roles))), None
    )
    if roles is None:
        return False
    plain, spaced = _pieces(prompt, roles), _pieces(prompt, roles, (" \n", "\n "))
    place = roles.index(role)
    return bool(plain and spaced and plain[place] == spaced[place])


def _keys(roles: Sequence[str]) -> list[Key]:
    """The keys of the messages of a conversation."""
    last = len(roles) - 1
    return [(roles[place - 1] if place else START, role, place == last) for place, role in enumerate(roles)]


def _is_proved(compiled: CompiledTemplate, prompt: Prompt, most: int, seed: int) -> bool:
    for roles, contents in random_conversations(_PROVED_ON, most, seed, compiled.found_in_texts.strings):
        try:
            expected: str | None = prompt(_conversation(roles, contents))
        except SFTError:
            expected = None
        if compiled.render(roles, contents) != expected:
            return False
    return True


def _conversation(roles: Sequence[Role], contents: Sequence[str]) -> Conversation:
    return Conversation(tuple(Message(role, content) for role, content in zip(roles, contents, strict=True)))
