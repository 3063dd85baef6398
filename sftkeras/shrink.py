"""`python -m sftkeras.shrink`: a finished run to a smaller one, and a report of what that costs."""

from __future__ import annotations

from sftkeras.command_line import commands
from sftkeras.config import ShrinkConfig
from sftkeras.pipeline.shrinking import check_settings, shrink


def main(config: ShrinkConfig) -> None:
    """Makes the smaller run, exports it, and compares it with the run."""
    shrink(check_settings(config))


if __name__ == "__main__":
    commands.run(main, ShrinkConfig)
