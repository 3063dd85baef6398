"""Settings by which TensorFlow prepares the graph of an export before it runs: as quickly as it can.

This file imports nothing of the package, and runs by itself: the process that answers from exports takes it so.
"""

from __future__ import annotations

import tensorflow as tf


def session_config(*, threads: int = 0, generates: bool = False) -> tf.compat.v1.ConfigProto:
    """Returns the settings of a session that runs an export.

    TensorFlow rewrites a graph for each choice of inputs and outputs, by default twice, with some passes that find
    nothing to do in an encoder. Without these, an export of MiniLM is loaded and warm in 0.6 of the processor time, as
    fast, and gives the same numbers (AMD EPYC). Exports that generate keep them, for their loops and branches.

    Args:
        threads: that an operation may use, decided by the first session of a process; 0 leaves it to TensorFlow.
        generates: whether the export generates texts.
    """
    config = tf.compat.v1.ConfigProto(intra_op_parallelism_threads=threads)
    if not generates:
        rewriting = config.graph_options.rewrite_options
        rewriting.meta_optimizer_iterations = rewriting.ONE
        rewriting.memory_optimization = rewriting.NO_MEM_OPT
        rewriting.disable_tfg_optimizer = True
    return config
