"""Progress of reading and tokenising."""

from __future__ import annotations

import time

from rich.progress import Progress


class RowCount:
    """One task of a display, which counts rows and notes their speed; without a display it does nothing."""

    def __init__(self, progress: Progress | None, description: str, total: int | None = None) -> None:
        self._progress = progress
        self._total = total
        self._began = time.perf_counter()
        self._task = progress.add_task(description, total=total, note="") if progress else None

    def update(self, rows: int, total: int | None = None) -> None:
        """Shows that `rows` rows are done, of `total` if it is known by now."""
        if self._progress is None or self._task is None:
            return
        speed = rows / max(time.perf_counter() - self._began, 1e-6)
        note = f"{rows:,} rows, {speed:,.0f} rows/s"
        self._progress.update(self._task, completed=rows, total=total or self._total, note=note)
