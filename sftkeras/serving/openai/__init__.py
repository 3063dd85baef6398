"""OpenAI's HTTP API, beside TensorFlow Serving's in the same server: which of its routes there are, what requests may
hold, and how answers and errors look. What computes the answers is the rest of `serving`."""
