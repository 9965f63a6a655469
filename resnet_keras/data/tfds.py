"""Any image classification set of TensorFlow Datasets, as arrays in memory."""

import difflib
import os
import queue
import re
import threading
import urllib.error
import urllib.request

import numpy as np

from resnet_keras.data.dataset import Dataset, Images
from resnet_keras.errors import UsageError, UserError

# The second is where most of TensorFlow Datasets' files lie.
URLS = ("https://www.cs.toronto.edu/~kriz/cifar.html", "https://storage.googleapis.com/")


def reachable(urls: tuple[str, ...] = URLS, seconds: float = 5.0) -> bool:
    """Returns whether any of `urls` answers, with whatever status, within `seconds`.

    Proxies named by the environment are used, as by a download.
    """
    answers = queue.SimpleQueue()
    for url in urls:
        # Looking up a name knows no timeout; a daemon thread can be left to it.
        threading.Thread(
            target=lambda url=url: answers.put(_answers(url, seconds)), daemon=True
        ).start()
    try:
        return any(answers.get(timeout=seconds) for _ in urls)
    except queue.Empty:
        return False


def _answers(url, seconds):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=seconds):
            return True
    except urllib.error.HTTPError:
        return True
    # No host, no route, no certificate, a proxy that is not one: all the same here.
    except Exception:
        return False


_BATCH = 256


def read_split(builder, split: str, size: tuple[int, int]) -> Images:
    """Reads a split.

    Args:
        builder: a prepared `tfds.core.DatasetBuilder` whose features `image` and `label` are an
            Image of 1 or 3 channels and a ClassLabel.
        split: its name.
        size: height and width; images of another size are stretched to it.

    Returns:
        All rows, by the feature `id` where there is one, otherwise as stored.

    Raises:
        UserError: if a file of the split is damaged or a label is out of range.
    """
    import tensorflow as tf

    count = builder.info.splits[split].num_examples
    images, labels = np.empty((count, *size, 3), np.uint8), np.empty(count, np.int32)
    ids, start = [], 0
    try:
        for batch in _batches(builder, split, size):
            stop = start + len(batch["label"])
            images[start:stop], labels[start:stop] = batch["image"], batch["label"]
            ids.extend(batch.get("id", ()))
            start = stop
    # ValueError: more rows than there is room for, or files of another number.
    except (tf.errors.OpError, OSError, ValueError) as error:
        raise _damaged(builder, split, str(error)[:300]) from error
    if start != count:
        raise _damaged(builder, split, f"it has {start} of {count} images")
    classes = builder.info.features["label"].num_classes
    if count and not 0 <= labels.min() <= labels.max() < classes:
        raise UserError(
            f"{builder.data_path}: labels in the split {split!r} lie in 0 to {classes - 1}. "
            f"Received: {labels.min()} to {labels.max()}; a split without labels cannot be used"
        )
    rows = Images(images, labels)
    return rows.take(order_by_id(ids)) if ids else rows


def order_by_id(ids: list) -> np.ndarray:
    """Returns the indices that sort `ids`, integers or bytes such as `train_16399`, by number."""
    if not isinstance(ids[0], bytes):
        return np.argsort(np.asarray(ids), kind="stable")
    keys = [_natural(text) for text in ids]
    return np.array(sorted(range(len(ids)), key=keys.__getitem__))


def _natural(text):
    """Splits `train_16399` into `[b"train_", 16399, b""]`, whose order is that of the number."""
    parts = re.split(rb"([0-9]+)", text)
    return [int(part) if i % 2 else part for i, part in enumerate(parts)]


def _batches(builder, split, size):
    import tensorflow as tf
    import tensorflow_datasets as tfds

    features = builder.info.features
    wanted = {key: True for key in ("image", "label", "id") if key in features}
    if "id" in wanted and features["id"].shape != ():
        del wanted["id"]
    rows = builder.as_dataset(
        split=split,
        shuffle_files=False,
        # One file after the other: reading several at once mixes their rows.
        read_config=tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False),
        decoders=tfds.decode.PartialDecoding(wanted),
    )
    rows = rows.map(
        lambda row: {**row, "image": _shape(row["image"], size)},
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    return rows.batch(_BATCH).prefetch(2).as_numpy_iterator()


def _shape(image, size):
    """Turns uint8 `(H, W, 1 or 3)` into `(*size, 3)`; images that fit are not touched."""
    import tensorflow as tf

    from resnet_keras.data.transforms import resize_stretch

    if image.shape[-1] == 1:
        image = tf.repeat(image, 3, axis=-1)
    return image if image.shape[:2] == size else resize_stretch(image, size)


def _damaged(builder, split, why):
    return UserError(
        f"{builder.data_path}: the split {split!r} cannot be read ({why}); delete the folder and "
        "prepare it again"
    )


# name[/config][:version]. Names with a namespace would run code from elsewhere.
_NAME = re.compile(r"[A-Za-z]\w*(/[\w.\-]+)?(:[\d*][\d.*]*)?")
# A mirrored sign is another sign.
_SIGNS = ("mnist", "mnist_corrupted", "emnist", "kmnist", "svhn_cropped", "omniglot", "cmaterdb")


class UnknownName(UsageError):
    """TensorFlow Datasets has no such data set; `nearest` are names that it has."""

    def __init__(self, name: str, nearest: list[str]):
        super().__init__(f"unknown data set {name!r}; TensorFlow Datasets has {', '.join(nearest)}")
        self.nearest = nearest


class NotAvailable(UserError):
    """The data set is neither prepared on this machine nor can it be downloaded now."""


class NotInstalled(NotAvailable):
    """TensorFlow Datasets itself is missing, so that none of its names is known."""


def load(name: str, data_dir: str | None = None, image_size: int | None = None) -> Dataset:
    """Loads a data set, downloading and preparing it where that has not been done.

    Args:
        name: as TensorFlow Datasets spells it, such as `"imagenette/160px-v2"`.
        data_dir: the folder of prepared sets; TensorFlow Datasets' own if `None`.
        image_size: side in pixels to which the images are stretched; needed where their sizes
            vary.

    Returns:
        The splits `train` and `test` (`validation` where there is no `test`): images uint8
        `(N, H, W, 3)`, labels int32 `(N,)`; ordered by the feature `id` where there is one,
        otherwise as stored.

    Raises:
        UnknownName: if there is no such set.
        UsageError: if its images vary in size and `image_size` is not given.
        NotAvailable: if it is neither prepared nor can be downloaded.
        NotInstalled: if TensorFlow Datasets is not installed.
        UserError: if it is damaged, too large, or not for image classification.
    """
    tfds = _import()
    builder = _builder(tfds, name, data_dir)
    size = _size(name, builder.info.features, image_size)
    _prepare(builder, name)
    splits = builder.info.splits
    held_out = "test" if "test" in splits else "validation"
    if "train" not in splits or held_out not in splits:
        raise UserError(
            f"{name}: a split 'train' and one 'test' or 'validation' are needed. Received: "
            f"{', '.join(splits) or 'none'}"
        )
    _check_memory(name, sum(splits[split].num_examples for split in ("train", held_out)), size)
    train, test = (read_split(builder, split, size) for split in ("train", held_out))
    class_names = tuple(builder.info.features["label"].names)
    return Dataset(name, class_names, train, test, flip=builder.name not in _SIGNS)


def _import():
    try:
        import tensorflow_datasets
    except ImportError as error:
        raise NotInstalled(
            f"TensorFlow Datasets cannot be imported ({error}); pip install tensorflow-datasets"
        ) from error
    return tensorflow_datasets


def _builder(tfds, name, data_dir):
    if not _NAME.fullmatch(name):
        raise UnknownName(name, _nearest(tfds, name))
    if data_dir is not None and not os.path.isdir(data_dir):
        raise UserError(f"--data-dir {data_dir}: no such folder; create it, or name another")
    try:
        return tfds.builder(name, data_dir=data_dir)
    except tfds.core.DatasetNotFoundError as error:
        raise UnknownName(name, _nearest(tfds, name)) from error
    # A package that this set needs, as CIFAR needs importlib_resources.
    except ImportError as error:
        raise NotAvailable(f"{name} needs another package: {_brief(error)}") from error
    # A wrong config or version, or a folder that cannot be read.
    except Exception as error:
        raise UserError(f"{name}: TensorFlow Datasets cannot open it: {_brief(error)}") from error


def _nearest(tfds, name):
    known = tfds.list_builders(with_community_datasets=False)
    return difflib.get_close_matches(name.lower(), known, n=5, cutoff=0.0)


def _size(name, features, image_size):
    """Returns the `(height, width)` the images will have, from the features alone."""
    kinds = {key: type(features[key]).__name__ for key in features}
    if kinds.get("image") != "Image" or kinds.get("label") != "ClassLabel":
        listed = ", ".join(f"{key} ({kind})" for key, kind in sorted(kinds.items()))
        raise UserError(
            f"{name}: image classification needs the features image (Image) and label "
            f"(ClassLabel). Received: {listed}"
        )
    image = features["image"]
    if image.np_dtype != np.uint8 or image.shape[-1] not in (1, 3):
        raise UserError(
            f"{name}: images are uint8 with 1 or 3 channels. Received: "
            f"{np.dtype(image.np_dtype)} {image.shape}"
        )
    if image_size is not None:
        if image_size < 1:
            raise UsageError(f"--image-size is 1 or above. Received: {image_size}")
        return image_size, image_size
    if None in image.shape[:2]:
        raise UsageError(
            f"{name}: its images vary in size; pass --image-size to have them all stretched to "
            "that many pixels a side"
        )
    return tuple(image.shape[:2])


def _prepare(builder, name):
    if _is_prepared(builder):
        return
    where = f"{name} is not prepared in {builder.data_path}"
    # Offline, a download is tried again and again for minutes.
    if not reachable():
        raise NotAvailable(
            f"{where}, and there is no network to download it. Prepare it where there is one, "
            f"`tfds build {name}`, and pass the folder with --data-dir"
        )
    try:
        builder.download_and_prepare()
    # Whatever goes wrong here, of the network, the disk or a package, is the machine's.
    except Exception as error:
        raise NotAvailable(f"{where}, and preparing it failed: {_brief(error)}") from error


def _is_prepared(builder):
    return (builder.data_path / "dataset_info.json").exists()


def _check_memory(name, count, size):
    if not hasattr(os, "sysconf"):  # Windows does not say.
        return
    needed = count * size[0] * size[1] * 3
    available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > available:
        raise UserError(
            f"{name}: {count} images of {size[0]}x{size[1]} take {needed / 1e9:.1f} GB, but this "
            f"machine has {available / 1e9:.1f} GB of memory; a smaller --image-size may fit"
        )


def _brief(error):
    """Returns the first line of an error that TensorFlow Datasets may spread over a hundred."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:300]}"
