"""ImageNet from folders, and from TFRecord files as prepared by TensorFlow Datasets."""

import io
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from resnet_keras.data import imagenet, pipeline
from resnet_keras.data.corrupt_files import find_corrupt_files
from resnet_keras.data.decoding import decoded_images, evaluation_batches
from resnet_keras.data.sources import load_dataset
from resnet_keras.data.transforms import decode
from resnet_keras.errors import UserError
from resnet_keras.preprocessing import Preprocessing
from resnet_keras.recipe import Recipe

datasets = pytest.importorskip("tensorflow_datasets")
NAMES = [f"n{number:08}" for number in range(1000)]
CROP = Preprocessing((16, 16), "crop", 1 / 255, (0.4, 0.5, 0.6), (1, 1, 1), tuple(NAMES), 18)


def create_folders(root, classes):
    """Creates an empty training and test image for each class."""
    for part in ("train", "val"):
        for number in range(classes):
            folder = root / part / f"n{number:08}"
            folder.mkdir(parents=True)
            (folder / f"{part}.JPEG").write_bytes(b"")
    return str(root)


def test_folders_of_a_thousand_classes(tmp_path):
    found = load_dataset("imagenet2012", create_folders(tmp_path, 1000))
    assert found.name == "imagenet2012"
    assert len(found.class_names) == len(found.train) == len(found.test) == 1000
    assert found.class_names[17] == "n00000017" and found.test.labels[17] == 17


def test_other_numbers_of_classes_are_rejected(tmp_path):
    with pytest.raises(UserError, match="--dataset folder"):
        load_dataset("imagenet2012", create_folders(tmp_path, 10))


def test_errors_explain_where_to_get_imagenet(tmp_path):
    with pytest.raises(UserError, match="by hand from https://image-net"):
        load_dataset("imagenet2012")
    with pytest.raises(UserError, match=r"does not contain train/.*by hand"):
        load_dataset("imagenet2012", str(tmp_path))


def jpeg(number):
    pixels = np.random.default_rng(number).integers(0, 256, (20 + number, 44 - number, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG")
    return stream.getvalue()


def label(number):
    return (number * 311) % 1000


def prepare(folder, counts, name="imagenet2012"):
    """Lets TensorFlow Datasets prepare a data set with the features of its ImageNet."""
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


def read_by_tfds(root, split):
    """Returns the encoded images and the labels as TensorFlow Datasets reads them."""
    builder = datasets.builder_from_directory(str(root / "imagenet2012" / "5.1.0"))
    rows = builder.as_dataset(
        split=split, decoders={"image": datasets.decode.SkipDecoding()}, shuffle_files=False
    )
    return [(row["image"], int(row["label"])) for row in rows.as_numpy_iterator()]


def test_examples_are_the_same_as_read_by_tensorflow_datasets(root):
    dataset = load_dataset("imagenet2012", str(root))
    assert dataset.class_names == tuple(NAMES) and dataset.name == "imagenet2012"
    for files, split, count in ((dataset.train, "train", 13), (dataset.test, "validation", 5)):
        expected = read_by_tfds(root, split)
        assert files.labels.tolist() == [number for _, number in expected]
        assert len(files) == len(expected) == count
        for found, (data, _) in zip(decoded_images(files), expected, strict=True):
            np.testing.assert_array_equal(found, decode(data))


def test_the_folder_of_a_version_is_accepted_and_the_newest_is_preferred(root, copied):
    found = load_dataset("imagenet2012", str(root / "imagenet2012" / "5.1.0"))
    assert len(found.train) == 13
    shutil.copytree(copied, copied.with_name("5.0.0"))
    shutil.copytree(copied, copied.with_name("10.0.0"))
    newest = imagenet.find_prepared(copied.parents[1], "imagenet2012")
    assert newest.name == "10.0.0"


def test_batches_are_the_same_as_from_image_files(root, tmp_path):
    records = load_dataset("imagenet2012", str(root)).train
    paths = []
    for number, (data, _) in enumerate(read_by_tfds(root, "train")):
        paths.append(str(tmp_path / f"{number}.jpg"))
        (tmp_path / f"{number}.jpg").write_bytes(data)
    files = type(records)(tuple(paths), records.labels)
    recipe = Recipe("resnet8", steps=4, batch_size=5, drops=(), flip=True, seed=3, lighting=0.1)
    for one, other in zip(
        pipeline.training_batches(records, CROP, recipe),
        pipeline.training_batches(files, CROP, recipe),
        strict=True,
    ):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])
    rest = pipeline.training_batches(records, CROP, recipe, 3)
    np.testing.assert_array_equal(next(iter(rest))[0], one[0])


def test_a_damaged_image_is_named_by_its_file_and_offset(copied):
    files = load_dataset("imagenet2012", str(copied)).train
    offset, length = files.ranges[7].tolist()
    with open(files.paths[7], "r+b") as stream:
        stream.seek(offset)
        stream.write(b"\xff\xd8\xff" + bytes(length - 3))
    with pytest.raises(
        UserError, match=rf"imagenet2012-train.*\(byte {offset}\): the image is dam"
    ):
        list(evaluation_batches(files, CROP, 4))
    assert find_corrupt_files(files).tolist() == [7]


def test_the_fingerprint_depends_on_the_byte_ranges(root):
    files = load_dataset("imagenet2012", str(root)).train
    shifted = type(files)(files.paths, files.labels, files.ranges + 1)
    assert files.fingerprint() == load_dataset("imagenet2012", str(root)).train.fingerprint()
    assert files.fingerprint() != shifted.fingerprint()


def change_info(folder, **values):
    path = folder / "dataset_info.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_unreadable_data_sets_are_rejected(copied, tmp_path):
    shard = next(copied.glob("*train.tfrecord*"))
    content = shard.read_bytes()
    first = tf.data.TFRecordDataset(str(shard)).as_numpy_iterator().next()
    shard.write_bytes(content[: len(first) + 16])
    with pytest.raises(UserError, match=r"contains 1 images, .*should contain 13"):
        load_dataset("imagenet2012", str(copied))
    change_info(copied, fileFormat="array_record")
    with pytest.raises(UserError, match=r"prepared as array_record.*tfds convert_format"):
        load_dataset("imagenet2012", str(copied))
    change_info(copied, splits=[])
    with pytest.raises(UserError, match="lacks the split train and validation"):
        load_dataset("imagenet2012", str(copied))
    (copied / "dataset_info.json").write_text("{")
    with pytest.raises(UserError, match=r"cannot read .*dataset_info.json"):
        load_dataset("imagenet2012", str(copied))


def test_other_prepared_data_sets_are_not_accepted(tmp_path):
    prepare(tmp_path, {"train": 2, "validation": 1}, name="imagenet_else")
    with pytest.raises(UserError, match="does not contain train/"):
        load_dataset("imagenet2012", str(tmp_path))


def example(image, label, **more):
    values = {
        "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[image])),
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
        **more,
    }
    return tf.train.Example(features=tf.train.Features(feature=values)).SerializeToString()


def write_records(path, records):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
    return str(path)


def text(value):
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def test_index_tfrecord_finds_images_and_labels_among_other_features(tmp_path):
    floats = tf.train.Feature(float_list=tf.train.FloatList(value=[1.5, -2.0]))
    rows = [(bytes(range(n % 256)) * 40, label) for n, label in ((1, 0), (255, 999), (90, 300))]
    rows += [(b"ends in zeros\x00\x00", -1), (b"", 2)]
    path = write_records(
        tmp_path / "records",
        [
            example(*row, file_name=text(b"n01.JPEG"), aaa=floats, zzz=text(b"image"))
            for row in rows
        ],
    )
    data = (tmp_path / "records").read_bytes()
    found = [
        (data[offset : offset + length], label)
        for offset, length, label in imagenet.index_tfrecord(path)
    ]
    assert found == rows


@pytest.mark.parametrize("lost", [1, 4, 5, 700, 1030])
def test_index_tfrecord_rejects_truncated_files(tmp_path, lost):
    path = write_records(tmp_path / "records", [example(b"x" * 1000, 1)] * 2)
    content = (tmp_path / "records").read_bytes()
    (tmp_path / "records").write_bytes(content[:-lost])
    with pytest.raises(UserError, match="records is damaged or truncated"):
        list(imagenet.index_tfrecord(path))


def test_index_tfrecord_rejects_other_records_and_empty_files(tmp_path):
    features = tf.train.Features(feature={"text": text(b"a")})
    other = tf.train.Example(features=features).SerializeToString()
    for name, records in (("other", [other]), ("noise", [b"\xff" * 40]), ("empty", [])):
        with pytest.raises(UserError, match=f"{name} is damaged"):
            list(imagenet.index_tfrecord(write_records(tmp_path / name, records)))
    with pytest.raises(UserError, match=r"cannot read .*No such file"):
        list(imagenet.index_tfrecord(str(tmp_path / "none")))
