"""A file in another encoding: the message proposes the one that its bytes look like, and that one reads it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sftkeras.config import DataConfig
from sftkeras.data import load_data
from sftkeras.data.formats.unlabelled import TextFiles
from sftkeras.data.labels.classes.kind import ONE_LABEL
from sftkeras.errors import SFTError

Put = Callable[[str, str | bytes], str]

TEXTS = {
    "gb18030": "这部电影非常好看，我很喜欢。演员的表演很差，剧情也很无聊。上海人是这样说的",
    "big5": "這部電影非常好看，我很喜歡。演員的表演很差，劇情也很無聊。",
    "cp932": "この映画はとても面白かったです。演技がひどくて退屈でした。",
    "euc-jp": "この映画はとても面白かったです。演技がひどくて退屈でした。",
    "cp949": "이 영화는 정말 재미있어요. 연기가 너무 지루했습니다.",
    "cp1251": "Фильм очень хороший, мне понравилось. Скучно и плохо",
    "cp1252": "Le café était très bon, façade superbe. Müller fährt über die Brücke. Não é bom",
    "utf-16-le": "a good film",
}


def csv_of(text: str) -> str:
    return "text,label\n" + "".join(f'"{text} {row}",{row % 2}\n' for row in range(12))


def refusal(path: str, **settings: str) -> str:
    config = DataConfig(train=path, split=[0.6, 0.2, 0.2], **settings)  # type: ignore[arg-type]
    with pytest.raises(SFTError) as raised:
        load_data(config, ONE_LABEL, 0)
    return str(raised.value)


@pytest.mark.parametrize("encoding", TEXTS)
def test_the_encoding_that_the_bytes_look_like_is_proposed_and_reads_the_file(put: Put, encoding: str) -> None:
    path = put("a.csv", csv_of(TEXTS[encoding]).encode(encoding))
    message = refusal(path)
    if encoding != "utf-16-le":  # whose NUL bytes are found first
        assert message.startswith("SFT207")
        assert message.endswith(f"It looks like {encoding}: set --data.encoding {encoding}")
    data = load_data(DataConfig(train=path, encoding=encoding, split=[0.6, 0.2, 0.2]), ONE_LABEL, 0)
    assert data.examples.texts([0]) == [f"{TEXTS[encoding]} 0"]


@pytest.mark.parametrize("mark", ["utf-16", "utf-16-be"])
def test_utf_16_is_told_by_its_mark(put: Put, mark: str) -> None:
    content = csv_of("good").encode(mark)
    path = put("a.csv", content if mark == "utf-16" else b"\xfe\xff" + content)
    assert refusal(path).endswith("set --data.encoding utf-16")


@pytest.mark.parametrize("text", ["不错", "很差,退货", "好"])
def test_a_few_letters_of_chinese_are_enough(put: Put, text: str) -> None:
    path = put("a.csv", f'text,label\n"{text}",1\n'.encode("gb18030"))
    assert "--data.encoding gb18030" in refusal(path)


def test_a_damaged_file_in_utf8_is_not_read_in_another_encoding(put: Put) -> None:
    path = put("a.csv", csv_of("这部电影非常好看").encode() + b"caf\xe9,1\n")
    message = refusal(path)
    assert "line 14" in message
    assert "--data.encoding" not in message


def test_half_an_emoji_in_json_is_no_matter_of_encodings(put: Put) -> None:
    path = put("a.jsonl", '{"text": "\\ud83d", "label": "x"}\n' + '{"text": "a", "label": "y"}\n')
    assert "--data.encoding" not in refusal(path)


@pytest.mark.parametrize(("name", "header"), [("a.csv", "text\n"), ("a.txt", "")])
def test_texts_to_predict_get_the_same_advice(put: Put, name: str, header: str) -> None:
    path = put(name, (header + TEXTS["gb18030"] + "\n").encode("gb18030"))
    with pytest.raises(SFTError, match=r"SFT653 .*set --data\.encoding gb18030"):
        list(TextFiles(path, DataConfig()).read())
    (block,) = TextFiles(path, DataConfig(encoding="gb18030")).read()
    assert block.texts == [TEXTS["gb18030"]]
