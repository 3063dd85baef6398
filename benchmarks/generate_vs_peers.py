"""Generating side by side: the embedded server's streams, transformers on PyTorch, and llama.cpp.

    python -m sftkeras.publish --run runs/chat --format hugging_face --output published/chat
    python benchmarks/generate_vs_peers.py --model saved_models/chat --folder published/chat \\
        --peer_python .venv-bench/bin/python                                       # 6 minutes
    … --gguf published/chat-gguf/chat-gguf.gguf --llama_python .venv-llama/bin/python   # llama.cpp too, by xllamacpp

The export, the folder and the GGUF file are of one run, all in float32. All continue the same texts with the most
probable tokens; a prompt is asked once, so that nothing of it is known from before. The contenders take turns, request
by request, as turns.py describes, and a ratio is formed of two turns of one round: the figure is the median over the
rounds, with the quartiles. Times are those of a client of the server, and of a call in process of the others.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, aclosing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from event_streams import events_of
from processes import HERE, Worker, sftkeras_server
from records import Rows, keep_and_show, machine, now, shown_machine
from turns import OtherWork, Quartiles, Round, beside_goals, take_turns

from sftkeras.exporting.versions import find_version

NEW_TOKENS = 64
CLIENTS = 8
PROMPT_WORDS, PROMPT_REPEATS = 4, 8
LONG_WORDS = 200
SHARED_WORDS = 400
# Each is one token of the usual vocabularies.
WORDS = (
    "time people way water day part work place year back thing name sentence man line boy farm end men land home hand "
    "picture air animal house page letter point mother answer world food country plant school father tree city earth "
    "eye head story example life paper group music book river car feet side mile night sea body dog family horse"
)

SERVER, MANY, TORCH, LLAMA = "sftkeras", f"sftkeras, {CLIENTS} clients", "transformers", "llama.cpp"
FIRST, FORWARD, SHARED = "sftkeras, first token", "transformers, forward pass", "sftkeras, shared beginning"


def main() -> None:
    """Lets all take their turns, prints the comparison, and keeps it."""
    settings = arguments()
    version = find_version(settings.model)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        work = Path(settings.work or folder)
        work.mkdir(parents=True, exist_ok=True)
        with all_contenders(version, settings, work) as (writing, first):
            for contender in (*writing, *first):
                contender.take_turn(-1)  # what is made at first use is made now
            with OtherWork({process for it in (*writing, *first) for process in it.processes}) as others:
                written = take_turns(writing, settings.rounds, f"{NEW_TOKENS} new tokens")
                firsts = take_turns(first, settings.rounds, "first tokens")
    record = {
        "when": now(),
        "machine": machine(),
        "others": others.share,
        "rounds": settings.rounds,
        "figures": figures(written, firsts),
        "same_texts": same_texts(written),
        "ratios": {target.name: asdict(found) for target in TARGETS if (found := target.reached(written, firsts))},
        "turns": [{name: asdict(turn) for name, turn in results.items()} for results in (*written, *firsts)],
    }
    keep_and_show(record, settings.results, "generate_vs_peers", about(record), tables(record))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="exported model, such as saved_models/chat")
    parser.add_argument(
        "--folder", type=Path, required=True, help="what publish --format hugging_face wrote of its run"
    )
    parser.add_argument("--peer_python", required=True, help="a Python with torch and transformers")
    parser.add_argument("--gguf", type=Path, help="what publish --format gguf wrote of its run, in float32")
    parser.add_argument("--llama_python", help="a Python with xllamacpp")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder for the record and its tables")
    parser.add_argument("--work", help="folder for logs; by default one that is removed at the end")
    return parser.parse_args()


@dataclass(frozen=True)
class Turn:
    """Results of a turn.

    Attributes:
        seconds: from the request to the end of the text, or of what else the turn waits for.
        tokens: new ones.
        first: seconds to the first token of each text, where they come one by one.
        texts: that were written.
        again: seconds to the first token of a second prompt with the same beginning.
    """

    seconds: float
    tokens: int = 0
    first: list[float] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    again: float = 0.0

    @property
    def per_second(self) -> float:
        return self.tokens / self.seconds


@dataclass(frozen=True)
class Contender:
    """Someone who takes turns; `turn` is given the number of the round."""

    name: str
    processes: Sequence[int]
    turn: Callable[[int], Turn]

    def take_turn(self, number: int) -> Turn:
        return self.turn(number)


@contextmanager
def all_contenders(
    version: Path, settings: argparse.Namespace, work: Path
) -> Iterator[tuple[list[Contender], list[Contender]]]:
    """Starts everybody: those who write texts, and those who are measured up to the first token."""
    model = version.parent.name
    models = work / "models"  # the one version, so that none looks at another
    (models / model).mkdir(parents=True)
    (models / model / version.name).symlink_to(version.resolve())
    with ExitStack() as stack:
        server, _, url = stack.enter_context(sftkeras_server(models, work / "sftkeras.log"))
        ours, served = [server.pid], Streams(f"{url}/v1/completions", model)
        arguments = [str(settings.folder)]
        torch = stack.enter_context(
            Worker("peers/transformers_turns.py", arguments, work / "transformers.log", settings.peer_python)
        )
        writing = [
            Contender(SERVER, ours, lambda number: served.write([prompt(number)])),
            Contender(MANY, ours, lambda number: served.write([prompt(number, it) for it in range(1, CLIENTS + 1)])),
            Contender(TORCH, [torch.pid], lambda number: written_by(torch, prompt(number))),
        ]
        if settings.gguf:
            llama = stack.enter_context(
                Worker("peers/llama_cpp_turns.py", [str(settings.gguf)], work / "llama.log", settings.llama_python)
            )
            writing.append(Contender(LLAMA, [llama.pid], lambda number: written_by(llama, prompt(number))))
        first = [
            Contender(FIRST, ours, lambda number: served.write([words("long", number, LONG_WORDS)], new_tokens=1)),
            Contender(FORWARD, [torch.pid], lambda number: read_by(torch, words("long", number, LONG_WORDS))),
            Contender(SHARED, ours, lambda number: shared(served, number)),
        ]
        yield writing, first


def prompt(number: int, client: int = 0) -> str:
    """Some words over and over, others for each round and client: models go on so, and end no text early."""
    return " ".join([words(f"prompt {client}", number, PROMPT_WORDS)] * PROMPT_REPEATS)


def words(kind: str, number: int, count: int) -> str:
    return " ".join(random.Random(f"{kind} {number}").choices(WORDS.split(), k=count))


def written_by(worker: Worker, text: str) -> Turn:
    return Turn(**worker.ask(prompt=text, new_tokens=NEW_TOKENS))


def read_by(worker: Worker, text: str) -> Turn:
    return Turn(**worker.ask(forward=text))


def shared(served: Streams, number: int) -> Turn:
    """Asks two questions after the same long beginning, one after the other."""
    beginning = words("shared", number, SHARED_WORDS)
    cold, again = (
        served.write([f"{beginning}\n{words(which, number, PROMPT_WORDS)}"], new_tokens=1) for which in ("one", "two")
    )
    return Turn(cold.seconds, again=again.seconds)


class Streams:
    """Clients of the server, each with a stream of its own.

    Args:
        url: of the calls that continue texts.
        model: to ask.
    """

    def __init__(self, url: str, model: str) -> None:
        self._url, self._model = url, model

    def write(self, prompts: Sequence[str], new_tokens: int = NEW_TOKENS) -> Turn:
        """Streams a text after each prompt, all at once."""
        return asyncio.run(self._write(prompts, new_tokens))

    async def _write(self, prompts: Sequence[str], new_tokens: int) -> Turn:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=600)) as session:
            began = time.perf_counter()
            streams = await asyncio.gather(*(self._stream(session, text, new_tokens) for text in prompts))
            seconds = time.perf_counter() - began
        return Turn(
            seconds,
            sum(tokens for _, tokens, _ in streams),
            [first for first, _, _ in streams],
            [text for _, _, text in streams],
        )

    async def _stream(self, session: aiohttp.ClientSession, text: str, new_tokens: int) -> tuple[float, int, str]:
        """Seconds to the first token, new tokens, and the text."""
        asked = {"model": self._model, "prompt": text, "max_tokens": new_tokens, "temperature": 0}
        began, first, tokens, parts = time.perf_counter(), 0.0, 0, []
        events = events_of(session, self._url, {**asked, "stream_options": {"include_usage": True}})
        async with aclosing(events):
            async for event in events:
                first = first or time.perf_counter() - began
                parts += [choice["text"] for choice in event["choices"]]
                if event.get("usage"):
                    tokens = event["usage"]["completion_tokens"]
        return first, tokens, "".join(parts)


@dataclass(frozen=True)
class Target:
    """Claim about two turns of one round.

    Attributes:
        name: of the figure and who is compared.
        ours: whose turn it is.
        theirs: whom it is compared with.
        figure: of ours.
        other: figure of theirs.
        bound: of the ratio of the two.
        most: whether the ratio is to be at most that, in place of at least.
    """

    name: str
    ours: str
    theirs: str
    figure: Callable[[Turn], float]
    other: Callable[[Turn], float]
    bound: float
    most: bool = False

    def reached(self, *measured: Sequence[Round]) -> Quartiles | None:
        """The ratio, pair by pair; None where one of the two has had no turn."""
        rounds = [results for of_some in measured for results in of_some]
        pairs = [(it[self.ours], it[self.theirs]) for it in rounds if {self.ours, self.theirs} <= it.keys()]
        return Quartiles.of([self.figure(ours) / self.other(theirs) for ours, theirs in pairs]) if pairs else None


def per_second(turn: Turn) -> float:
    return turn.per_second


def seconds(turn: Turn) -> float:
    return turn.seconds


TARGETS = [
    Target(f"tokens/s, {SERVER} to {TORCH}, 1 client", SERVER, TORCH, per_second, per_second, 1.4),
    Target(f"tokens/s, {SERVER} to {LLAMA}, 1 client", SERVER, LLAMA, per_second, per_second, 0.7),
    Target(f"tokens/s, {MANY} to {TORCH} one by one", MANY, TORCH, per_second, per_second, 3.0),
    Target(f"first token of {LONG_WORDS} to {FORWARD}", FIRST, FORWARD, seconds, seconds, 1.3, most=True),
    Target(
        f"first token after the same {SHARED_WORDS}, second request to first",
        SHARED,
        SHARED,
        lambda turn: turn.again,
        seconds,
        0.3,
        most=True,
    ),
]


def figures(written: Sequence[Round], firsts: Sequence[Round]) -> list[dict[str, Any]]:
    """Medians of each contender over all rounds."""
    found = []
    for rounds in (written, firsts):
        for name in rounds[0]:
            turns = [results[name] for results in rounds]
            first = [each for turn in turns for each in turn.first]
            found.append(
                {
                    "contender": name,
                    "per_second": statistics.median(map(per_second, turns)) if rounds is written else None,
                    "first": statistics.median(first) if first else None,
                    "seconds": statistics.median(map(seconds, turns)),
                    "tokens": statistics.median(turn.tokens for turn in turns),
                }
            )
    return found


def same_texts(written: Sequence[Round]) -> dict[str, int]:
    """How many texts of each peer are those of the server, to the letter."""
    return {
        name: sum(results[name].texts == results[SERVER].texts for results in written)
        for name in written[0]
        if name not in (SERVER, MANY)
    }


def about(record: dict[str, Any]) -> str:
    same = ", ".join(f"{count} of {record['rounds']} by {name}" for name, count in record["same_texts"].items())
    return (
        f"{shown_machine(record)} {record['rounds']} rounds, at most {NEW_TOKENS} new tokens a text, float32; the same "
        f"texts as {SERVER}: {same}."
    )


def tables(record: dict[str, Any]) -> list[Rows]:
    """Results of each contender, and how they compare with the goals."""
    columns = ["", "tokens/s", "first token", "a turn", "new tokens in it"]
    rows = [
        [
            it["contender"],
            "-" if it["per_second"] is None else f"{it['per_second']:.1f}",
            "-" if it["first"] is None else f"{1000 * it['first']:.0f} ms",
            f"{it['seconds']:.2f} s",
            f"{it['tokens']:g}",
        ]
        for it in record["figures"]
    ]
    return [(columns, rows), beside_goals(TARGETS, record["ratios"])]


if __name__ == "__main__":
    main()
