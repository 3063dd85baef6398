"""Chat training steps side by side: sftkeras, TRL's SFTTrainer and a plain PyTorch loop, turn by turn.

    python benchmarks/chat_vs_peers.py --peer_python .venv-bench/bin/python                    # 8 rounds, 20 minutes
    python benchmarks/chat_vs_peers.py --peer_python … --layers 2 --vocabulary 4096 --rounds 2  # a quick look

All train random weights of SmolLM2-135M's size on the same batches of conversations: 8 rows of some 97 tokens, of which
56% are learned; full fine-tuning, clipping at the global norm, AdamW, no dropout. None is timed unless the losses of
the first steps are those of the plain loop. Each is a process that lives through the whole measurement, and has a turn
of one step for each batch in every round; see turns.py. Tokens a second count no padding. The peak of memory is each
process's own, over all steps before the first turn.

At the end a step of sftkeras with a vocabulary of 32 thousand is compared with one of 256 thousand, by what its peak of
memory has beyond weights and moments.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from processes import HERE, Worker
from records import Rows, features, keep_and_show, machine, now, shown_machine
from steppers import Program, all_steppers, compare
from turns import OtherWork, Quartiles, Round, ratio, take_turns

OURS, THEIRS = "sftkeras_chat_steps.py", "peers/torch_chat_steps.py"
BASE, EXACT = "trl", "pytorch"
CONTENDERS = {
    "sftkeras": Program("sftkeras float32", OURS, ("float32",), is_peer=False),
    "sftkeras_bfloat16": Program("sftkeras mixed_bfloat16", OURS, ("mixed_bfloat16",), is_peer=False),
    BASE: Program("TRL float32", THEIRS, ("float32", "trl"), is_peer=True),
    "trl_bfloat16": Program("TRL bfloat16", THEIRS, ("bfloat16", "trl"), is_peer=True),
    EXACT: Program("PyTorch float32", THEIRS, ("float32", "plain"), is_peer=True),
}
BASE_NAME, EXACT_NAME = CONTENDERS[BASE].name, CONTENDERS[EXACT].name
MOST_DIFFERENCE = {False: 1e-3, True: 0.1}  # of losses; by whether one of the two computes in bfloat16

# SmolLM2-135M's.
SHAPE = {"hidden": 576, "layers": 30, "heads": 9, "shared": 3, "inner": 1536, "vocabulary": 49_152}
ROWS, LENGTH, SPREAD, LEARNED, BATCHES = 8, 97, 12, 0.56, 4
FIRST_STEPS = 50
VOCABULARIES = (32_768, 262_144)
# Epsilon is next to nothing: Keras and PyTorch add it at different places of the bias correction, so that first steps
# would differ.
OPTIMIZER = {"learning_rate": 1e-4, "weight_decay": 0.01, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-12}


def main() -> None:
    """Runs all rounds, prints the comparison, and keeps it."""
    settings = arguments()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as work:
        folder = Path(work)
        recipe, tokens = write_recipe(folder / "recipe", settings, settings.vocabulary, settings.first_steps)
        programs = [CONTENDERS[key] for key in settings.contenders]
        steppers = all_steppers(programs, recipe, folder, batches=BATCHES, peer_python=settings.peer_python)
        with steppers as (contenders, ready):
            compare(ready, "losses", EXACT_NAME, MOST_DIFFERENCE)
            with OtherWork(contender.worker.pid for contender in contenders) as others:
                rounds = take_turns(contenders, settings.rounds, "Steps")
        memory = {size: beyond_weights(folder, settings, size) for size in settings.vocabularies}
    record = {
        "when": now(),
        "machine": machine(),
        "others": others.share,
        "shape": {**SHAPE, "layers": settings.layers, "vocabulary": settings.vocabulary},
        "tokens": tokens,
        "ratios": ratios(rounds),
        "peak_bytes": {name: each["peak_bytes"] for name, each in ready.items()},
        "losses": {name: each["losses"] for name, each in ready.items()},
        "beyond_weights_and_moments": memory,
        "rounds": rounds,
    }
    keep_and_show(record, settings.results, "chat_vs_peers", about(record), tables(record))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer_python", required=True, help="interpreter with torch, transformers and trl")
    default = ["sftkeras", BASE, EXACT]
    default += ["sftkeras_bfloat16", "trl_bfloat16"] if {"amx_bf16", "avx512_bf16"} & set(features()) else []
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=default)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--first_steps", type=int, default=FIRST_STEPS, help="steps whose losses are compared")
    parser.add_argument("--layers", type=int, default=SHAPE["layers"])
    parser.add_argument("--vocabulary", type=int, default=SHAPE["vocabulary"])
    parser.add_argument("--vocabularies", nargs="*", type=int, default=VOCABULARIES, help="whose memory is compared")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder for the record and its tables")
    settings = parser.parse_args()
    if not {BASE, EXACT} <= set(settings.contenders):
        parser.error(f"all are compared with {BASE} and {EXACT}, which must be among the contenders")
    return settings


def write_recipe(folder: Path, settings: argparse.Namespace, vocabulary: int, first_steps: int) -> tuple[Path, int]:
    """Writes what all contenders read: weights, optimizer and batches; gives also the tokens of a turn."""
    folder.mkdir()
    random = np.random.default_rng(17)
    write_model(folder / "model", random, settings.layers, vocabulary)
    arrays: dict[str, Any] = {}
    for number in range(BATCHES):
        lengths = random.integers(LENGTH - SPREAD, LENGTH + SPREAD, ROWS)
        mask = (np.arange(lengths.max()) < lengths[:, None]).astype(np.int32)
        ids = random.integers(2, vocabulary, mask.shape).astype(np.int32)
        learned = (np.arange(lengths.max()) >= np.round(lengths * (1 - LEARNED))[:, None]).astype(np.int32)
        arrays |= {f"ids_{number}": ids * mask, f"mask_{number}": mask, f"learned_{number}": learned * mask}
    np.savez(folder / "batches.npz", **arrays)
    recipe = {
        "model": str(folder / "model"),
        "batches": str(folder / "batches.npz"),
        "batch_count": BATCHES,
        "first_steps": first_steps,
        "clip_norm": 1.0,
        **OPTIMIZER,
    }
    (folder / "recipe.json").write_text(json.dumps(recipe), encoding="utf-8")
    return folder / "recipe.json", sum(int(arrays[f"mask_{number}"].sum()) for number in range(BATCHES))


def write_model(folder: Path, random: np.random.Generator, layers: int, vocabulary: int) -> None:
    """A Hugging Face folder of a Llama with random weights and a tied head."""
    from safetensors.numpy import save_file

    folder.mkdir()
    hidden, inner, head = SHAPE["hidden"], SHAPE["inner"], SHAPE["hidden"] // SHAPE["heads"]
    config = {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "vocab_size": vocabulary,
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": SHAPE["heads"],
        "num_key_value_heads": SHAPE["shared"],
        "max_position_embeddings": 2048,
        "rms_norm_eps": 1e-5,
        "rope_theta": 1e5,
        "hidden_act": "silu",
        "tie_word_embeddings": True,
        "bos_token_id": 1,
        "eos_token_id": 1,
        "pad_token_id": 0,
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens": (vocabulary, hidden), "model.norm": (hidden,)}
    for number in range(layers):
        inside = {
            "self_attn.q_proj": (hidden, hidden),
            "self_attn.k_proj": (SHAPE["shared"] * head, hidden),
            "self_attn.v_proj": (SHAPE["shared"] * head, hidden),
            "self_attn.o_proj": (hidden, hidden),
            "mlp.gate_proj": (inner, hidden),
            "mlp.up_proj": (inner, hidden),
            "mlp.down_proj": (hidden, inner),
            "input_layernorm": (hidden,),
            "post_attention_layernorm": (hidden,),
        }
        shapes |= {f"model.layers.{number}.{name}": shape for name, shape in inside.items()}
    tensors = {
        f"{name}.weight": np.ones(shape, np.float32)
        if len(shape) == 1
        else random.standard_normal(shape, np.float32) * np.float32(0.04)
        for name, shape in shapes.items()
    }
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def beyond_weights(folder: Path, settings: argparse.Namespace, vocabulary: int) -> dict[str, int]:
    """Bytes at the peak of a step of ours beyond the program, weights and moments; how many of them are gradients."""
    recipe, _ = write_recipe(folder / f"of {vocabulary}", settings, vocabulary, first_steps=2)
    with Worker(OURS, [str(recipe), "float32"], folder / f"{vocabulary}.log") as worker:
        said = worker.answer()
    gradients = said["gradient_bytes"]
    return {"bytes": said["activation_bytes"] + gradients, "gradients": gradients}


def ratios(rounds: list[Round]) -> dict[str, Any]:
    """Compares each contender's steps with the base's."""
    others = [name for name in rounds[0] if name != BASE_NAME]
    return {figure_of(name): asdict(ratio(rounds, lambda it: 1 / it, name, BASE_NAME)) for name in others}


def figure_of(name: str) -> str:
    return f"tokens/s, {name} to {BASE_NAME}"


def about(record: dict[str, Any]) -> str:
    return (
        f"{shown_machine(record)} {len(record['rounds'])} rounds of {BATCHES} steps, {ROWS} rows each, "
        f"{record['tokens'] / BATCHES / ROWS:.0f} tokens a row; {record['shape']['layers']} layers, vocabulary "
        f"{record['shape']['vocabulary']:,}. Ratios: median (quartiles) of the rounds."
    )


def tables(record: dict[str, Any]) -> list[Rows]:
    exact = np.array(record["losses"][EXACT_NAME])
    rows = []
    for name, peak in record["peak_bytes"].items():
        compared = record["ratios"].get(figure_of(name))
        median = statistics.median(each[name] for each in record["rounds"])
        shown = Quartiles(**compared).shown() if compared else "1"
        differ = np.abs(np.array(record["losses"][name]) - exact).max()
        memory = peak / record["peak_bytes"][BASE_NAME]
        rows.append(
            [name, shown, f"{record['tokens'] / median:.0f}", f"{peak / 2**30:.1f}", f"{memory:.2f} ×", f"{differ:.1g}"]
        )
    columns = ["", "tokens/s, ratio", "tokens/s, median", "peak GiB", "of TRL's", "losses differ by"]
    memory = record["beyond_weights_and_moments"]
    least = min((each["bytes"] for each in memory.values()), default=1)
    sizes = [
        [
            f"{size:,}",
            f"{each['bytes'] / 2**20:.0f}",
            f"{each['bytes'] / least:.2f} ×",
            f"{(each['bytes'] - each['gradients']) / 2**20:.0f}",
        ]
        for size, each in memory.items()
    ]
    beyond = ["vocabulary", "MiB beyond weights and moments", "of the least", "MiB beyond gradients too"]
    return [(columns, rows), *([(beyond, sizes)] if sizes else [])]


if __name__ == "__main__":
    main()
