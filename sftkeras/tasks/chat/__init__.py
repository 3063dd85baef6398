"""Fine-tuning a decoder to answer, on conversations."""
