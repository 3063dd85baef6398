"""The embedded model server, which speaks TensorFlow Serving's protocols, and the client.

Importing this package imports neither TensorFlow nor Keras; no module in it imports Keras.
"""
