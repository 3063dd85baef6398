"""Vectors by sentence-transformers' `encode`; run by predict_vs_peers.py in an environment of its own.

    python sentence_vectors.py ENCODER MAX_LENGTH                 # turn by turn
    python sentence_vectors.py ENCODER MAX_LENGTH TEXTS OUTPUT    # one file, then the end

ENCODER is a Hugging Face folder of a BERT; a vector is the mean of its token vectors, of length one. When the model is
loaded, a line on standard output says so. Each line of standard input, {"texts": FILE, "output": FILE}, is answered by
the seconds of `encode` for the file's lines; the vectors are then saved as an .npy file.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import Normalize, Pooling, Transformer


def main(encoder, max_length, *files):
    words = Transformer(encoder, max_seq_length=int(max_length))
    model = SentenceTransformer(modules=[words, Pooling(words.get_word_embedding_dimension(), "mean"), Normalize()])

    def vectors(texts, output):
        lines = Path(texts).read_text(encoding="utf-8").splitlines()
        began = time.perf_counter()
        found = model.encode(lines, batch_size=32, show_progress_bar=False)
        seconds = time.perf_counter() - began
        np.save(output, found)
        return seconds

    if files:
        vectors(*files)
        return
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        print(json.dumps(vectors(**json.loads(line))), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
