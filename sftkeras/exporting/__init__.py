"""From a trained model to a folder that TensorFlow Serving answers with, and back to answers from that folder.

`export` writes and publishes; `fresh_process` answers. Importing this package imports no TensorFlow and no Keras.
"""
