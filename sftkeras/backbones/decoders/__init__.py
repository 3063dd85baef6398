"""Decoders: transformers whose tokens see earlier ones alone, as one fused block with switches.

`DecoderConfig` says what a network computes, `Decoder` computes it: for whole sequences, or a token at a time with a
cache of keys and values. Which checkpoint has which switches is known in `hugging_face/decoders`. Imports nothing here,
since a folder is checked by `config` alone, before Keras is loaded.
"""
