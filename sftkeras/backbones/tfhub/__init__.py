"""TF-Hub modules as backbones: what a module is, its encoder rebuilt (native) or trained as it is (opaque)."""
