"""Token numbers to model inputs: packing, long texts as windows, pairs, masked words."""
