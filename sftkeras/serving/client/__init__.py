"""A light client of TensorFlow Serving and of `sftkeras.serve`: gRPC and REST, with and without asyncio.

It needs NumPy, protobuf and grpcio or httpx2, and imports neither TensorFlow nor Keras:

    from sftkeras.serving.client import Client

    with Client.grpc("localhost:8500", model="movie-sentiment") as client:
        client.answer(["a quiet, lovely film"])  # [{"label": "positive", "probability": 0.98, …}]
"""

from sftkeras.serving.client.async_client import AsyncClient
from sftkeras.serving.client.client import Client
from sftkeras.serving.client.contract import Contract, Signature, TensorSpec
from sftkeras.serving.client.errors import ClientError, DeadlineError, InputError, UnavailableError
from sftkeras.serving.client.retries import Retries
from sftkeras.serving.client.settings import TLS, Settings

__all__ = [
    "TLS",
    "AsyncClient",
    "Client",
    "ClientError",
    "Contract",
    "DeadlineError",
    "InputError",
    "Retries",
    "Settings",
    "Signature",
    "TensorSpec",
    "UnavailableError",
]
