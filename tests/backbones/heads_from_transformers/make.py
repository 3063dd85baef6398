"""Makes heads.json beside this file: classes, tensors and logits of tiny published folders in transformers.

Needs PyTorch and transformers, which the tests do not. Made with transformers 5.24 and PyTorch 2.13:

    PYTHONPATH=tests python tests/backbones/tiny_heads.py FOLDER
    python tests/backbones/heads_from_transformers/make.py FOLDER
"""

import json
import sys
from pathlib import Path

import torch
import transformers

TOKENS = torch.tensor([[2, 5, 6, 7, 3], [2, 5, 3, 0, 0]])
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])


def reference(folder: Path) -> dict:
    """Loads a folder by transformers, and returns what it computes."""
    config = transformers.AutoConfig.from_pretrained(folder)
    loaded = getattr(transformers, config.architectures[0]).from_pretrained(folder, output_loading_info=True)
    model, info = loaded[0].eval(), loaded[1]
    assert not info["missing_keys"], info
    assert not info["unexpected_keys"], info
    with torch.no_grad():
        outputs = model(input_ids=TOKENS, attention_mask=MASK)
    spans = hasattr(outputs, "start_logits")
    logits = torch.stack([outputs.start_logits, outputs.end_logits], -1) if spans else outputs.logits
    shapes = {name: list(values.shape) for name, values in model.state_dict().items()}
    return {"class": type(model).__name__, "shapes": shapes, "logits": logits.tolist()}


if __name__ == "__main__":
    folders = sorted(path for path in Path(sys.argv[1]).iterdir() if path.is_dir())
    references = {folder.name: reference(folder / "published") for folder in folders}
    path = Path(__file__).parent / "heads.json"
    path.write_text(json.dumps(references, separators=(",", ":")) + "\n", encoding="utf-8")
