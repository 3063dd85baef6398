"""`launch` whose workers are forked: `python tests/commands/forked_launch.py FOLDER --workers 2 -- …`.

FOLDER/worker-INDEX has the number of a worker's process. They outlive a `launch` that is killed: stop it instead.
How workers are started for users is tested in test_launch.py.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))

import forked

from sftkeras import launch
from sftkeras.command_line import commands
from sftkeras.config import LaunchConfig


def start(command: Sequence[str], environment: dict[str, str], output: int | None) -> forked.Process:
    """Starts a worker as `launch` does."""
    process = forked.Process(command, env=environment, stdout=output, stderr=output, start_new_session=True)
    index = json.loads(environment["TF_CONFIG"])["task"]["index"]
    (folder / f"worker-{index}").write_text(str(process.pid))
    return process


if __name__ == "__main__":
    folder = Path(sys.argv.pop(1))
    launch._start = start  # type: ignore[assignment]
    commands.run(launch.main, LaunchConfig)
