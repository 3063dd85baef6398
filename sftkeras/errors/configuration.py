"""Errors 1xx: configuration, commands and environment."""

from __future__ import annotations

MESSAGES: dict[str, str] = {
    "SFT101": "{flag}: no such setting.{suggestion} See --help for all settings.",
    "SFT102": "{flag}: {problem}",
    "SFT103": "{file}: {problem}",
    "SFT104": "{flag} is missing. {remedy}",
    "SFT105": "{folder} already holds a run. Choose another --name, or replace it with --overwrite true.",
    "SFT106": "{path}: cannot write here ({problem}). Choose another folder with {flag}, or give this one write "
    "access.",
    "SFT107": "{package} is not installed. Install it with: pip install {install}",
    "SFT108": "{path}: the disk is full. {freed} Free some space, or choose another folder with {flag}.",
    "SFT109": "{path}: no run here ({problem}). Give the folder that `python -m sftkeras.train` made, such as "
    "runs/NAME.",
    "SFT110": "{folder} already holds a report. Choose another --output, or replace it with --overwrite true.",
    "SFT111": "{folder} holds files that are no run, and is left as it is. Choose another --name, or another folder "
    "with --runs.",
    "SFT113": "{path}: this run has no weights yet: it was stopped before its first epoch ended. Give the command that "
    "began it again: it continues from there.",
    "SFT114": "{path}: this run has exported no model yet. Export it first, with python -m sftkeras.export --run "
    "{quoted}",
    "SFT112": "{path}: cannot be read ({problem}). Copy the whole run folder again, or train again.",
    "SFT115": "{setting} has no effect with {choice}: it is a setting of {users}. Leave it out.",
    "SFT125": "{word}: no such command.{suggestion} The commands are {commands}. See sftkeras --help.",
    # 120-124 Python
    "SFT120": "a config of type {kind}: expected a TrainConfig, a dictionary of settings, or the path of a YAML file.",
    "SFT121": "{part}: cannot read rows from a {kind}. Give a pandas DataFrame, a Dataset of `datasets`, a pyarrow "
    "Table, a list of dictionaries or of (text, label) pairs, or a file.",
    "SFT122": "{part}: row {row} is {found}. Give each row as {expected}.",
    "SFT123": 'Keras runs on {backend} in this process. Set os.environ["KERAS_BACKEND"] = "tensorflow" before Keras '
    "is imported, and restart.",
    "SFT124": "{path}: no report here that can be read. A run has one when it has ended: resume it, or train again.",
    "SFT126": "{model}: {problem}.",
    "SFT127": "the tokenizer got {found}. Give it a batch of texts: a list, a column, or in tf.data what comes after "
    "batch().",
}
