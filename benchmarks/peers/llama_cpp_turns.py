"""Texts of llama.cpp, a request at a time; run by generate_vs_peers.py.

llama_cpp_turns.py FILE.gguf

Answers each line of JSON, {"prompt", "new_tokens"}, by a greedy text and its time.
"""

import json
import os
import sys
import time

import xllamacpp


def main() -> None:
    """Loads the model and answers until there are no more lines."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what llama.cpp says besides
    settings = xllamacpp.CommonParams()
    settings.model.path = sys.argv[1]
    settings.n_ctx, settings.n_parallel = 4096, 1
    settings.cache_type_k = settings.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    server = xllamacpp.Server(settings)
    for line in sys.stdin:
        asked = json.loads(line)
        greedy = {"temperature": 0.0, "top_k": 1, "samplers": ["top_k"], "cache_prompt": False}
        began = time.perf_counter()
        answer = server.handle_completions({"prompt": asked["prompt"], "max_tokens": asked["new_tokens"], **greedy})
        seconds = time.perf_counter() - began
        answer = json.loads(answer) if isinstance(answer, str | bytes) else answer
        found = {"tokens": answer["usage"]["completion_tokens"], "texts": [answer["choices"][0]["text"]]}
        print(json.dumps({"seconds": seconds, **found}), file=answers, flush=True)


if __name__ == "__main__":
    main()
