"""`python -m sftkeras.publish`: a pretrained or fine-tuned backbone in the formats of other libraries."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from sftkeras.command_line import commands
from sftkeras.config import PublishConfig, PublishedType, PublishFormat
from sftkeras.console import say, waiting
from sftkeras.disk.cache import building, cache_folder, locked
from sftkeras.disk.files import write_errors
from sftkeras.errors import SFTError

if TYPE_CHECKING:
    from sftkeras.publishing.source import Source


@dataclass(frozen=True)
class _Format:
    """One format.

    Attributes:
        named: what is published, as messages call it.
        mark: a file, as a pattern, by which such a folder is known.
        types: of its weights.
        card: what README.md says of a folder that this command wrote, where others have files such as `mark` too.
    """

    named: str
    mark: str
    types: tuple[PublishedType, ...]
    card: str = ""

    def is_in(self, folder: Path) -> bool:
        """Whether this command wrote the format into a folder."""
        if not any(folder.glob(self.mark)):
            return False
        readme = folder / "README.md"
        return not self.card or (readme.is_file() and self.card in readme.read_text(encoding="utf-8", errors="replace"))


_CARD = "with sftkeras: "
_FLOATS: tuple[PublishedType, ...] = ("float32", "bfloat16", "float16")
FORMATS: dict[PublishFormat, _Format] = {
    "tf_hub": _Format("module", "saved_model.pb", ("float32",)),
    "hugging_face": _Format("Hugging Face folder", "config.json", _FLOATS, _CARD),
    "gguf": _Format("GGUF file", "*.gguf", (*_FLOATS, "q8_0"), _CARD),
}


def main(config: PublishConfig) -> None:
    """Writes the format aside, proves it, puts it in its place, and says what follows."""
    check_settings(config)
    from sftkeras.publishing.source import fine_tuned, pretrained

    output = Path(config.output).expanduser()
    source = fine_tuned(config.run, config.format) if config.run else pretrained(config.handle, config.format)
    # The lock is in the cache: the user's folders are no place for it.
    with locked(cache_folder("publishing") / hashlib.sha256(str(output.resolve()).encode()).hexdigest()):
        check_output(output, config.format, overwrite=config.overwrite)
        with waiting(f"Publishing the {FORMATS[config.format].named}"):
            lines = publish(source, output, config.format, config.dtype)
    say(*lines, f"{output / 'README.md'} says how to load it elsewhere.")


def check_settings(config: PublishConfig) -> None:
    """Finds what is wrong before TensorFlow is started."""
    if not config.handle and not config.run:
        raise SFTError("SFT104", flag="--handle", remedy="Say which model to publish, or name a run with --run.")
    if config.handle and config.run:
        raise SFTError("SFT102", flag="--run", problem="--handle is given too. Publish one or the other.")
    if not config.output:
        raise SFTError("SFT104", flag="--output", remedy="Name the folder to write.")
    types = FORMATS[config.format].types
    if config.dtype not in types:
        raise SFTError("SFT335", dtype=config.dtype, format=config.format, known=", ".join(types))
    check_output(Path(config.output).expanduser(), config.format, overwrite=config.overwrite)


def check_output(output: Path, format: PublishFormat, *, overwrite: bool) -> None:
    """Makes sure that a format can land in `output`, and that nothing else is lost.

    Raises:
        SFTError: SFT377 if something is there, SFT106 or SFT108 if the folder cannot be written.
    """
    form = FORMATS[format]
    with write_errors(output, "--output"):
        is_there = form.is_in(output)
        if is_there and not overwrite:
            problem = f"a {form.named} is there already. Choose another folder, or replace it with --overwrite true."
            raise SFTError("SFT377", folder=output, problem=problem)
        if output.is_file() or (output.is_dir() and any(output.iterdir()) and not is_there):
            problem = f"there is something else than a {form.named}, and it is left as it is. Choose another folder."
            raise SFTError("SFT377", folder=output, problem=problem)
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=output.parent):
            pass


def publish(source: Source, output: Path, format: PublishFormat, dtype: PublishedType) -> list[str]:
    """Writes a format into `output`, whole and proved or not at all; returns what to say of it."""
    from sftkeras.exporting.export import saving_errors

    writer = import_module(f"sftkeras.publishing.{format}")
    with building(output) as draft, saving_errors(output, "--output"):
        return writer.write(source, draft, output, dtype)


if __name__ == "__main__":
    commands.run(main, PublishConfig)
