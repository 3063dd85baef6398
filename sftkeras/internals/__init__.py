"""Private names of Keras, KerasHub and TensorFlow that this package uses, and faults of theirs that it works around.

Each says why, and by which version; a test of tests/internals fails when it is no longer needed. Nothing else imports
or touches a private name of another package.
"""
