"""Folders that cannot be written, disks that are full, and what must answer before TensorFlow is imported."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from command_line import flags, refusal, run_command
from tiny_bert import reviews, write_csv
from tiny_runs import Finished

from sftkeras import evaluate, export, predict, train
from sftkeras.command_line import commands
from sftkeras.config import EvaluateConfig, ExportCommandConfig, PredictConfig, TrainConfig

Refuse = Callable[..., str]

HEAVY = {"tensorflow", "keras", "keras_hub", "tensorflow_text", "sklearn", "matplotlib", "pyarrow", "safetensors"}


def imported_and_said(errors: str) -> tuple[set[str], str]:
    """Divides what `python -X importtime` writes into the packages imported and all else."""
    packages, rest = set(), []
    for line in errors.splitlines(keepends=True):
        if found := re.match(r"import time:.*\| +(\w+)", line):
            packages.add(found[1])
        elif not line.startswith("import time:"):
            rest.append(line)
    return packages, "".join(rest)


def without_heavy_imports(*words: str, cwd: Path, code: int) -> tuple[str, str]:
    """Calls `train` in a way that must end at once with this exit code; returns what it said and complained."""
    done = run_command("train", *words, cwd=cwd, python=("-X", "importtime"))
    packages, complaint = imported_and_said(done.stderr)
    assert done.returncode == code, complaint
    assert "sftkeras" in packages
    assert packages & HEAVY == set()
    return done.stdout, complaint


def test_help_and_an_unknown_flag_are_answered_without_heavy_imports(tmp_path: Path) -> None:
    said, complaint = without_heavy_imports("--help", cwd=tmp_path, code=0)
    assert "Example:\n  python -m sftkeras.train " in said
    assert complaint == ""
    said, complaint = without_heavy_imports("--confg", "x.yaml", cwd=tmp_path, code=2)
    assert complaint == 'SFT101  --confg: no such setting. Did you mean "--config"? See --help for all settings.\n'
    assert said == ""


def test_a_missing_column_is_told_without_heavy_imports(tiny_run: list[str], tmp_path: Path) -> None:
    write_csv(tmp_path / "data.csv", reviews(), header=("review", "label"))
    words = ["--data.train=data.csv", "--data.text=reviews"]
    said, complaint = without_heavy_imports(*tiny_run, *words, cwd=tmp_path, code=2)
    assert complaint == (
        'SFT204  data.csv has no column "reviews" (--data.text). Its columns: review, label. Did you mean "review"?\n'
    )
    assert said == ""


@pytest.mark.parametrize("flag", ["--runs", "--export.folder", "SFTKERAS_CACHE"])
@pytest.mark.parametrize("reason", ["Read-only file system|Permission denied", "Not a directory"])
def test_a_folder_that_cannot_be_written_is_named_before_the_data_is_read(
    refuse: Refuse,
    tiny_run: list[str],
    reviews_csv: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    flag: str,
    reason: str,
) -> None:
    if reason == "Not a directory":
        (tmp_path / "file").touch()
        folder = tmp_path / "file" / "below"
    else:
        folder = request.getfixturevalue("read_only_folder")
    words = [*tiny_run, *flags(data__train=reviews_csv)]
    if flag.startswith("--"):
        words.append(f"{flag}={folder}")
    else:
        monkeypatch.setenv(flag, str(folder))
    line = refuse(train.main, TrainConfig, *words)
    assert re.match(
        rf"SFT106  {folder}\S*: cannot write here \(({reason})\)\. Choose another folder with {flag}, ", line
    )
    assert not any((tmp_path / "runs").glob("*"))


def test_a_full_disk_at_export_leaves_no_half_version_and_the_run_to_export_later(
    small_disk: Path, tiny_run: list[str], reviews_csv: Path, tmp_path: Path
) -> None:
    filling = small_disk / "other"
    filling.write_bytes(bytes(4 * 2**20 - 200 * 2**10))
    done = run_command("train", *tiny_run, *flags(data__train=reviews_csv, export__folder=small_disk), cwd=tmp_path)
    assert refusal(done) == (
        f"SFT108  {small_disk}/tiny: the disk is full. What was half written is removed. Free some space, or choose "
        "another folder with --export.folder."
    )
    assert list(small_disk.iterdir()) == [filling]
    advice, later = done.stdout.splitlines()[-1].split(": ")
    assert advice == "Not exported, but the trained model is safe. Export it later with"
    assert later.endswith(f"python -m sftkeras.export --run {tmp_path}/runs/tiny")

    filling.unlink()
    _, *words = later.partition(" -m sftkeras.")[2].split()
    export.main(commands.parse(ExportCommandConfig, words))
    assert (small_disk / "tiny" / "1" / "saved_model.pb").is_file()


def test_a_full_disk_while_training_ends_in_one_line(
    small_disk: Path, tiny_run: list[str], reviews_csv: Path, tmp_path: Path
) -> None:
    """h5py 3.16 ends the process with a segmentation fault when the disk fills up under it."""
    (small_disk / "other").write_bytes(bytes(4 * 2**20 - 100 * 2**10))
    done = run_command("train", *tiny_run, *flags(data__train=reviews_csv, runs=small_disk), cwd=tmp_path)
    assert refusal(done) == (
        f"SFT108  {small_disk}/tiny/state: the disk is full. Nothing is kept. Free some space, or choose another "
        "folder with --runs."
    )


def test_a_run_is_not_replaced_unless_asked_to_and_anything_else_never(
    refuse: Refuse, finished: Finished, tiny_run: list[str], reviews_csv: Path, tmp_path: Path
) -> None:
    words = [*tiny_run, *flags(data__train=reviews_csv)]
    run = shutil.copytree(finished.run, tmp_path / "runs" / "tiny")
    expected = f"SFT105  {run} already holds a run. Choose another --name, or replace it with --overwrite true."
    assert refuse(train.main, TrainConfig, *words) == expected
    # A mistake in the data must not cost the run that would be replaced.
    write_csv(tmp_path / "spoiled.csv", [*reviews(), ("film", "")])
    spoiled = [*words, "--overwrite=true", f"--data.train={tmp_path}/spoiled.csv"]
    assert refuse(train.main, TrainConfig, *spoiled).startswith("SFT217")
    assert (run / "report.json").is_file()

    shutil.rmtree(run)
    run.mkdir()
    (run / "thesis.txt").write_text("years of work")
    line = refuse(train.main, TrainConfig, *words, "--overwrite=true")
    assert line.startswith(f"SFT111  {run} holds files that are no run, and is left as it is. Choose another --name")
    assert (run / "thesis.txt").is_file()


def test_what_a_terminal_cannot_show_does_not_stop_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_run: list[str]
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    write_csv(tmp_path / "data.csv", [*reviews(), ("café", "")])
    starts_anew = ("-u",)  # the encoding is chosen at the start
    done = run_command("train", *tiny_run, "--data.train=data.csv", cwd=tmp_path, python=starts_anew)
    assert refusal(done).startswith("SFT217  data.csv line 62: no label in column label.")
    assert r"\u2714 every text can be decoded" in done.stdout


def test_a_word_that_is_no_utf8_is_refused(refuse: Refuse, tiny_run: list[str]) -> None:
    line = refuse(train.main, TrainConfig, *tiny_run, "--data.train=caf\udce9.csv")
    assert line.startswith(r"SFT102  '--data.train=caf\udce9.csv': not valid UTF-8.")


# --- commands that ask for a model ---

Spoil = Callable[[Path], object]


def flip_a_byte(version: Path) -> None:
    weights = version / "variables" / "variables.data-00000-of-00001"
    content = bytearray(weights.read_bytes())
    content[100] ^= 1
    weights.write_bytes(content)


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (flip_a_byte, "SFT504  model/1/variables/variables.data-00000-of-00001: do not trust these weights:"),
        (
            lambda version: (version / "contract.json").unlink(),
            "SFT503  model/1/contract.json: not a usable contract (it is missing).",
        ),
        (
            lambda version: (version / "contract.json").write_text("{"),
            "SFT503  model/1/contract.json: not a usable contract",
        ),
        (lambda version: shutil.rmtree(version), "SFT502  --model model: no exported version here."),
        (lambda version: shutil.rmtree(version.parent), "SFT501  --model model: no such folder."),
    ],
    ids=["weights", "no contract", "contract", "no version", "no model"],
)
def test_a_spoiled_export_is_not_asked(
    refuse: Refuse, finished: Finished, reviews_csv: Path, tmp_path: Path, spoil: Spoil, expected: str
) -> None:
    model = shutil.copytree(finished.model, tmp_path / "model")
    spoil(model / "1")
    for command, config_class, words in (
        (predict, PredictConfig, ["good"]),
        (evaluate, EvaluateConfig, [f"--data={reviews_csv}", f"--output={tmp_path}/report"]),
    ):
        line = refuse(command.main, config_class, f"--model={model}", *words).replace(f"{tmp_path}/", "")
        assert line.startswith(expected)
    assert not (tmp_path / "report").exists()


# What data.csv (and data.jsonl) holds, the words, and what they are refused with.
PREDICT_REFUSES: dict[str, tuple[str | None, Sequence[str], str]] = {
    "nothing to answer": (None, [], "SFT650  there is no text. Give texts, or a file with --file"),
    "a missing file": (None, ["--file=nofile.csv"], "SFT201  --file nofile.csv: no such file."),
    "a missing column": ("review\ngood\n", ["--file=data.csv"], 'SFT204  data.csv has no column "text" (--text).'),
    "an empty file": ("", ["--file=data.csv"], "SFT202  data.csv is empty."),
    "no text in a row": (
        '{"text": "good"}\n{"text": null}\n',
        ["--file=data.jsonl"],
        "SFT652  data.jsonl line 2: no text in column text.",
    ),
    "pairs": ("text,pair\na,b\n", ["--file=data.csv", "--pair=pair"], "SFT651  --model"),
}
EVALUATE_REFUSES: dict[str, tuple[str | None, Sequence[str], str]] = {
    "no data": (None, [], "SFT104  --data is missing."),
    "a missing column": (
        "text,mark\ngood,1\n",
        ["--data=data.csv"],
        'SFT204  data.csv has no column "label" (--label).',
    ),
    "an unknown label": (
        "text,label\ngood,positiv\n",
        ["--data=data.csv"],
        'SFT214  data.csv line 2: label "positiv" is not one of negative, positive.',
    ),
    "an empty file": ("", ["--data=data.csv"], "SFT202  data.csv is empty."),
    "another delimiter": (
        "text;label\ngood;1\n",
        ["--data=data.csv"],
        "SFT205  data.csv line 1: the header is one column, 'text;label', but a semicolon would divide it. Set "
        '--data.delimiter ";"',
    ),
    # The advice reads the file: what is found next is in its rows.
    "another delimiter, as advised": (
        "text;label\ngood;positiv\n",
        ["--data=data.csv", "--data.delimiter=;"],
        'SFT214  data.csv line 2: label "positiv"',
    ),
    "no header, as advised": (
        "positiv,good\n",
        ["--data=data.csv", "--data.columns=label,text"],
        'SFT214  data.csv line 1: label "positiv"',
    ),
    "bad rows, as advised": (
        "text,label\na,b,c\ngood,positiv\n",
        ["--data=data.csv", "--data.bad_rows=skip"],
        'SFT214  data.csv line 3: label "positiv"',
    ),
    "other names of labels, as advised": (
        "text,label\ngood,7\n",
        ["--data=data.csv", '--data.label_names={"7": positiv}'],
        'SFT214  data.csv line 2: label "positiv"',
    ),
    "several files": (
        "text,label\ngood,positive\n",
        ["--data=data.csv,more.csv"],
        "SFT201  --data more.csv: no such file.",
    ),
}


@pytest.mark.parametrize(
    ("command", "case"), [*(("predict", it) for it in PREDICT_REFUSES), *(("evaluate", it) for it in EVALUATE_REFUSES)]
)
def test_what_cannot_be_answered_or_judged_is_refused_in_one_line(
    refuse: Refuse, finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, case: str
) -> None:
    main, config_class, cases = {
        "predict": (predict.main, PredictConfig, PREDICT_REFUSES),
        "evaluate": (evaluate.main, EvaluateConfig, EVALUATE_REFUSES),
    }[command]
    content, words, expected = cases[case]
    monkeypatch.chdir(tmp_path)
    if content is not None:
        for name in ("data.csv", "data.jsonl"):
            Path(name).write_text(content)
    assert refuse(main, config_class, f"--model={finished.model}", *words).startswith(expected)
    assert not Path("evaluation").exists()


def test_how_a_file_is_read_is_refused_where_there_is_none(refuse: Refuse, finished: Finished, tmp_path: Path) -> None:
    for words in (["--data.encoding=gb18030"], ["--label=topic"]):
        line = refuse(evaluate.main, EvaluateConfig, f"--model={finished.run}", f"--output={tmp_path}/report", *words)
        assert line.startswith(f"SFT607  {words[0].partition('=')[0]} says how a labelled file is read")


def test_answers_and_reports_that_cannot_be_written_are_named_by_their_flag(
    refuse: Refuse, finished: Finished, reviews_csv: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    below = tmp_path / "file" / "below"
    words = [f"--model={finished.model}", "good", f"--output={below}"]
    problem = "cannot write here (Not a directory). Choose another folder with"
    assert refuse(predict.main, PredictConfig, *words).startswith(f"SFT106  {below}: {problem} --output,")
    words = [f"--model={finished.model}", f"--data={reviews_csv}", f"--output={below}"]
    assert refuse(evaluate.main, EvaluateConfig, *words).startswith(f"SFT106  {below}: {problem} --output,")
    line = refuse(export.main, ExportCommandConfig, f"--run={finished.run}", f"--folder={below}")
    assert line.startswith(
        f"SFT106  {below}/tiny: cannot write here (Not a directory). Choose another folder with --folder"
    )


@pytest.mark.parametrize("missing", ["config.yaml", "model.json", "state/best.weights.h5"])
def test_a_run_that_is_not_whole_cannot_be_exported(
    refuse: Refuse, finished: Finished, tmp_path: Path, missing: str
) -> None:
    run = shutil.copytree(finished.run, tmp_path / "run")
    (run / missing).unlink()
    line = refuse(export.main, ExportCommandConfig, f"--run={run}", f"--folder={tmp_path}/models")
    assert line.startswith(f"SFT109  {run}: no run here ({missing} is missing).")
    assert not (tmp_path / "models").exists()


def test_weights_of_a_run_that_are_damaged_are_named(refuse: Refuse, finished: Finished, tmp_path: Path) -> None:
    run = shutil.copytree(finished.run, tmp_path / "run")
    weights = run / "state" / "best.weights.h5"
    weights.write_bytes(weights.read_bytes()[:1000])
    line = refuse(export.main, ExportCommandConfig, f"--run={run}", f"--folder={tmp_path}/models")
    assert line.startswith(f"SFT112  {weights}: cannot be read (")
    assert not (tmp_path / "models").exists()
