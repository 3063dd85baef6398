"""The machine's matrix-multiply ceiling under TensorFlow, with sftkeras' own settings, in GFLOP/s.

    python benchmarks/ceiling.py                              # 2048 x 2048 x 2048, and the products of MiniLM
    python benchmarks/ceiling.py --hidden 768 --intermediate 3072

"square" is what the machine can do at all; "model" is what it can do on the products of an encoder layer's forward and
backward pass, each as often as it occurs, with nothing between them: the most that any code for this model can reach.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

SQUARE = 2048
SECONDS = 0.5  # spent on each product


def main() -> None:
    """Prints the ceilings as one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hidden", type=int, default=384, help="width of the encoder")
    parser.add_argument("--intermediate", type=int, default=1536, help="width of its feed-forward layers")
    parser.add_argument("--tokens", type=int, default=1024, help="tokens of a batch, about")
    settings = parser.parse_args()
    print(json.dumps(measure(settings.hidden, settings.intermediate, settings.tokens)))


def measure(hidden: int, intermediate: int, tokens: int) -> dict[str, float]:
    """Returns the ceilings in GFLOP/s; imports TensorFlow."""
    square = seconds_of_product(SQUARE, SQUARE, SQUARE)
    work = seconds = 0.0
    for rows, inner, columns, times in products(hidden, intermediate, tokens):
        work += times * 2 * rows * inner * columns
        seconds += times * seconds_of_product(rows, inner, columns)
    return {"square": 2 * SQUARE**3 / square / 1e9, "model": work / seconds / 1e9}


def products(hidden: int, intermediate: int, tokens: int) -> list[tuple[int, int, int, int]]:
    """Rows, inner size and columns of each dense product of a layer, forward and backward, and how often it comes."""
    dense = [(hidden, hidden, 4), (hidden, intermediate, 1), (intermediate, hidden, 1)]
    return [
        product
        for inputs, outputs, times in dense
        for product in (
            (tokens, inputs, outputs, times),  # forward
            (tokens, outputs, inputs, times),  # gradient by the inputs
            (inputs, tokens, outputs, times),  # gradient by the weights
        )
    ]


def seconds_of_product(rows: int, inner: int, columns: int) -> float:
    """Median time of one product of float32 matrices."""
    import tensorflow as tf

    left, right = tf.random.normal([rows, inner]), tf.random.normal([inner, columns])
    multiply = tf.function(lambda: tf.matmul(left, right), autograph=False)
    return median_seconds(multiply)


def median_seconds(work: Callable[[], object]) -> float:
    """Median time of `work`, run for about `SECONDS` after a first run that is not counted."""
    import numpy as np

    work()
    times: list[float] = []
    began = time.perf_counter()
    while time.perf_counter() - began < SECONDS or len(times) < 5:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


if __name__ == "__main__":
    from sftkeras import runtime

    runtime.start_tensorflow()
    main()
