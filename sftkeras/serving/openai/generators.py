"""The versions that generate, and requests for texts on their way through one of them."""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

from aiohttp import web

from sftkeras.serving.answering import Answering
from sftkeras.serving.generation.requests import Piece, Token
from sftkeras.serving.openai.completions import CompletionRequest
from sftkeras.serving.openai.errors import RequestError
from sftkeras.serving.openai.generating import Pieces, TextRequest, answer_in_pieces, answer_whole
from sftkeras.serving.openai.prompts import Prompts
from sftkeras.serving.openai.scores import score_texts, vocabulary_of
from sftkeras.serving.openai.served_models import generates, used
from sftkeras.serving.openai.texts import pieces_of
from sftkeras.serving.served_version import ServedVersion
from sftkeras.text import marks


class Generators:
    """Answers requests for texts.

    Args:
        answering: the models.
    """

    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        # What is read once of a version, for as long as it is loaded.
        self._prompts: WeakKeyDictionary[ServedVersion, Prompts] = WeakKeyDictionary()
        self._vocabularies: WeakKeyDictionary[ServedVersion, list[bytes]] = WeakKeyDictionary()

    async def answer(self, request: web.Request, asked: TextRequest) -> web.StreamResponse:
        """Answer a request, whole or in pieces; the version stays loaded until the last of them.

        Raises:
            ServingError: there is no such model, it generates no texts, or these cannot be generated.
            ConnectionError: the client has left.
        """
        with used(self._answering.store, asked.model) as version:
            if not generates(version):
                message = f"The model `{asked.model}` generates no texts."
                raise RequestError(message, param="model", reason="unsupported_model")
            prompts = self._prompts_of(version)
            # A template is a program: one that is slow is to hold up nobody else.
            wanted = await asyncio.to_thread(asked.generation_requests, prompts)
            pieces = pieces_of(version.generating, wanted)
            if isinstance(asked, CompletionRequest) and asked.needs_scores:
                asked = asked.with_scores(await self._scores(asked, version, prompts))
                if asked.only_echoes:
                    pieces = _echoes(asked, prompts)
            name = f"{version.model}/versions/{version.number}"
            if asked.streaming.wanted:
                return await answer_in_pieces(request, asked, pieces, len(wanted), name)
            body = await answer_whole(asked, pieces, len(wanted), name)
            return web.Response(body=body, headers={"Content-Type": "application/json"})

    def _prompts_of(self, version: ServedVersion) -> Prompts:
        if version not in self._prompts:
            self._prompts[version] = Prompts(version.generation)
        return self._prompts[version]

    async def _scores(self, asked: CompletionRequest, version: ServedVersion, prompts: Prompts) -> list[list[Token]]:
        """The tokens of each prompt."""
        if version not in self._vocabularies:
            self._vocabularies[version] = await vocabulary_of(self._answering, version)
        texts = [marks.ordinary(text) for text in asked.prompts]
        return await score_texts(self._answering, version, prompts.begin, texts, self._vocabularies[version])


async def _echoes(asked: CompletionRequest, prompts: Prompts) -> Pieces:
    """Continuations of no token each."""
    for place, tokens in enumerate(asked.scored):
        prompt_tokens = len(tokens) + bool(prompts.begin)
        for number in range(asked.sampling.n):
            yield place * asked.sampling.n + number, Piece("", (), "length", prompt_tokens, 0, 0)
