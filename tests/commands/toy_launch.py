"""`launch` with toy workers in place of training ones: `python tests/commands/toy_launch.py FOLDER --workers 2 …`.

A worker notes in FOLDER/starts that it was started, then does what FOLDER/script-INDEX says, the line of its start's
number: an exit code, `kill`, or `wait` for SIGTERM, after which it ends with 75; `stay` ends at nothing.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path


def work(folder: Path) -> None:
    index = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
    before = len(list(folder.glob(f"start-{index}-*")))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
    act = (folder / f"script-{index}").read_text().splitlines()[before]
    if act == "stay":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print(f"worker {index} speaks", flush=True)
    about = {"process": os.getpid(), "words": sys.argv[2:], "environment": dict(os.environ)}
    new = folder / f"new-{index}"
    new.write_text(json.dumps(about))
    new.rename(folder / f"start-{index}-{before}")
    if act == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if act in ("wait", "stay"):
        time.sleep(120)
    sys.exit(int(act))


def main() -> None:
    folder = sys.argv.pop(1)
    if folder == "--worker":
        work(Path(sys.argv[1]))
    from sftkeras import launch
    from sftkeras.command_line import commands
    from sftkeras.config import LaunchConfig

    launch._LAST_WORDS_SECONDS = 0.5  # toy workers end at once, or when they are told to
    launch.worker_command = lambda words: [sys.executable, __file__, "--worker", folder, *words]  # type: ignore
    commands.run(launch.main, LaunchConfig)


if __name__ == "__main__":
    main()
