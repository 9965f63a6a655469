"""What a run writes down of its data, so that it does not go on with others."""

import hashlib
import json
from pathlib import Path

import numpy as np

from resnet_keras.data.dataset import Images
from resnet_keras.data.image_files import Files
from resnet_keras.errors import UserError
from resnet_keras.recipe import Recipe
from resnet_keras.training.processes import Processes


def data_record(train: Images | Files, notes: tuple[str, ...]) -> dict:
    """Returns values for `config.json`: the notes about the data and, of files, a digest.

    The digest, SHA-256, is of classes' and files' names and labels (and places in
    files that hold several images): the folder may have moved, to a machine that spells accents
    otherwise too.
    """
    values = {"notes": list(notes)}
    if isinstance(train, Files):
        digest = hashlib.sha256(np.ascontiguousarray(train.labels).tobytes())
        for name in train.portable_names():
            digest.update(f"{name}\n".encode("utf-8", "surrogateescape"))
        if train.ranges is not None:
            digest.update(train.ranges.tobytes())
        values["train_files_sha256"] = digest.hexdigest()
    return values


def check_same_images(train: Images | Files, processes: Processes) -> None:
    """Refuses processes that would train together on different images.

    Raises:
        UserError: if these are not what the others have.
    """
    if processes.count == 1:
        return
    if isinstance(train, Files):
        digest = bytes.fromhex(data_record(train, ())["train_files_sha256"])
    else:
        found = hashlib.sha256(np.ascontiguousarray(train.labels).tobytes())
        found.update(np.ascontiguousarray(train.images))
        digest = found.digest()
    processes.same_everywhere("the training images", digest)


def check_same_computation(recipe: Recipe, processes: Processes) -> None:
    """Refuses processes of which one would compute otherwise: in another precision, say, because
    its GPU is another.

    Args:
        recipe: with all that was left to data set and machine written down.
        processes: those that train together.

    Raises:
        UserError: if so.
    """
    digest = hashlib.sha256(json.dumps(recipe.to_json(), sort_keys=True).encode()).digest()
    processes.same_everywhere("what was left to data and machine (precision, devices)", digest)


def check_same_files(config: dict, train: Images | Files, folder: Path) -> None:
    """Refuses to go on with other files than a run began with: its batches would change.

    Args:
        config: of the run's `config.json`.
        train: what would be trained on now.
        folder: the run's, for the message.

    Raises:
        UserError: if so.
    """
    before = (config.get("data") or {}).get("train_files_sha256")
    now = data_record(train, ()).get("train_files_sha256")
    if before != now:
        raise UserError(
            f"{folder} began with {config.get('train_examples')} training files, and there are "
            f"{len(train)} now, or others: put them back, choose another --name, or start over "
            "with --resume never"
        )
