"""Several processes that train one model: who they are, and how they meet and agree."""
