"""Errors 5xx: export and loading of exports."""

from __future__ import annotations

MESSAGES: dict[str, str] = {
    "SFT501": "{flag} {path}: no such folder.{suggestion}",
    "SFT502": "{flag} {path}: no exported version here. Give FOLDER/NAME, which holds versions such as 1 with a "
    "saved_model.pb, or one of its versions.",
    "SFT503": "{path}: not a usable contract ({problem}). Export the run again, or copy the whole version folder.",
    "SFT504": "{path}: do not trust these weights: {problem}. Export the run again, or copy the whole version folder.",
    "SFT505": "{path}: the model cannot be loaded ({problem}). Export the run again, or copy the whole version folder.",
    "SFT506": "{path}: the model fails to predict ({problem}). If the texts are not at fault, export the run "
    "again, or copy the whole version folder.",
    "SFT507": "the prediction process ended {how}: {last} Run again with more memory free; if it ends so again, "
    "please report this.",
    "SFT510": "the export's predictions differ from the trained model's: {signature} gives {output} {found} for "
    "{text}, not {expected}. Nothing was published; please report this.",
    "SFT511": "the model's {output} for {text} is not a finite number, so nothing was published. Train again with a "
    "smaller --optimizer.learning_rate; or in float32, where --training.precision was set to another.",
    "SFT512": "TensorFlow Serving {server} cannot load this model: it has {why}. {remedy} Nothing was published.",
    "SFT513": "no release of TensorFlow Serving up to {newest} is known to load this model: it has {why}. It works "
    "here and with python -m sftkeras.serve.",
    "SFT514": "{flag} {server}: no release that is known here. Known: {known}.",
    "SFT515": "{path} is left as it is: {problem}.",
    "SFT516": "{path} is left as it is, but it lets TensorFlow Serving split requests. This model returns lists, "
    "and that server crashes when it joins lists of different widths. Write enable_large_batch_splitting "
    "{{ value: false }} into the file, and into max_batch_size how many texts a request may have.",
    "SFT517": "{path}: this model is not loaded, because {problem}. A model may use only the operations that are "
    "listed in sftkeras/graphs/trusted_operations.txt: leave this one out of it and export again, or do not trust the "
    "folder.",
    "SFT518": "{flag} {python}: {problem}. Name a Python that has transformers and torch: python -m venv .venv-torch, "
    "then .venv-torch/bin/pip install transformers torch, and give .venv-torch/bin/python.",
    "SFT519": "the export differs from transformers {version}: {what}. Nothing was published; please report this.",
    "SFT520": "the {precision} export is not published: it predicts too differently. {figures} At least {least} must "
    "be equal: lower --export.least_equal if that is good enough, or take another --export.precision.",
    "SFT521": "--export.precision {precision}: this model is {what}, which is exported in float32 alone. Leave it out.",
    # 530-539 smaller models
    "SFT530": "{folder}: its encoder is a TF-Hub module trained as it is, which cannot be made smaller. Train again "
    "with an encoder that can be rebuilt.",
    "SFT531": "with fewer tokens this text would be split otherwise than before, so nothing was written: {text}. Leave "
    "it out of --vocabulary, or please report this.",
    "SFT532": "--heads: the config.json of {model_type} has no place for the size of a head, which follows from how "
    "many there are. Leave out units alone, with --units.",
    "SFT533": "{folder}: a TF-Hub preprocessor tokenises its texts, whose tokens cannot be left out. Leave out "
    "--vocabulary.",
}
