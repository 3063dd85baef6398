"""Memory and speed of the data path as rows grow: read, check, divide, tokenise, and plan an epoch of batches.

    python benchmarks/data_memory.py                       # 10 thousand, 100 thousand and 1 million rows
    python benchmarks/data_memory.py --rows 5000000        # any sizes
    python benchmarks/data_memory.py --tokenizer FOLDER    # a Hugging Face tokenizer.json instead of hashed words

Each size runs in a fresh process with an empty cache. "own" is the peak of anonymous memory, which the system cannot
take back; "resident" also counts mapped pages of the cache, which it can. A second pass over the same file shows what
a run costs that finds its data in the cache.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

SIZES = [10_000, 100_000, 1_000_000]
MAX_LENGTH = 128
BATCH_SIZE = 32


def main() -> None:
    """Runs every size and prints one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=SIZES, help="numbers of rows")
    parser.add_argument("--tokenizer", help="folder with a tokenizer.json; hashed words by default")
    parser.add_argument("--measure", nargs=2, metavar=("FILE", "ROWS"), help=argparse.SUPPRESS)
    settings = parser.parse_args()
    if settings.measure:
        print(json.dumps(measure(settings.measure[0], settings.tokenizer)))
        return
    results = {rows: in_fresh_process(rows, settings.tokenizer) for rows in settings.rows}
    show(results)


def in_fresh_process(rows: int, tokenizer: str | None) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "texts.csv"
        generate(file, rows)
        words = [sys.executable, __file__, "--measure", str(file), str(rows)]
        environment = {**os.environ, "SFTKERAS_CACHE": str(Path(folder) / "cache")}
        words += ["--tokenizer", tokenizer] if tokenizer else []
        answer = subprocess.run(words, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    return dict(json.loads(answer), rows=rows)


def generate(file: Path, rows: int) -> None:
    """Writes rows of some 100 characters, of which 2% repeat an earlier text and 5% hold a line break."""
    import numpy as np

    random = np.random.default_rng(3)
    words = np.array([f"word{number}" for number in range(20_000)])
    with file.open("w", encoding="utf-8", newline="") as output:
        writer = csv.writer(output)
        writer.writerow(["id", "text", "label"])
        for begin in range(0, rows, 10_000):
            count = min(10_000, rows - begin)
            lengths = np.clip(random.lognormal(2.5, 0.5, count).astype(int), 1, 60)
            flat = words[random.zipf(1.3, lengths.sum()) % len(words)]
            texts = [" ".join(part) for part in np.split(flat, np.cumsum(lengths)[:-1])]
            labels = random.integers(0, 4, count)
            for number, (text, label) in enumerate(zip(texts, labels, strict=True)):
                if number % 50 == 49:
                    text, label = texts[number // 2], labels[number // 2]
                elif number % 20 == 7:
                    text += '\nand "more"'
                writer.writerow([begin + number, text, f"label {label}"])


def measure(file: str, tokenizer: str | None) -> dict[str, float]:
    """Runs the data path twice, the second time from the cache; returns seconds, and memory in MiB."""
    from sftkeras.config import DataConfig
    from sftkeras.data import BatchPlan, load_data, tokenise
    from sftkeras.data.labels.classes.kind import ONE_LABEL

    config = DataConfig(train=file)
    encode = hashed_words if tokenizer is None else real_tokens(tokenizer)
    result: dict[str, float] = {}
    with PeakMemory() as peak:
        begin = time.perf_counter()
        data = load_data(config, ONE_LABEL, seed=17)
        result["load"] = time.perf_counter() - begin
        begin = time.perf_counter()
        tokens = tokenise(data.examples, encode, "benchmark")
        result["tokenise"] = time.perf_counter() - begin
        plan = BatchPlan(tokens.lengths, data.splits["train"], BATCH_SIZE, seed=17)
        begin = time.perf_counter()
        for step in range(plan.steps):
            tokens.batch(*plan.batch(0, step))
        result["batch"] = (time.perf_counter() - begin) / plan.steps
    begin = time.perf_counter()
    tokenise(load_data(config, ONE_LABEL, seed=17).examples, encode, "benchmark")
    result["again"] = time.perf_counter() - begin
    result["padding"] = plan.padding()
    return {**result, "start": peak.start, "own": peak.own, "resident": peak.resident}


def hashed_words(texts: list[str], pairs: list[str] | None) -> Any:
    """Encodes each word as its checksum: the cheapest tokenizer there is."""
    import numpy as np

    rows = [[101, *(zlib.crc32(word.encode()) % 30_000 for word in text.split()), 102] for text in texts]
    untruncated = np.array([len(row) for row in rows], np.int32)
    lengths = np.minimum(untruncated, MAX_LENGTH)
    values = np.array([token for row in rows for token in row[:MAX_LENGTH]], np.int32)
    return {"token_ids": (values, lengths), "segment_ids": (np.zeros_like(values), lengths)}, untruncated


def real_tokens(folder: str) -> Any:
    """Encodes with the tokenizer.json of a folder."""
    import numpy as np
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()

    def encode(texts: list[str], pairs: list[str] | None) -> Any:
        rows = [encoding.ids for encoding in tokenizer.encode_batch_fast(texts)]
        untruncated = np.array([len(row) for row in rows], np.int32)
        rows = [row if len(row) <= MAX_LENGTH else [*row[: MAX_LENGTH - 1], row[-1]] for row in rows]
        values = np.array([token for row in rows for token in row], np.int32)
        lengths = np.minimum(untruncated, MAX_LENGTH)
        return {"token_ids": (values, lengths), "segment_ids": (np.zeros_like(values), lengths)}, untruncated

    return encode


class PeakMemory:
    """Watches this process's anonymous and resident memory, in MiB."""

    def __enter__(self) -> PeakMemory:
        self._stop = threading.Event()
        self.start, self.resident = self._now()
        self.own = self.start
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.01):
            own, resident = self._now()
            self.own, self.resident = max(self.own, own), max(self.resident, resident)

    @staticmethod
    def _now() -> tuple[float, float]:
        values = {}
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(("RssAnon:", "VmRSS:")):
                name, value = line.split()[:2]
                values[name] = int(value) / 1024
        return values["RssAnon:"], values["VmRSS:"]


def show(results: dict[int, dict[str, float]]) -> None:
    console = Console(width=140)
    names = ["rows", "own", "resident", "read + check + split", "tokenise", "batch of 32", "from the cache", "padding"]
    table = Table(*names, title="Data path: peak memory in MiB, speed in rows/s")
    for column in table.columns:
        column.justify = "right"
    for rows, result in results.items():
        table.add_row(
            f"{rows:,}",
            f"{result['own']:.0f}",
            f"{result['resident']:.0f}",
            f"{rows / result['load']:,.0f}",
            f"{rows / result['tokenise']:,.0f}",
            f"{result['batch'] * 1e6:.0f} µs",
            f"{result['again']:.2f} s",
            f"{result['padding']:.1%}",
        )
    console.print(table)
    smallest, largest = min(results), max(results)
    if largest > smallest:
        grown = (results[largest]["own"] - results[smallest]["own"]) * 2**20 / (largest - smallest)
        console.print(f"Own memory grows by {grown:.1f} bytes a row.")


if __name__ == "__main__":
    main()
