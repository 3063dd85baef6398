"""A pretrained or fine-tuned backbone in the formats of other libraries: what is published, written and proved.

`source` finds the backbone; `tf_hub`, `hugging_face` and `gguf` each write one format into a folder.
"""
