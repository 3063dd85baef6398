"""Reads protobuf messages in text form from the files that TensorFlow Serving's flags name."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from google.protobuf import text_format
from google.protobuf.message import Message

from sftkeras.errors import SFTError

AnyMessage = TypeVar("AnyMessage", bound=Message)


def read_text_message(path: Path, message: AnyMessage) -> AnyMessage:
    """Fills `message` from a file.

    Raises:
        SFTError: SFT702 if the file cannot be read or is no such message; the line and the column are named.
    """
    try:
        return text_format.Parse(path.read_text(encoding="utf-8"), message)
    except text_format.ParseError as error:
        place = f" line {error.GetLine()} column {error.GetColumn()}" if error.GetLine() else ""
        problem = str(error).removeprefix(f"{error.GetLine()}:{error.GetColumn()} : ")
        raise SFTError("SFT702", file=f"{path}{place}", problem=problem.rstrip(".")) from None
    except UnicodeDecodeError:
        raise SFTError("SFT702", file=path, problem="not valid UTF-8") from None
    except OSError as error:
        raise SFTError("SFT702", file=path, problem=error.strerror) from None
