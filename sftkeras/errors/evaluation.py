"""Errors 6xx: evaluation and prediction."""

from __future__ import annotations

MESSAGES: dict[str, str] = {
    "SFT601": "the {what} to evaluate have shape {found}, not {expected}. Evaluate a model on data of its own kind.",
    "SFT602": "there is nothing to evaluate: the test part has no rows. Give a file with --data.test, or a larger "
    "share.",
    "SFT603": "{count} of {total} predictions are not finite, the first for {place}. The training diverged: "
    "train again with a smaller --optimizer.learning_rate.",
    "SFT604": "{place}: {truth} is no label that the model knows. Correct it, or train again with rows of this label.",
    "SFT605": "{place}: the predictions {predictions} are not probabilities. The model must end in a softmax or a "
    "sigmoid.",
    "SFT606": "{path}: the report cannot be written ({problem}). The model is safe: make room or give write access, "
    "then evaluate it with python -m sftkeras.evaluate.",
    "SFT607": "{flag} says how a labelled file is read, but the run's own test part is read as in training. Name a "
    "file with --data.test, or leave {flag} out.",
    # 610-619 what a task needs of its encoder
    "SFT610": "--task.kind {kind}: {reason}. Choose another encoder with --backbone.handle, such as BERT.",
    "SFT617": "not one of the {rows} texts has a word to mask, so nothing can be evaluated. Give texts with words.",
    # 618-620 compare
    "SFT618": "runs to compare: {count}. Name two or more folders, such as runs/reviews runs/reviews-2.",
    "SFT619": "{path}: nothing to compare here ({problem}). Give the folder of a finished run, such as runs/NAME, or "
    "one that sftkeras.evaluate wrote.",
    "SFT620": "{path} is a report of {found}, and {other} one of {expected}: their figures cannot be compared. Compare "
    "runs of one task and one kind of label.",
    # 621 chat and causal_lm
    "SFT621": "--task.retention_text {path}: cannot be read ({problem}). Name a text file in UTF-8, or leave it out.",
    "SFT622": "not one of the {rows} texts has two tokens, so nothing can be predicted. Give longer texts.",
    # 650-669 predict
    "SFT650": "{problem}. Give texts, or a file with --file (or --file - for standard input).",
    "SFT651": "{flag} {model}: this model takes {wanted}. {remedy}",
    "SFT652": "{place}: no text in column {column}.{more} {remedy}",
    "SFT653": "{place}: not valid {encoding}.{more} {remedy}{advice}",
    "SFT654": "--output {file}: its ending says no format that is written. Known endings: {known}.",
    "SFT655": "--output: at record {number}, {problem}, which this format cannot hold. Choose a name that ends in "
    ".jsonl.",
    "SFT656": "{folder} keeps what a command predicted before it was stopped, but this one {difference}. Repeat that "
    "command, or delete the folder to begin anew.",
    "SFT657": "{folder} is in use: another process predicts for the same output. Wait for it, or choose another "
    "--output.",
    "SFT658": "{flag} {model}: --generate.{name} is for models that generate text, which this one does not. Leave it "
    "out.",
    "SFT659": "{model}: the chat template does not take the conversation that ends with {text}: {problem}.",
    "SFT660": "{flag} {address}: the server cannot be reached ({reason}). Check the address, and that the server runs.",
    "SFT661": "{flag} {address}: no response within {timeout} seconds. Raise --timeout, or run again when the server "
    "is less busy.",
    "SFT662": "{flag} {address}: {reason}. Check --name, --version and --version_label.",
    "SFT663": "{flag} {address}: the server refuses access ({reason}). Give the file of its token with --token_file, "
    "and --tls_certificate if it asks for one.",
    "SFT664": "{flag} {address}: the server responds with {status}: {reason}.",
    "SFT665": "{flag} {address}: the model {name} takes {inputs}, not texts. Call it from Python with "
    "sftkeras.serving.client.",
    "SFT666": "{flag} {address}: the server's predictions differ from those of {version}: {difference}. Check that it "
    "serves this version.",
    "SFT667": "--token_file, --tls_ca, --tls_certificate or --tls_key: {problem}. Give a file that can be read; for "
    "TLS in PEM format.",
}
