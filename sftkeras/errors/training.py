"""Errors 4xx: training."""

from __future__ import annotations

MESSAGES: dict[str, str] = {
    # 4xx training
    "SFT401": "--training.early_stopping.monitor {monitor}: no such metric.{suggestion} This task has: {known}.",
    "SFT402": "step {step} of epoch {epoch}: {what} is not a finite number. {kept} {advice}",
    "SFT403": "--training.devices {devices}: this machine has {found} {kind}. Choose {found} or fewer.",
    # 404-405 findings, which are warnings: the data's language
    "SFT404": "the backbone's vocabulary does not know these texts: unknown tokens are {shares} of all, most in "
    "{place}: {text}. The model cannot distinguish such texts. Choose a backbone that was trained on their language "
    "(--backbone.handle); where they look wrong here, see --data.encoding.",
    "SFT405": "the backbone's vocabulary spells the texts letter by letter: {shares} of the tokens are single letters, "
    "most in {place}: {text}. Choose a backbone that was trained on their language (--backbone.handle).",
    "SFT411": "--task.class_weights: {problem}.{suggestion} Give one weight to each label, or balanced, or "
    "effective_number.",
    "SFT412": "{setting} has no effect here: the task predicts {predicts}. Leave it out.",
    "SFT413": "--objective.kind {kind}: the task {task} (it predicts {predicts}) cannot be trained by it. Choose one "
    "of: {known}.",
    # 420-429 resume
    "SFT420": "{folder} holds an interrupted run that differs: {differences}. Continue it all the same with "
    "--resume.allow {allow}, or start anew with --overwrite true.",
    "SFT421": "--resume must: {folder} holds {found}. Start one without --resume.",
    "SFT422": "the state of the interrupted run is of another model or of other data ({problem}). Start anew with "
    "--resume never --overwrite true.",
    "SFT423": "{folder}: another process is training or exporting this run. Wait for its end{remedy}.",
    # 430-439 several workers
    "SFT430": "--training.strategy multi_worker: {problem}. Start the workers of one machine with python -m "
    "sftkeras.launch; for several machines see docs/scaling.md.",
    "SFT431": "{workers} did not connect within {minutes} minutes. Check that the worker runs and that its address "
    "can be reached; --training.join_minutes sets a longer wait.",
    "SFT432": "worker {worker} was started with other settings, data or code. Start all workers with the same.",
    "SFT433": "another worker was lost: {problem}. Start all workers again; the run continues from its last state.",
    "SFT434": "TF_CONFIG names {workers} workers, each of which would train on its own with --training.strategy "
    "{strategy}. Set it to multi_worker, or unset TF_CONFIG.",
    "SFT435": "{words} {restarts} restarts did not help.",
    "SFT436": "{folder}: here the run was at step {step}, and elsewhere for another worker. Put --runs on a drive that "
    "all workers share.",
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
    "which computes it too in smaller parts: the run continues from its last state, with the same result.",
    # 445-447 losses of pairs
    "SFT445": "--task.loss contrastive: {found} in the label column is neither 1 (a positive pair) nor 0 (a negative "
    "pair). Learn such numbers with --task.loss cosine.",
    # 450-459 watching: warnings, which never end a run
    "SFT450": "{tracker}: {problem}. Training continues without it; TensorBoard has every figure.",
    "SFT451": "step {step}: {share} of the time is waiting for batches. The cache folder may be on a slow disk (choose "
    "another with SFTKERAS_CACHE), or other work keeps the cores from preparing batches.",
    "SFT452": "step {step} took {seconds}, {times} times as long as other steps of its size. Neither other "
    "processes nor memory are the cause: check the disk, the network and the temperature of the machine.",
    "SFT453": "step {step}: other processes use {others} of the {cores} cores, so training is slower.",
    "SFT454": "step {step}: the machine reads {rate} MB/s back from swap, because its memory is full. Raise "
    "--training.accumulation, or end other processes.",
    "SFT455": "step {step}: saving states takes {share} of the time, {seconds} each. Save them less often with "
    "--checkpoint.every_steps or --checkpoint.every_minutes, or choose a faster disk with --runs.",
    "SFT456": "step {step}: workers wait more than {share} of the time for worker {workers}. Check what else "
    "its machine runs.",
    "SFT457": "step {step}: {share} of the time is adding up gradients over {devices} devices: they wait for each "
    "other, or the link between them is slow. Larger batches (--training.batch_size) need fewer sums.",
    "SFT458": "step {step}: the container's processor limit keeps {threads} threads waiting. Raise the limit.",
    "SFT459": "epoch {epoch}: writing the best weights took {seconds}, {share} of the epoch. The disk is slow, or "
    "other processes write to it too: stop them, or choose another disk with --runs.",
    # 460-461 a training that goes wrong: warnings, which never end a run
    "SFT460": "step {step}: the loss is {loss}, far above the {usual} of {what}. The learning rate is too high for "
    "this encoder: stop, and lower --optimizer.learning_rate (it is {rate}) or raise --optimizer.warmup.",
    "SFT461": "not measurably better than {name}: {metric} {ours} against {theirs} on {rows} texts. Most often the "
    "learning rate was too high, the epochs too few, or the texts too few to show a difference: check the training "
    "loss first.",
    # 463-465 warm starts, and runs in the process of others
    "SFT463": "--start_from {run}: its weights are not for these settings: {differences}. Set them as that run has "
    "them, or take its encoder alone, with --backbone.handle {run}.",
    "SFT464": '--start_from {run}: the label "{label}" of the data is "{known}" in that run. Write them alike, in the '
    "file or with --data.label_names, or begin a new head with --backbone.handle {run} in place of --start_from.",
    "SFT465": "--training.devices {devices}: TensorFlow runs already in this process, with {found} {kind}. Start a new "
    "process (in a notebook: restart the kernel) and make this its first call, or choose {found} or fewer.",
    "SFT466": "--start_from {run}: its rows cannot be read as they were: {problem}. Put its files back where its "
    "config.yaml has them, or leave out the settings of --continual, which need them.",
    "SFT467": "--continual.replay: no training row can be replayed: the runs that this one begins with had the same "
    "rows, or rows whose texts are held out here. Leave it out.",
    "SFT468": "--continual.ewc: the task {task} draws no labels from its predictions, which Fisher information is made "
    "of. Leave it out, and keep what was learned by --continual.replay.",
    "SFT462": "--dry_run with --training.precision mixed_float16 on a CPU: each step may take minutes, since CPUs have "
    "no fast float16. Choose float32 or mixed_bfloat16 here, or run this where the GPU is.",
    # 470-479 the chat check
    "SFT470": "{place}: the chat template {template} does not take this conversation: {problem}.{more} Correct or "
    "remove such rows, or choose another template with --task.template.",
    "SFT471": "{place}: it cannot be proved what the chat template {template} writes and what are contents: {problem}."
    "{more} Choose another template with --task.template, or remove such rows.",
    "SFT472": "{place}: the chat template {template} leaves out {what}.{more} {remedy}",
    "SFT473": "{place}: the chat template {template} writes no special token at the end of an answer, so that no end "
    "is learned and the model would not stop.{more} {remedy}",
    "SFT474": "{place}: message {number} holds {token}, which only the chat template {template} should write; it is "
    "learned as ordinary text. Is the conversation rendered already?{more} {remedy}",
    "SFT475": "{place}: the chat template {template} leaves out what the assistant thought in {what}, as it does when "
    "it is asked for the next answer.{more} To learn such thoughts, set --task.train_on last_answer, with a row for "
    "each answer.",
    "SFT476": "{place}: with the chat template {template} the text begins with {token} twice.{more} {remedy}",
    "SFT477": "{rows} of {total} conversations have no token to learn among the first {limit}, such as {place}. "
    "{remedy} Or raise --backbone.max_length.",
    "SFT478": "{rows} of {total} conversations are longer than {limit} tokens even as their last turn alone, such as "
    "{place}, so that the end of the answer is cut off. {remedy} Or raise --backbone.max_length.",
    "SFT479": "{rows} of {total} conversations ({share}) are longer than {limit} tokens. {remedy}",
    # 480-489 what learns
    "SFT481": "--tuning.targets {target}: this {kind} has no such linear layers.{suggestion} Known are {known}, all, "
    "and patterns of LAYER.NAME such as 0.{example}.",
    "SFT482": "--tuning.rank {rank}: {layer} of this backbone has {inputs} inputs and {outputs} outputs, so its kernel "
    "is not larger than such matrices. Choose a rank below {most}, or --tuning.method full.",
    "SFT483": "{choice} with {setting} {value}: {problem}. Leave one of them out.",
    "SFT484": "--tuning.layers {layer}: this backbone has the layers 0 to {last}.",
    "SFT485": "--tuning.method {method}: nothing would learn, since {reason}. Choose another method, such as lora.",
    "SFT486": "--tuning.adapter {folder}: {problem}",
    "SFT487": "the merged weights do not compute what was trained: outputs differ by {difference} of their size, more "
    "than {most}. Nothing was written from them; please report this.",
    "SFT488": "--backbone.layers {layers}: this backbone has {count} layers. Give how many to keep, or their numbers, "
    "each once, from 0 to {last}.",
    "SFT489": "--backbone.layers {layers}: {folder} has layers of several kinds, and its config.json cannot say which "
    "of these are of which. Keep others, such as the first.",
    "SFT490": "--tuning.freeze_first {first}: this backbone has {count} layers. Freeze fewer, or choose "
    "--tuning.method head, which trains none of them.",
    "SFT491": "--tuning.virtual_tokens {tokens}: this backbone has positions for {most} tokens, and texts have up to "
    "{length} of their own. Choose fewer, or lower --backbone.max_length.",
    "SFT492": "--tuning.init_text {text}: no tokens can be made of it. Choose a text in the language of the backbone, "
    "or leave it out; a backbone with a preprocessor in place of a tokenizer takes none.",
    "SFT493": "{given}: virtual tokens, of the tuning methods prompt and prefix, can be in no Hugging Face folder, "
    "TF-Hub module or GGUF file. {remedy}",
    # 495-499 distillation
    "SFT495": "--distillation.teacher {teacher}: neither a run nor an exported model. Give the folder of one, such as "
    "runs/NAME or saved_models/NAME.",
    "SFT496": "--distillation.teacher {teacher}: {problem}. Choose a teacher of the same task, whose labels are all in "
    "the data.",
    "SFT497": "--distillation.teacher {teacher}: the task {task} cannot learn from a teacher. Leave it out.",
    "SFT498": "--distillation.teacher {teacher}: {task} learns of each token what its teacher says, so the teacher "
    "must be a run (runs/NAME, no export) with the same tokens: the same tokenizer, --backbone.max_length, and "
    "cleaning or chat template.",
    "SFT499": "--distillation.teacher {teacher} with {setting} {value}: {problem}. Leave one of them out.",
}
