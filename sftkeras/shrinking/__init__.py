"""A trained model made smaller: tokens, heads and units that it hardly needs leave. Knows no command and no folder."""
