"""From a trained model to a folder that TensorFlow Serving loads, and back to predictions from that folder.

`export` writes and publishes; `prediction_process` runs what was written. Importing this package imports no TensorFlow
and no Keras.
"""
