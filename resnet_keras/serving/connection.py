"""The interface of a connection to a served model, and its TLS settings."""

import ssl
from abc import ABC, abstractmethod

from resnet_keras.errors import UserError
from resnet_keras.serving.predictions import Inputs, Prediction, image_count


class Connection(ABC):
    """A connection to one served model. Only one thread may use it at a time."""

    def predict(self, inputs: Inputs) -> list[Prediction]:
        """Classifies one batch, without retries.

        Args:
            inputs: one batch.

        Returns:
            One prediction per image.

        Raises:
            Unavailable, TooSlow, WrongModel, WrongServer, Refused: see there.
        """
        return self.send(self.encode(inputs), image_count(inputs))

    @abstractmethod
    def encode(self, inputs: Inputs) -> bytes:
        """Encodes a request. Every connection to the same model can send it.

        Args:
            inputs: one batch.
        """

    @abstractmethod
    def send(self, request: bytes, count: int) -> list[Prediction]:
        """Sends a request, without retries.

        Args:
            request: a result of `encode`.
            count: the number of images in the request.

        Returns:
            One prediction per image.

        Raises:
            Unavailable, TooSlow, WrongModel, WrongServer, Refused: see there.
        """

    @abstractmethod
    def close(self) -> None:
        """Closes the connection."""


def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """Returns a TLS context that trusts the certificate authorities in a file.

    Args:
        ca_file: a PEM file; `None` trusts the authorities that the operating system trusts.

    Raises:
        UserError: if the file cannot be read or contains no certificate.

    Example:

    >>> tls_context(None).check_hostname
    True
    """
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        # `SSLError`, a subclass, means that the file is not in PEM format.
        reason = error.strerror if not isinstance(error, ssl.SSLError) else "no certificate in it"
        raise UserError(f"cannot read the certificates {ca_file}: {reason}") from error
