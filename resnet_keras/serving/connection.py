"""Whom a client trusts where TLS is spoken."""

import ssl

from resnet_keras.errors import UserError
from resnet_keras.serving.predictions import Answer, Pixels, count_of


def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """Returns a context that trusts the authorities in a file.

    Args:
        ca_file: PEM; `None` for whom the system trusts.

    Raises:
        UserError: if there is no such file, or no certificate in it.
    """
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # an SSLError is one: it is thrown where the file is no PEM
        reason = error.strerror if not isinstance(error, ssl.SSLError) else "no certificate in it"
        raise UserError(f"cannot read the certificates {ca_file}: {reason}") from error


class Connection:
    """A way to ask one served model."""

    def predict(self, inputs: list[bytes] | Pixels) -> list[Answer]:
        """Asks about one batch, once; errors as of `ask`."""
        return self.ask(self.encoded(inputs), count_of(inputs))

    def encoded(self, inputs: list[bytes] | Pixels) -> bytes:
        """Returns the request for one batch, which any connection to this model can send."""
        raise NotImplementedError

    def ask(self, request: bytes, count: int) -> list[Answer]:
        """Sends a request, once.

        Args:
            request: of `encoded`.
            count: images in it.

        Raises:
            Unavailable, TooSlow, WrongModel, WrongServer, Refused: see there.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Closes it."""
        raise NotImplementedError
