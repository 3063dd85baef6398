"""Calls of gRPC as bytes on a connection, for what no client library would send."""

from __future__ import annotations

PREDICT = "/tensorflow.serving.PredictionService/Predict"


def http2_call(content: bytes, *, length: int | None = None, path: bytes = PREDICT.encode()) -> bytes:
    """A whole call of Predict as a client writes it to the connection.

    Args:
        content: of the request.
        length: what gRPC's own header says of it, if not the truth.
        path: of the method.
    """
    headers = {b":method": b"POST", b":scheme": b"http", b":path": path, b":authority": b"a"}
    headers |= {b"te": b"trailers", b"content-type": b"application/grpc"}
    block = b"".join(b"\x00" + b"".join(bytes([len(word)]) + word for word in pair) for pair in headers.items())
    data = b"\x00" + (len(content) if length is None else length).to_bytes(4, "big") + content
    settings, end_of_headers, end_of_stream = frame(4, 0, 0, b""), frame(1, 4, 1, block), frame(0, 1, 1, data)
    return b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings + end_of_headers + end_of_stream


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload
