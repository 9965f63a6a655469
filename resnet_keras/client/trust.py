"""Whom a client trusts where TLS is spoken."""

import ssl

from resnet_keras.errors import UserError


def trust(ca_file: str | None) -> ssl.SSLContext:
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
