"""`python -m sftkeras.predict --file` turn by turn; run by predict_vs_peers.py: python sftkeras_vectors.py MODEL

The model is loaded once. The first line on standard output then names the process that computes: {"process": NUMBER}.
Each line of standard input, {"texts": FILE, "output": FILE}, is answered by the seconds from reading the file to the
finished output.
"""

from __future__ import annotations

import json
import sys
import time

import psutil

from sftkeras.config import PredictConfig
from sftkeras.predict import predict_rows
from sftkeras.prediction.backends import LocalModel


def main(folder: str) -> None:
    """Loads the model and answers until there are no more lines."""
    with LocalModel(folder) as model:
        model.load()
        (process,) = psutil.Process().children()
        print(json.dumps({"process": process.pid}), flush=True)
        for line in sys.stdin:
            asked = json.loads(line)
            began = time.perf_counter()
            predict_rows(PredictConfig(model=folder, file=asked["texts"], output=asked["output"]), model)
            print(json.dumps(time.perf_counter() - began), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
