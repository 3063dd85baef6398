"""Dense layers: their products and norms, adapters beside their kernels, and weights in fewer bytes."""
