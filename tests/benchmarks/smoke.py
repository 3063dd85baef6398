"""Runs benchmarks one after the other in one process, which imports TensorFlow once.

Standard input is a JSON list of [script, words]; the file that the argument names gets, for each, how it ended ("" if
well) and what it printed.
"""

from __future__ import annotations

import contextlib
import io
import json
import runpy
import sys
import traceback
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def call(script: str, words: list[str]) -> tuple[str, str]:
    """Runs one script as `python benchmarks/SCRIPT` would."""
    out = io.StringIO()
    sys.argv = [str(BENCHMARKS / script), *words]
    with contextlib.redirect_stdout(out):
        try:
            runpy.run_path(sys.argv[0], run_name="__main__")
        except SystemExit as ended:
            missed = ended.code is True  # its target, of which such a small measurement says nothing
            return "" if missed else str(ended.code or ""), out.getvalue()
        except Exception:
            return traceback.format_exc(), out.getvalue()
    return "", out.getvalue()


if __name__ == "__main__":
    answers = Path(sys.argv[1])
    sys.path.insert(0, str(BENCHMARKS))  # where Python looks when it runs one of them
    answers.write_text(json.dumps([call(script, words) for script, words in json.load(sys.stdin)]), "utf-8")
