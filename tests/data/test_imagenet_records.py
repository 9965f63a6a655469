"""ImageNet as TensorFlow Datasets prepares it: a small one, written by TensorFlow Datasets."""

import io
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from resnet_keras.data import imagenet, pipeline
from resnet_keras.data.corrupt_files import find_corrupt
from resnet_keras.data.decoding import evaluation_batches, originals
from resnet_keras.data.sources import load
from resnet_keras.data.transforms import decode
from resnet_keras.errors import UserError
from resnet_keras.preprocessing import Preprocessing
from resnet_keras.recipe import Recipe

datasets = pytest.importorskip("tensorflow_datasets")
NAMES = [f"n{number:08}" for number in range(1000)]
CUT = Preprocessing((16, 16), "crop", 1 / 255, (0.4, 0.5, 0.6), (1, 1, 1), tuple(NAMES), 18)


def jpeg(number):
    pixels = np.random.default_rng(number).integers(0, 256, (20 + number, 44 - number, 3), np.uint8)
    made = io.BytesIO()
    Image.fromarray(pixels).save(made, "JPEG")
    return made.getvalue()


def label(number):
    return (number * 311) % 1000


def prepare(folder, counts, name="imagenet2012"):
    """Lets TensorFlow Datasets write a set of the features that ImageNet has there."""
    features = datasets.features.FeaturesDict(
        {
            "image": datasets.features.Image(encoding_format="jpeg"),
            "label": datasets.features.ClassLabel(names=NAMES),
            "file_name": datasets.features.Text(),
        }
    )

    class Builder(datasets.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = datasets.core.Version("5.1.0")
        pkg_dir_path = folder

        def _info(self):
            return datasets.core.DatasetInfo(builder=self, features=features)

        def _split_generators(self, dl_manager):
            return {split: self._generate_examples(split, count) for split, count in counts.items()}

        def _generate_examples(self, split, count):
            for number in range(count):
                file_name = f"{NAMES[label(number)]}_{number}.JPEG"
                row = {"image": jpeg(number), "label": label(number), "file_name": file_name}
                yield f"{split}{number}", {**row, "image": io.BytesIO(row["image"])}

    Builder.name = name
    Builder(data_dir=str(folder)).download_and_prepare()
    return folder


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return prepare(tmp_path_factory.mktemp("tfds"), {"train": 13, "validation": 5})


@pytest.fixture
def copied(root, tmp_path):
    return shutil.copytree(root / "imagenet2012", tmp_path / "imagenet2012") / "5.1.0"


def stored(root, split):
    """What TensorFlow Datasets itself reads of it, undecoded."""
    builder = datasets.builder_from_directory(str(root / "imagenet2012" / "5.1.0"))
    rows = builder.as_dataset(
        split=split, decoders={"image": datasets.decode.SkipDecoding()}, shuffle_files=False
    )
    return [(row["image"], int(row["label"])) for row in rows.as_numpy_iterator()]


def test_the_rows_are_those_that_tensorflow_datasets_reads(root):
    dataset = load("imagenet2012", str(root))
    assert dataset.class_names == tuple(NAMES) and dataset.name == "imagenet2012"
    for files, split, count in ((dataset.train, "train", 13), (dataset.test, "validation", 5)):
        expected = stored(root, split)
        assert files.labels.tolist() == [number for _, number in expected]
        assert len(files) == len(expected) == count
        for found, (data, _) in zip(originals(files), expected, strict=True):
            np.testing.assert_array_equal(found, decode(data))


def test_the_version_s_folder_will_do_and_the_newest_is_taken(root, copied):
    found = load("imagenet2012", str(root / "imagenet2012" / "5.1.0"))
    assert len(found.train) == 13
    shutil.copytree(copied, copied.with_name("5.0.0"))
    shutil.copytree(copied, copied.with_name("10.0.0"))
    newest = imagenet.prepared(copied.parents[1], "imagenet2012")
    assert newest.name == "10.0.0"


def test_batches_are_those_of_the_same_images_in_files(root, tmp_path):
    records = load("imagenet2012", str(root)).train
    paths = []
    for number, (data, _) in enumerate(stored(root, "train")):
        paths.append(str(tmp_path / f"{number}.jpg"))
        (tmp_path / f"{number}.jpg").write_bytes(data)
    files = type(records)(tuple(paths), records.labels)
    recipe = Recipe("resnet8", steps=4, batch_size=5, drops=(), flip=True, seed=3, lighting=0.1)
    for one, other in zip(
        pipeline.training_batches(records, CUT, recipe),
        pipeline.training_batches(files, CUT, recipe),
        strict=True,
    ):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])
    rest = pipeline.training_batches(records, CUT, recipe, 3)
    np.testing.assert_array_equal(next(iter(rest))[0], one[0])


def test_a_damaged_image_is_named_by_its_file_and_place(copied):
    files = load("imagenet2012", str(copied)).train
    begin, count = files.ranges[7].tolist()
    with open(files.paths[7], "r+b") as stream:
        stream.seek(begin)
        stream.write(b"\xff\xd8\xff" + bytes(count - 3))
    with pytest.raises(UserError, match=rf"imagenet2012-train.*\(byte {begin}\): the image is dam"):
        list(evaluation_batches(files, CUT, 4))
    assert find_corrupt(files).tolist() == [7]


def test_a_run_does_not_go_on_with_other_places(root):
    files = load("imagenet2012", str(root)).train
    shifted = type(files)(files.paths, files.labels, files.ranges + 1)
    assert files.fingerprint() == load("imagenet2012", str(root)).train.fingerprint()
    assert files.fingerprint() != shifted.fingerprint()


def changed(folder, **values):
    path = folder / "dataset_info.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_what_cannot_be_read_is_said(copied, tmp_path):
    shard = next(copied.glob("*train.tfrecord*"))
    whole = shard.read_bytes()
    first = tf.data.TFRecordDataset(str(shard)).as_numpy_iterator().next()
    shard.write_bytes(whole[: len(first) + 16])
    with pytest.raises(UserError, match=r"has 1 images, .*speaks of 13"):
        load("imagenet2012", str(copied))
    changed(copied, fileFormat="array_record")
    with pytest.raises(UserError, match=r"prepared as array_record.*tfds convert_format"):
        load("imagenet2012", str(copied))
    changed(copied, splits=[])
    with pytest.raises(UserError, match="lacks the split train and validation"):
        load("imagenet2012", str(copied))
    (copied / "dataset_info.json").write_text("{")
    with pytest.raises(UserError, match=r"cannot read .*dataset_info.json"):
        load("imagenet2012", str(copied))


def test_another_set_beside_it_is_not_taken_for_it(tmp_path):
    prepare(tmp_path, {"train": 2, "validation": 1}, name="imagenet_else")
    with pytest.raises(UserError, match="no train/"):
        load("imagenet2012", str(tmp_path))
