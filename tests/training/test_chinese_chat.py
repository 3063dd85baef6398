"""Chinese conversations, from a KerasHub preset to the report: no decoder of the package indexes speaks Chinese."""

from __future__ import annotations

import json
from pathlib import Path

from drawn_once import drawn_once
from forked import forked_predictions
from tiny_presets import write_preset

from sftkeras import train
from sftkeras.command_line import commands
from sftkeras.config import TrainConfig

ANSWER = "很好看！"
NOUNS = ["电影", "故事", "演员", "音乐", "结尾", "画面", "对白", "剧情", "主角", "配乐", "开头", "节奏"]


def write_rows(path: Path, nouns: list[str]) -> Path:
    """Questions that all have one answer, which so small a model can learn."""
    rows = [
        {"messages": [{"role": "user", "content": f"{noun}怎么样？"}, {"role": "assistant", "content": ANSWER}]}
        for noun in nouns
    ]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_chinese_answer_is_learned_and_compared_character_by_character(tmp_path: Path) -> None:
    settings = {
        "name": "chinese",
        "task.kind": "chat",
        "task.template": "chatml",
        "task.max_new_tokens": 12,
        "backbone.handle": write_preset(tmp_path / "preset", "qwen", num_layers=1, tie_word_embeddings=True),
        "backbone.max_length": 64,
        "data.train": write_rows(tmp_path / "train.jsonl", NOUNS[:8]),
        "data.validation": write_rows(tmp_path / "validation.jsonl", NOUNS[8:10]),
        "data.test": write_rows(tmp_path / "test.jsonl", NOUNS[10:]),
        "training.batch_size": 2,
        "training.epochs": 4,
        "training.devices": 1,
        "report.baselines": "false",
        "optimizer.learning_rate": 0.08,
        "runs": tmp_path / "runs",
    }
    with forked_predictions(), drawn_once():
        train.main(commands.parse(TrainConfig, [f"--{setting}={value}" for setting, value in settings.items()]))
    report = json.loads((tmp_path / "runs" / "chinese" / "report.json").read_text(encoding="utf-8"))
    assert report["metrics"]["exact_match"] == 1, report["metrics"]
    assert report["metrics"]["bleu"] > 0.99
    assert ANSWER in (tmp_path / "runs" / "chinese" / "report.md").read_text(encoding="utf-8")
    decoder = tmp_path / "runs" / "chinese" / "decoder"  # which is Hugging Face's, whatever it was made of
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {path.name for path in decoder.iterdir()}
