"""Names a package that is not installed, instead of a traceback."""

import contextlib
import sys
from collections.abc import Iterator

from resnet_keras.errors import UserError


@contextlib.contextmanager
def missing_packages_named() -> Iterator[None]:
    """Turns a failed import of somebody else's package into an error that a user can mend.

    Most who see it have not activated the environment in which they installed the packages.
    A module of this program that is not found is a defect, and stays what it is.

    Raises:
        UserError: instead of `ModuleNotFoundError`.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", __name__.partition(".")[0]):
            raise
        raise UserError(
            f"{package} is not installed for {sys.executable}: activate the environment that has "
            "this program's packages, or python -m pip install -r requirements.txt"
        ) from error
