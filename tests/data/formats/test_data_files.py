"""A part of the data may be several files, a folder or a pattern, and files may be compressed."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from checked import rows_of

from sftkeras.config import DataConfig, TrainConfig
from sftkeras.data import load_data, load_file, quick_check
from sftkeras.data.formats import unpacking
from sftkeras.data.formats.read import read_blocks, wanted_columns
from sftkeras.data.formats.sources import find_part, find_source
from sftkeras.data.formats.unlabelled import TextFiles
from sftkeras.data.labels.classes.kind import ONE_LABEL
from sftkeras.data.storage import store
from sftkeras.errors import SFTError

Put = Callable[[str, str | bytes], str]

HEADER = "text,label\n"
GOOD = "good one,pos\nfine film,pos\nlovely plot,pos\n"
BAD = "bad one,neg\ndull film,neg\nboring plot,neg\n"
SPLIT = (0.4, 0.3, 0.3)


def config_of(train: str | list[str], **settings: object) -> DataConfig:
    return DataConfig(**{"train": train, "split": list(SPLIT), **settings})  # type: ignore[arg-type]


def names_of(handles: str | list[str]) -> list[str]:
    return [Path(source.name).name for source in find_part(handles, "train")]


def refusal(train: str | list[str], **settings: object) -> str:
    with pytest.raises(SFTError) as raised:
        load_data(config_of(train, **settings), ONE_LABEL, 0)
    return str(raised.value)


@pytest.fixture
def two(put: Put) -> list[str]:
    return [put("a.csv", HEADER + GOOD), put("b.csv", HEADER + BAD)]


# --- several files ---


def test_a_list_commas_and_json_name_the_same_files(two: list[str]) -> None:
    assert names_of(two) == ["a.csv", "b.csv"]
    assert names_of(", ".join(two)) == ["a.csv", "b.csv"]
    assert names_of(json.dumps(two)) == ["a.csv", "b.csv"]


def test_the_command_line_takes_several_files(two: list[str]) -> None:
    from sftkeras.command_line import commands

    for value in (",".join(two), json.dumps(two)):
        config = commands.parse(TrainConfig, ["--data.train", value])
        assert names_of(config.data.train) == ["a.csv", "b.csv"]


def test_many_long_names_are_no_name_of_a_file(put: Put) -> None:
    files = [put(f"{'long' * 20}{number}.csv", HEADER) for number in range(9)]
    assert len(find_part(",".join(files), "train")) == 9
    with pytest.raises(SFTError, match="SFT201"):
        find_part("x" * 5000, "train")


@pytest.mark.parametrize("nothing", ["", ",", []])
def test_no_file_at_all_is_a_setting_that_is_missing(nothing: str | list[str]) -> None:
    assert refusal(nothing).startswith("SFT104  --data.train")
    with pytest.raises(SFTError, match="SFT104"):
        quick_check(config_of(nothing), ONE_LABEL)


def test_a_pattern_that_the_shell_has_replaced_by_files_is_explained(two: list[str]) -> None:
    from sftkeras.command_line import commands

    with pytest.raises(SFTError, match="a pattern in quotes"):
        commands.parse(TrainConfig, ["--data.train", *two])


def test_a_file_whose_name_looks_like_a_list_or_a_pattern_is_one_file(put: Put) -> None:
    for name in ("a, b.csv", "rows[1].csv"):
        assert names_of(put(name, HEADER + GOOD)) == [name]


def test_folders_and_patterns_give_their_files_by_name(put: Put, tmp_path: Path) -> None:
    for name in ("part-2.csv", "part-10.jsonl", "part-1.csv.gz", "README.md", "LICENSE", ".hidden.csv", "_SUCCESS"):
        put(name, "")
    assert names_of(str(tmp_path)) == ["part-1.csv.gz", "part-10.jsonl", "part-2.csv"]
    assert names_of(str(tmp_path / "part-*.csv*")) == ["part-1.csv.gz", "part-2.csv"]
    (tmp_path / "deep" / "er").mkdir(parents=True)
    put("deep/er/x.tsv", "")
    assert names_of(str(tmp_path / "**" / "*.tsv")) == ["x.tsv"]


def test_rows_of_several_files_keep_their_file_and_line(two: list[str], put: Put) -> None:
    third = put("c.jsonl", '{"label": "neg", "text": "the worst"}\n{"label": "pos", "text": "the best"}\n')
    data = load_data(config_of([*two, third]), ONE_LABEL, 0)
    places = data.examples.places(range(len(data.examples)))
    assert [(Path(file).name, line) for file, line in places][2:5] == [("a.csv", 4), ("b.csv", 2), ("b.csv", 3)]
    assert [(Path(file).name, line) for file, line in places][-1] == ("c.jsonl", 2)
    assert sum(map(len, data.splits.values())) == 8


def test_each_part_may_have_several_files(two: list[str], put: Put) -> None:
    test = [put("t1.csv", HEADER + "new one,pos\n"), put("t2.csv", HEADER + "old one,neg\nlast one,neg\n")]
    data = load_data(config_of(two, test=test), ONE_LABEL, 0)
    assert data.splits["test"].tolist() == [6, 7, 8]
    alone = load_file(test, DataConfig(), ONE_LABEL, ["neg", "pos"])
    assert len(alone.splits["test"]) == 3


def test_a_label_of_no_training_file_is_named_with_the_file_that_has_it(two: list[str], put: Put) -> None:
    test = [put("t1.csv", HEADER + "new one,pos\n"), put("t2.csv", HEADER + "x,neg\nold one,odd\n")]
    message = refusal(two, test=test)
    assert "SFT214" in message
    assert "t2.csv line 3" in message


def test_bad_rows_of_several_files_are_one_finding_that_names_each_file(put: Put) -> None:
    files = [put("a.csv", HEADER + GOOD + ",pos\n"), put("b.csv", HEADER + BAD + ",neg\nx,neg\n,neg\n")]
    with pytest.raises(SFTError) as raised:
        load_data(config_of(files), ONE_LABEL, 0)
    assert "a.csv line 5: no text in column text. 2 more such: in " in str(raised.value)
    data = load_data(config_of(files, bad_rows="skip"), ONE_LABEL, 0)
    (found,) = [found for found in data.findings if found.code == "SFT216"]
    assert found.count == 3
    assert [(Path(file).name, line) for file, line in found.places] == [("a.csv", 5), ("b.csv", 5), ("b.csv", 7)]


def test_repeats_and_leaks_are_told_by_part(two: list[str], put: Put) -> None:
    copy = put("c.csv", HEADER + "good one,pos\n")
    test = [put("t1.csv", HEADER + "new one,pos\nx,neg\n"), put("t2.csv", HEADER + "fine film,pos\n")]
    messages = [str(found) for found in load_data(config_of([*two, copy], test=test), ONE_LABEL, 0).findings]
    assert any("SFT221" in message and "a.csv and 2 more: 1 of 7 rows" in message for message in messages)
    assert any("c.csv line 2 (first on" in message and "a.csv line 2" in message for message in messages)
    assert any("SFT223" in message and "t2.csv line 2" in message for message in messages)


def test_one_of_several_files_may_have_no_row_that_is_asked_for(put: Put) -> None:
    rows = [f"{name},{label},en\n" for name, label in (("a", "x"), ("b", "y"), ("c", "x"), ("d", "y"), ("e", "x"))]
    files = [put("a.csv", "text,label,language\nf,x,fr\n"), put("b.csv", "text,label,language\n" + "".join(rows))]
    data = load_data(config_of(files, where={"language": "en"}), ONE_LABEL, 0)
    assert len(data.examples) == 5
    assert "SFT230" in refusal(files, where={"language": "de"})


def test_the_cache_knows_the_contents_of_all_files(two: list[str], put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_data(config_of(two), ONE_LABEL, 0)
    assert load_data(config_of(list(reversed(two))), ONE_LABEL, 0).fingerprint != first.fingerprint
    put("b.csv", HEADER + BAD + "a new row,neg\n")
    assert load_data(config_of(two), ONE_LABEL, 0).fingerprint != first.fingerprint
    monkeypatch.setattr(store, "marked_blocks", lambda *_: pytest.fail("the files were read again"))
    put("b.csv", HEADER + BAD)
    assert load_data(config_of(two), ONE_LABEL, 0).fingerprint == first.fingerprint


def test_a_file_named_twice_is_refused(two: list[str], tmp_path: Path) -> None:
    for handles in ([two[0], two[0]], [str(tmp_path), two[1]], [two[0], f"{tmp_path}/../{tmp_path.name}/a.csv"]):
        message = refusal(handles)
        assert message.startswith("SFT288  --data.train")
        assert ".csv" in message


@pytest.mark.parametrize("pattern", ["*.tsv", "nowhere/*.csv"])
def test_a_pattern_that_no_file_matches_is_refused(tmp_path: Path, pattern: str) -> None:
    message = refusal(str(tmp_path / pattern))
    assert message.startswith("SFT287  --data.train")
    assert "no file matches" in message


def test_a_folder_without_data_or_with_unknown_files_is_refused(put: Put, tmp_path: Path) -> None:
    assert "no file is in this folder" in refusal(str(tmp_path))
    put("notes.md", "x")
    assert "only notes.md" in refusal(str(tmp_path))
    put("a.csv", HEADER + GOOD)
    put("part-00000", HEADER + BAD)
    assert "the format of part-00000 is not known" in refusal(str(tmp_path))


def test_a_folder_of_several_parts_is_not_taken_as_one(put: Put, tmp_path: Path) -> None:
    for name in ("train.csv", "my_test.csv", "latest.csv"):
        put(name, HEADER + GOOD + BAD)
    for handle in (tmp_path, tmp_path / "*.csv"):
        message = refusal(str(handle))
        assert message.startswith("SFT293")
        assert "my_test.csv and train.csv" in message
    assert len(find_part(str(tmp_path), "test", flag="--file")) == 3


def test_a_missing_file_of_several_is_found_before_any_is_read(two: list[str]) -> None:
    with pytest.raises(SFTError, match=r"SFT201  --data\.train .*c\.csv"):
        quick_check(config_of([*two, two[0].replace("a.csv", "c.csv")]), ONE_LABEL)


def test_each_of_several_files_must_have_the_columns(two: list[str], put: Put) -> None:
    other = put("c.csv", "sentence,label\nx,pos\n")
    with pytest.raises(SFTError, match=r"SFT204  .*c\.csv"):
        quick_check(config_of([*two, other]), ONE_LABEL)


# --- compressed files ---

PACK: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda content: pa.compress(content, codec="zstd", asbytes=True),
}
CONTENTS = {
    ".csv": "text,label\nga,x\nbé,y\n",
    ".tsv": "text\tlabel\nga\tx\nbé\ty\n",
    ".jsonl": '{"text": "ga", "label": "x"}\n{"text": "bé", "label": "y"}\n',
    ".json": '[{"text": "ga", "label": "x"},\n{"text": "bé", "label": "y"}]',
}


@pytest.mark.parametrize("packing", PACK)
@pytest.mark.parametrize("ending", CONTENTS)
def test_a_compressed_file_is_read_as_what_is_in_it(put: Put, ending: str, packing: str) -> None:
    plain = put(f"a{ending}", CONTENTS[ending])
    packed = put(f"a{ending}{packing}", PACK[packing](CONTENTS[ending].encode()))
    assert [row[:2] for row in rows_of(packed)] == [("ga", "x"), ("bé", "y")]
    assert rows_of(packed) == rows_of(plain)


@pytest.mark.parametrize("packing", PACK)
def test_pieces_compressed_one_after_another_are_all_read(put: Put, packing: str) -> None:
    pack = PACK[packing]
    assert len(rows_of(put(f"a.csv{packing}", pack(b"text,label\nga,x\n") + pack(b"ge,y\n")))) == 2


@pytest.mark.parametrize("packing", PACK)
def test_a_compressed_file_that_is_cut_off_or_broken_is_refused(put: Put, packing: str) -> None:
    content = HEADER + "".join(f"text number {number},label {number % 7}\n" for number in range(3000))
    packed = PACK[packing](content.encode())
    for broken in (packed[: len(packed) // 2], packed[:12] + b"\xff\xfe\xff" * 9 + packed[39:]):
        message = refusal(put(f"a.csv{packing}", broken))
        assert message.startswith("SFT291")
        assert f"a.csv{packing}: it" in message
        assert "Copy or download it again" in message


@pytest.mark.parametrize("packing", PACK)
def test_a_file_that_is_not_compressed_as_its_name_says_is_refused(put: Put, packing: str) -> None:
    message = refusal(put(f"a.csv{packing}", HEADER + GOOD))
    assert message.startswith("SFT291")
    assert "not compressed so" in message


@pytest.mark.parametrize("packing", [".gz", ".xz", ".zst"])
def test_a_compressed_file_whose_name_does_not_say_so_is_named(put: Put, packing: str) -> None:
    message = refusal(put("a.csv", PACK[packing]((HEADER + GOOD).encode())))
    assert message.startswith("SFT291")
    assert message.endswith(f"a.csv{packing}.")


def test_a_compressed_file_is_never_held_whole(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few kilobytes may hold gigabytes: reading takes pieces, and what is not asked for is not unpacked."""
    taken = 0
    readinto = unpacking.Unpacked.readinto

    def counting(self: unpacking.Unpacked, buffer: bytearray) -> int:
        nonlocal taken
        count = readinto(self, buffer)
        taken += count
        return count

    monkeypatch.setattr(unpacking.Unpacked, "readinto", counting)
    row = b"x" * 10_000 + b",pos\n"
    path = put("a.csv.gz", gzip.compress(HEADER.encode() + row * 4000))  # 40 MB in 40 KB
    config = DataConfig(train=path)
    block = next(read_blocks(find_source(path, "train"), wanted_columns(config), config))
    assert taken < 16 << 20
    assert 0 < block.done <= 1


def test_texts_to_predict_may_be_compressed(put: Put) -> None:
    path = put("a.csv.gz", gzip.compress(b"text\ngood\nbad\n"))
    assert [block.texts for block in TextFiles(path, DataConfig()).read()] == [["good", "bad"]]


def test_a_broken_byte_in_a_compressed_file_is_named_by_line(put: Put) -> None:
    path = put("a.csv.gz", gzip.compress(b"text,label\ngood,pos\nb\xe9d,neg\n"))
    assert "a.csv.gz line 3, byte 2" in refusal(path)


def test_an_archive_of_files_is_not_read_and_the_message_says_so(put: Put) -> None:
    assert "Unpack it" in refusal(put("a.zip", "PK"))
    assert "Unpack it" in refusal(put("a.csv.zip", "PK"))
