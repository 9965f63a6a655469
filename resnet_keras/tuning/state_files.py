"""keras-tuner's own files, each the old one or the new one, never half of one.

keras-tuner writes `oracle.json`, without which a search cannot go on, over the file that is there:
a kill in that moment, or a full disk, would cost the search.
"""

import json
from pathlib import Path

from keras_tuner.src import utils

from resnet_keras.files import written_whole


def save_json(path: str, values: dict) -> str:
    """Stands in for keras-tuner's function of that name: writes `values`, returns the text.

    Raises:
        UserError: if the file cannot be written; an older one is then left as it was.
    """
    text = json.dumps(values)
    with written_whole(Path(path)) as beside:
        beside.write_text(text, "utf-8")
    return text


def keep_whole() -> None:
    """Has keras-tuner write all its files by `save_json`, in this process."""
    utils.save_json = save_json
