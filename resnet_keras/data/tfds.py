"""Image classification sets of TensorFlow Datasets, read into arrays in memory."""

import difflib
import os
import queue
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import numpy as np

from resnet_keras.data.dataset import Dataset, Images
from resnet_keras.errors import UsageError, UserError, first_line

# TensorFlow Datasets stores most of its files at the second address.
URLS = ("https://www.cs.toronto.edu/~kriz/cifar.html", "https://storage.googleapis.com/")
# name[/config][:version]. Names with a namespace are rejected: they would run downloaded code.
_NAME = re.compile(r"[A-Za-z]\w*(/[\w.\-]+)?(:[\d*][\d.*]*)?")
# The mirror image of a character is not that character.
_CHARACTERS = (
    "mnist", "mnist_corrupted", "emnist", "kmnist", "svhn_cropped", "omniglot", "cmaterdb",
)  # fmt: skip
_BATCH = 256


class UnknownDatasetError(UsageError):
    """TensorFlow Datasets has no data set of this name.

    Attributes:
        nearest: the most similar names that it has.

    Example:

    >>> UnknownDatasetError("mnsit", ["mnist", "emnist"]).nearest
    ['mnist', 'emnist']
    """

    def __init__(self, name: str, nearest: list[str]) -> None:
        super().__init__(f"unknown data set {name!r}; TensorFlow Datasets has {', '.join(nearest)}")
        self.nearest = nearest


class UnavailableError(UserError):
    """The data set is not prepared on this machine, and it cannot be downloaded now."""


class NotInstalledError(UnavailableError):
    """TensorFlow Datasets is not installed, so none of its names is known."""


def load(name: str, data_dir: str | None = None, image_size: int | None = None) -> Dataset:
    """Loads a data set. It is downloaded and prepared if that has not been done before.

    Args:
        name: the name in TensorFlow Datasets, such as `"imagenette/160px-v2"`.
        data_dir: the folder of prepared data sets; `None` means the default folder of TensorFlow
            Datasets.
        image_size: the side in pixels to which the images are stretched. Required if their sizes
            vary.

    Returns:
        The splits `train` and `test`, or `validation` if there is no `test`: images uint8
        `(N, H, W, 3)`, labels int32 `(N,)`. Examples are sorted by the feature `id` if there is
        one, and are otherwise in the order in which they are stored.

    Raises:
        UnknownDatasetError: if there is no such data set.
        UsageError: if the images vary in size and `image_size` is not given.
        UnavailableError: if the data set is not prepared and cannot be downloaded.
        NotInstalledError: if TensorFlow Datasets is not installed.
        UserError: if the data set is damaged, does not fit into memory, or is not an image
            classification set.

    Example:

    >>> dataset = load("imagenette/160px-v2", image_size=128)  # doctest: +SKIP
    >>> dataset.train.images.shape  # doctest: +SKIP
    (9469, 128, 128, 3)
    """
    tfds = _import_tfds()
    builder = _open_builder(tfds, name, data_dir)
    size = _image_size(name, builder.info.features, image_size)
    _prepare(builder, name)
    splits = builder.info.splits
    test_split = "test" if "test" in splits else "validation"
    if "train" not in splits or test_split not in splits:
        raise UserError(
            f"{name}: the data set needs a split 'train' and a split 'test' or 'validation'. "
            f"Received: {', '.join(splits) or 'none'}"
        )
    _check_memory(name, sum(splits[split].num_examples for split in ("train", test_split)), size)
    train, test = (_read_split(builder, split, size) for split in ("train", test_split))
    class_names = tuple(builder.info.features["label"].names)
    return Dataset(name, class_names, train, test, flip=builder.name not in _CHARACTERS)


def _import_tfds() -> Any:
    try:
        import tensorflow_datasets
    except ImportError as error:
        raise NotInstalledError(
            f"TensorFlow Datasets cannot be imported ({error}); pip install tensorflow-datasets"
        ) from error
    return tensorflow_datasets


def _open_builder(tfds: Any, name: str, data_dir: str | None) -> Any:
    if not _NAME.fullmatch(name):
        raise UnknownDatasetError(name, _nearest_names(tfds, name))
    if data_dir is not None and not os.path.isdir(data_dir):
        raise UserError(
            f"--data-dir {data_dir}: no such folder; create it, or choose another folder"
        )
    try:
        return tfds.builder(name, data_dir=data_dir)
    except tfds.core.DatasetNotFoundError as error:
        raise UnknownDatasetError(name, _nearest_names(tfds, name)) from error
    # Some data sets need more packages: CIFAR needs importlib_resources.
    except ImportError as error:
        raise UnavailableError(f"{name} requires another package: {_summary(error)}") from error
    # An unknown config or version, or a folder that cannot be read.
    except Exception as error:
        raise UserError(
            f"{name}: TensorFlow Datasets cannot open the data set: {_summary(error)}"
        ) from error


def _nearest_names(tfds: Any, name: str) -> list[str]:
    names = tfds.list_builders(with_community_datasets=False)
    return difflib.get_close_matches(name.lower(), names, n=5, cutoff=0.0)


def _image_size(name: str, features: Any, image_size: int | None) -> tuple[int, int]:
    """Returns the `(height, width)` that the images will have, from the features alone."""
    kinds = {key: type(features[key]).__name__ for key in features}
    if kinds.get("image") != "Image" or kinds.get("label") != "ClassLabel":
        received = ", ".join(f"{key} ({kind})" for key, kind in sorted(kinds.items()))
        raise UserError(
            f"{name}: image classification requires the features image (Image) and label "
            f"(ClassLabel). Received: {received}"
        )
    image = features["image"]
    if image.np_dtype != np.uint8 or image.shape[-1] not in (1, 3):
        raise UserError(
            f"{name}: the images must be uint8 with 1 or 3 channels. Received: "
            f"{np.dtype(image.np_dtype)} {image.shape}"
        )
    if image_size is not None:
        if image_size < 1:
            raise UsageError(f"--image-size must be at least 1. Received: {image_size}")
        return image_size, image_size
    height, width = image.shape[:2]
    if height is None or width is None:
        raise UsageError(
            f"{name}: the images vary in size; pass --image-size to stretch all of them to that "
            "many pixels per side"
        )
    return height, width


def _prepare(builder: Any, name: str) -> None:
    if (builder.data_path / "dataset_info.json").exists():
        return
    problem = f"{name} is not prepared in {builder.data_path}"
    # Without a network, TensorFlow Datasets retries the download for minutes.
    if not network_available():
        raise UnavailableError(
            f"{problem}, and there is no network to download it. Prepare it on a machine that has "
            f"one, `tfds build {name}`, and pass the folder with --data-dir"
        )
    try:
        builder.download_and_prepare()
    # Errors of the network, the disk or a package: none of them is a bug in this program.
    except Exception as error:
        raise UnavailableError(f"{problem}, and preparing it failed: {_summary(error)}") from error


def network_available(urls: tuple[str, ...] = URLS, timeout: float = 5.0) -> bool:
    """Returns whether a server on the internet responds.

    Proxies that are set in the environment are used, as they are for downloads.

    Args:
        urls: the addresses to try, all at once. Any HTTP status counts as a response.
        timeout: how long to wait, in seconds.

    Returns:
        Whether any of the addresses responded in time.

    Example:

    >>> network_available(("http://127.0.0.1:9/",), timeout=2)
    False
    """
    responses: queue.SimpleQueue[bool] = queue.SimpleQueue()

    def try_url(url: str) -> None:
        responses.put(_responds(url, timeout))

    for url in urls:
        # Resolving a host name ignores the timeout. A daemon thread may be left waiting for it.
        threading.Thread(target=try_url, args=(url,), daemon=True).start()
    try:
        return any(responses.get(timeout=timeout) for _ in urls)
    except queue.Empty:
        return False


def _responds(url: str, timeout: float) -> bool:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=timeout):
            return True
    except urllib.error.HTTPError:
        return True
    # No host, no route, no certificate, a broken proxy: there is no usable network.
    except Exception:
        return False


def _check_memory(name: str, count: int, size: tuple[int, int]) -> None:
    if not hasattr(os, "sysconf"):  # Windows
        return
    needed = count * size[0] * size[1] * 3
    available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > available:
        raise UserError(
            f"{name}: {count} images of {size[0]}x{size[1]} pixels need {needed / 1e9:.1f} GB, but "
            f"this machine has {available / 1e9:.1f} GB of memory; try a smaller --image-size"
        )


def _read_split(builder: Any, split: str, size: tuple[int, int]) -> Images:
    """Reads a split into memory.

    Args:
        builder: a prepared `tfds.core.DatasetBuilder` whose feature `image` is an Image of 1 or 3
            channels and whose feature `label` is a ClassLabel.
        split: the name of the split.
        size: height and width. Images of another size are stretched to it.

    Returns:
        All examples, sorted by the feature `id` if there is one, otherwise as stored.

    Raises:
        UserError: if a file of the split is damaged or a label is out of range.
    """
    import tensorflow as tf

    count = builder.info.splits[split].num_examples
    images, labels = np.empty((count, *size, 3), np.uint8), np.empty(count, np.int32)
    ids: list = []
    start = 0
    try:
        for batch in _batches(builder, split, size):
            stop = start + len(batch["label"])
            images[start:stop], labels[start:stop] = batch["image"], batch["label"]
            ids.extend(batch.get("id", ()))
            start = stop
    # ValueError: there are more examples, or another number of files, than the metadata says.
    except (tf.errors.OpError, OSError, ValueError) as error:
        raise _damaged_split_error(builder, split, str(error)[:300]) from error
    if start != count:
        raise _damaged_split_error(builder, split, f"it contains {start} of {count} images")
    classes = builder.info.features["label"].num_classes
    if count and not 0 <= labels.min() <= labels.max() < classes:
        raise UserError(
            f"{builder.data_path}: the labels of the split {split!r} must be between 0 and "
            f"{classes - 1}. Received: {labels.min()} to {labels.max()}; a split without labels "
            "cannot be used"
        )
    examples = Images(images, labels)
    return examples.take(order_by_id(ids)) if ids else examples


def _batches(builder: Any, split: str, size: tuple[int, int]) -> Iterator[dict[str, np.ndarray]]:
    import tensorflow as tf
    import tensorflow_datasets as tfds

    features = builder.info.features
    wanted = {key: True for key in ("image", "label", "id") if key in features}
    if "id" in wanted and features["id"].shape != ():
        del wanted["id"]
    examples = builder.as_dataset(
        split=split,
        shuffle_files=False,
        # Read one file at a time; reading several at once would interleave their examples.
        read_config=tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False),
        decoders=tfds.decode.PartialDecoding(wanted),
    )
    examples = examples.map(
        lambda example: {**example, "image": _to_rgb(example["image"], size)},
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    return examples.batch(_BATCH).prefetch(2).as_numpy_iterator()


def _to_rgb(image: Any, size: tuple[int, int]) -> Any:
    """Turns a uint8 tensor `(H, W, 1 or 3)` into `(*size, 3)`, unchanged if it has that shape."""
    import tensorflow as tf

    from resnet_keras.data.transforms import resize_stretch

    if image.shape[-1] == 1:
        image = tf.repeat(image, 3, axis=-1)
    return image if image.shape[:2] == size else resize_stretch(image, size)


def order_by_id(ids: list) -> np.ndarray:
    """Returns the order of examples by the numbers in their IDs.

    Args:
        ids: integers, or bytes such as `b"train_16399"`.

    Returns:
        Integers `(N,)`: the indices that sort `ids`.

    Example:

    >>> order_by_id([b"train_10", b"train_9"]).tolist()
    [1, 0]
    """
    if not isinstance(ids[0], bytes):
        return np.argsort(np.asarray(ids), kind="stable")
    keys = [_natural_key(text) for text in ids]
    return np.array(sorted(range(len(ids)), key=keys.__getitem__))


def _natural_key(text: bytes) -> list[bytes | int]:
    """Splits `train_16399` into `[b"train_", 16399, b""]`, which sorts by the number."""
    parts = re.split(rb"([0-9]+)", text)
    return [int(part) if i % 2 else part for i, part in enumerate(parts)]


def _damaged_split_error(builder: Any, split: str, reason: str) -> UserError:
    return UserError(
        f"{builder.data_path}: the split {split!r} cannot be read ({reason}); delete the folder "
        "and prepare the data set again"
    )


def _summary(error: Exception) -> str:
    """Returns the type and the first line of an error, which may have a hundred lines."""
    return f"{type(error).__name__}: {first_line(error)[:300]}"
