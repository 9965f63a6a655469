"""Images found in TFRecord files are those that TensorFlow wrote there."""

import pytest
import tensorflow as tf

from resnet_keras.data.imagenet import images_of
from resnet_keras.errors import UserError


def example(image, label, **more):
    values = {
        "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[image])),
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
        **more,
    }
    return tf.train.Example(features=tf.train.Features(feature=values)).SerializeToString()


def written(path, records):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
    return str(path)


def text(value):
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def test_images_and_labels_are_found_among_other_features(tmp_path):
    floats = tf.train.Feature(float_list=tf.train.FloatList(value=[1.5, -2.0]))
    rows = [(bytes(range(n % 256)) * 40, label) for n, label in ((1, 0), (255, 999), (90, 300))]
    rows += [(b"ends in zeros\x00\x00", -1), (b"", 2)]
    path = written(
        tmp_path / "records",
        [
            example(*row, file_name=text(b"n01.JPEG"), aaa=floats, zzz=text(b"image"))
            for row in rows
        ],
    )
    data = (tmp_path / "records").read_bytes()
    found = [(data[begin : begin + count], label) for begin, count, label in images_of(path)]
    assert found == rows


@pytest.mark.parametrize("lost", [1, 4, 5, 700, 1030])
def test_a_file_cut_short_is_named(tmp_path, lost):
    path = written(tmp_path / "records", [example(b"x" * 1000, 1)] * 2)
    whole = (tmp_path / "records").read_bytes()
    (tmp_path / "records").write_bytes(whole[:-lost])
    with pytest.raises(UserError, match="records is damaged or cut short"):
        list(images_of(path))


def test_records_without_an_image_and_empty_files_are_refused(tmp_path):
    features = tf.train.Features(feature={"text": text(b"a")})
    other = tf.train.Example(features=features).SerializeToString()
    for name, records in (("other", [other]), ("noise", [b"\xff" * 40]), ("empty", [])):
        with pytest.raises(UserError, match=f"{name} is damaged"):
            list(images_of(written(tmp_path / name, records)))
    with pytest.raises(UserError, match=r"cannot read .*No such file"):
        list(images_of(str(tmp_path / "none")))
