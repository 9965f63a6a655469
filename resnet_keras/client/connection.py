"""What REST and gRPC have in common: a request is made of a batch, sent, and answered."""

from resnet_keras.client.tensors import Answer, Pixels, count_of


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
