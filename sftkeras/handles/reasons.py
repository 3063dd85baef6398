"""Another program's or library's account of a failure, cut to the one line that fits into an error of ours."""

from __future__ import annotations

_LENGTH = 200  # characters; pip lists every version of a package, an HTTP library its whole stack


def in_one_line(error: Exception | str) -> str:
    """Returns the first line that says something, shortened and without its full stop."""
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return line.rstrip(".") if len(line) <= _LENGTH else f"{line[:_LENGTH]}…"
