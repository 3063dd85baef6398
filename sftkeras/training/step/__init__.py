"""One exact optimizer step: the model that `fit` trains, what updates its weights, what happens when memory ends."""
