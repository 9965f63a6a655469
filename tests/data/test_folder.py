"""Folders of images: which files are listed, which are skipped, and the messages about both."""

import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resnet_keras.data import folder
from resnet_keras.data.holdout import stratified_sample_by_name
from resnet_keras.data.sources import load_dataset
from resnet_keras.errors import UsageError, UserError


def create(root, *paths):
    """Creates empty files. Listing images does not open them."""
    for path in paths:
        file = Path(root, path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"")
    return str(root)


def create_classes(root, counts):
    """Creates as many empty files per class as `counts` says."""
    for name, count in counts.items():
        create(root, *(f"{name}/{number}.jpg" for number in range(count)))
    return str(root)


def relative_paths(files, root):
    return [str(Path(path).relative_to(root)) for path in files.paths]


def test_train_and_val(tmp_path):
    create(tmp_path, "train/cat/b.jpg", "train/cat/a.JPG", "train/ant/1.png", "val/cat/x.jpeg")
    found = folder.load(str(tmp_path))
    assert found.class_names == ("ant", "cat") and found.name == "folder" and found.flip
    assert relative_paths(found.train, tmp_path) == [
        "train/ant/1.png",
        "train/cat/a.JPG",
        "train/cat/b.jpg",
    ]
    assert found.train.labels.tolist() == [0, 1, 1]
    assert relative_paths(found.test, tmp_path) == [
        "val/cat/x.jpeg"
    ] and found.test.labels.tolist() == [1]
    assert "val/ has no images of ant" in found.notes


@pytest.mark.parametrize("test_name", ["val", "valid", "validation", "test"])
def test_the_test_folder_may_have_four_names(tmp_path, test_name):
    create(
        tmp_path, "train/a/1.jpg", "train/b/1.jpg", f"{test_name}/a/2.jpg", f"{test_name}/b/2.jpg"
    )
    assert len(folder.load(str(tmp_path)).test) == 2


def test_val_is_preferred_to_test_and_a_note_says_so(tmp_path):
    create(tmp_path, "train/a/1.jpg", "train/b/1.jpg", "val/a/2.jpg", "test/a/3.jpg")
    found = folder.load(str(tmp_path))
    assert relative_paths(found.test, tmp_path) == ["val/a/2.jpg"]
    assert any("not used: test/" in note for note in found.notes)


def test_unused_folders_are_named_in_the_notes(tmp_path):
    create_classes(tmp_path / "train", {"a": 10, "b": 10})
    create(tmp_path, "Val/a/1.jpg", "eval/a/1.jpg", ".git/x", "__MACOSX/y")
    found = folder.load(str(tmp_path))
    assert len(found.test) == 4
    assert "errors are measured on a share of train/; not used: Val/, eval/" in found.notes
    create(tmp_path, "valid/a/1.jpg", "test/a/1.jpg", "test/a/2.jpg")
    found = folder.load(str(tmp_path))
    assert relative_paths(found.test, tmp_path) == ["valid/a/1.jpg"] and len(found.train) == 20
    assert "errors are measured on valid/; not used: Val/, eval/, test/" in found.notes


def test_the_only_folder_in_a_folder_is_used(tmp_path):
    create(
        tmp_path, "sample/train/a/1.jpg", "sample/train/b/1.jpg", "sample/val/a/2.jpg", "readme.md"
    )
    assert len(folder.load(str(tmp_path)).train) == 2


def test_a_share_of_each_class_is_held_out_for_testing(tmp_path):
    found = folder.load(create_classes(tmp_path, {"a": 10, "b": 50, "c": 1, "d": 2}), 0.3)
    assert np.bincount(found.test.labels, minlength=4).tolist() == [3, 15, 0, 1]
    assert np.bincount(found.train.labels, minlength=4).tolist() == [7, 35, 1, 1]
    both = relative_paths(found.train, tmp_path) + relative_paths(found.test, tmp_path)
    assert len(both) == len(set(both)) == 63
    again = folder.load(str(tmp_path), 0.3)
    assert again.test.paths == found.test.paths
    assert folder.load(str(tmp_path)).notes == ("13 of 63 images are held out for testing",)


def test_a_share_of_train_is_held_out_if_there_is_no_test_folder(tmp_path):
    create_classes(tmp_path / "train", {"a": 10, "b": 10})
    assert len(folder.load(str(tmp_path), 0.5).test) == 10


def test_adding_images_hardly_changes_which_are_held_out(tmp_path):
    before = set(
        relative_paths(
            folder.load(create_classes(tmp_path, {"a": 40, "b": 40}), 0.25).test, tmp_path
        )
    )
    create(tmp_path, "a/new.jpg", "a/another.jpg")
    after = set(relative_paths(folder.load(str(tmp_path), 0.25).test, tmp_path))
    assert len(before - after) <= 2


def test_stratified_sample_by_name_does_not_depend_on_the_order():
    keys = [f"class/{number}" for number in range(100)]
    labels = np.arange(100) % 3
    order = np.random.default_rng(0).permutation(100)
    here = {keys[i] for i in stratified_sample_by_name(keys, labels, 0.2)}
    there = stratified_sample_by_name([keys[i] for i in order], labels[order], 0.2)
    assert here == {keys[order[i]] for i in there}
    for fraction in (0.0, 1.0, -1, 2):
        with pytest.raises(UsageError, match="above 0 and below 1"):
            stratified_sample_by_name(keys, labels, fraction)


def test_validation_fraction_is_rejected_if_there_is_a_test_folder(tmp_path):
    create(tmp_path, "train/a/1.jpg", "train/b/1.jpg", "val/a/2.jpg")
    with pytest.raises(UsageError, match="omit --validation-fraction"):
        folder.load(str(tmp_path), 0.5)


def test_images_for_evaluation_are_labelled_in_the_order_of_the_networks_classes(tmp_path):
    create_classes(tmp_path, {"dog": 3, "cat": 2})
    found = folder.load_for_evaluation(str(tmp_path), ("ant", "cat", "dog"))
    assert found.class_names == ("ant", "cat", "dog") and len(found.train) == 0
    assert found.test.labels.tolist() == [1, 1, 2, 2, 2]
    assert any("no images of ant" in note for note in found.notes)
    with pytest.raises(UserError, match="does not know: cat"):
        folder.load_for_evaluation(str(tmp_path), ("ant", "dog"))
    create(tmp_path, "train/cat/1.jpg")
    with pytest.raises(UsageError, match="contains train/"):
        folder.load_for_evaluation(str(tmp_path), ("cat", "dog"))
    with pytest.raises(UsageError, match="--data-dir"):
        folder.load_for_evaluation(None, ("cat", "dog"))


@pytest.mark.parametrize("test_name", ["val", "test"])
def test_a_test_folder_without_train_is_enough_for_evaluation(tmp_path, test_name):
    create(tmp_path, f"{test_name}/a/1.jpg", f"{test_name}/b/2.jpg", "more/a/3.jpg")
    found = folder.load_for_evaluation(str(tmp_path), ("a", "b"))
    assert relative_paths(found.test, tmp_path) == [f"{test_name}/a/1.jpg", f"{test_name}/b/2.jpg"]
    assert f"errors are measured on {test_name}/; not used: more/" in found.notes


def test_a_class_may_have_the_name_of_a_test_folder(tmp_path):
    create(tmp_path, "test/1.jpg", "test/deep/2.jpg", "a/3.jpg")
    found = folder.load_for_evaluation(str(tmp_path), ("a", "test"))
    assert relative_paths(found.test, tmp_path) == ["a/3.jpg", "test/1.jpg"]


def test_hidden_and_other_files_are_skipped(tmp_path):
    create(tmp_path, "a/.DS_Store", "a/._1.jpg", "a/1.jpg", "a/2.gif", "a/notes.txt", "a/3.webp")
    create(
        tmp_path, "b/1.BMP", "b/2.Png", ".git/x.jpg", "__MACOSX/a.jpg", "b/deep/9.jpg", "list.csv"
    )
    found = folder.load(str(tmp_path), 0.5)
    assert found.class_names == ("a", "b")
    assert len(found.train) == len(found.test) == 2
    notes = "\n".join(found.notes)
    assert "ignored 2 files that are not images (1 .txt, 1 .webp)" in notes
    assert "b/deep" in notes and "list.csv" in notes


def test_broken_links_are_skipped_and_counted(tmp_path):
    create_classes(tmp_path, {"a": 2, "b": 2})
    for name in ("a/self.jpg", "self"):
        (tmp_path / name).symlink_to(tmp_path / name)
    (tmp_path / "b/gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    found = folder.load(str(tmp_path), 0.5)
    assert found.class_names == ("a", "b") and len(found.train) == len(found.test) == 2
    notes = "\n".join(found.notes)
    assert "ignored 2 files that are not images (2 .jpg)" in notes
    assert "ignored 1 files beside the class folders (self)" in notes


def test_classes_are_sorted_by_name_as_strings(tmp_path):
    found = folder.load(
        create_classes(tmp_path, {name: 2 for name in ("2", "10", "1", "B", "a", "Äpfel")})
    )
    assert found.class_names == ("1", "10", "2", "B", "a", "Äpfel")


def test_composed_and_decomposed_accents_are_the_same_class(tmp_path):
    composed, decomposed = (unicodedata.normalize(form, "Äpfel") for form in ("NFC", "NFD"))
    create(tmp_path, f"train/{composed}/1.jpg", "train/b/1.jpg", f"val/{decomposed}/2.jpg")
    found = folder.load(str(tmp_path))
    assert found.class_names == ("b", composed) and found.test.labels.tolist() == [1]
    create(tmp_path, f"train/{decomposed}/3.jpg")
    with pytest.raises(UserError, match="two spellings of the same class name"):
        folder.load(str(tmp_path))


def test_the_split_and_the_order_do_not_depend_on_how_accents_are_composed(tmp_path):
    copies = []
    for form in ("NFC", "NFD"):
        root = tmp_path / form
        # A decomposed "é" is an "e" and an accent, which sorts before "f" by code point.
        for number in range(40):
            name = unicodedata.normalize(form, f"{'éfü'[number % 3]}{number}.jpg")
            create(root, f"{unicodedata.normalize(form, 'Äpfel')}/{name}", f"b/{name}")
        copies.append((root, folder.load(str(root))))

    def composed(root, files):
        return [unicodedata.normalize("NFC", name) for name in relative_paths(files, root)]

    (one, first), (other, second) = copies
    assert first.test.paths != second.test.paths
    assert composed(one, first.test) == composed(other, second.test)
    assert composed(one, first.train) == composed(other, second.train)
    assert first.train.fingerprint() == second.train.fingerprint()


def test_a_class_that_occurs_only_in_val_is_rejected(tmp_path):
    create(tmp_path, "train/a/1.jpg", "train/b/1.jpg", "val/a/1.jpg", "val/zebra/1.jpg")
    with pytest.raises(UserError, match="does not: zebra"):
        folder.load(str(tmp_path))


def test_a_class_without_training_images_is_rejected(tmp_path):
    create(tmp_path, "train/a/1.jpg", "train/b/1.txt", "val/a/1.jpg")
    with pytest.raises(UserError, match="no training images of b"):
        folder.load(str(tmp_path))


def test_a_single_class_is_rejected(tmp_path):
    create(tmp_path, "a/1.jpg", "a/2.jpg")
    with pytest.raises(UserError, match="only one class, a"):
        folder.load(str(tmp_path))


def test_images_without_class_folders_are_rejected_and_named(tmp_path):
    create(tmp_path, *(f"{number}.jpg" for number in range(9)))
    with pytest.raises(UserError, match=r"Found: 0.jpg, 1.jpg, .* and 4 more") as caught:
        folder.load(str(tmp_path))
    assert "DIR/<class>/*" in str(caught.value)


def test_class_folders_one_level_too_deep_are_rejected_and_named(tmp_path):
    create(tmp_path, "photos/a/1.jpg", "photos/b/1.jpg", "photos/readme.txt")
    with pytest.raises(UserError, match=r"photos/a") as caught:
        folder.load(str(tmp_path))
    assert "1 .txt" in str(caught.value)


def test_empty_and_missing_folders_are_rejected(tmp_path):
    with pytest.raises(UserError, match="Found: nothing"):
        folder.load(str(tmp_path))
    with pytest.raises(UserError, match="does not exist"):
        folder.load(str(tmp_path / "nowhere"))
    create(tmp_path, "file")
    with pytest.raises(UserError, match="is not a folder"):
        folder.load(str(tmp_path / "file"))
    with pytest.raises(UsageError, match="requires --data-dir"):
        load_dataset("folder")


def test_folder_names_that_are_not_utf_8_are_rejected(tmp_path):
    try:
        os.makedirs(os.fsencode(tmp_path) + b"/\xff\xfe")
    except OSError:
        pytest.skip("this file system does not support such names")
    create(tmp_path, "a/1.jpg")
    with pytest.raises(UserError, match="not valid UTF-8"):
        folder.load(str(tmp_path))


def test_validation_fraction_is_only_for_folders():
    with pytest.raises(UsageError, match="--validation-fraction is for --dataset folder"):
        load_dataset("digits", validation_fraction=0.1)


def create_images(root, count=6):
    rng = np.random.default_rng(0)
    for name in "ab":
        for number in range(count):
            path = Path(root, name, f"{number}.png")
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (9, 9, 3), np.uint8)).save(path)
    return str(root)


def test_corrupt_files_are_skipped_and_counted(tmp_path):
    create_images(tmp_path)
    intact = load_dataset("folder", str(tmp_path), skip_corrupt=True)
    assert "none is skipped" in intact.notes[-1]
    bad = [intact.train.paths[2], intact.test.paths[0]]
    Path(bad[0]).write_bytes(Path(bad[0]).read_bytes()[:100])
    Path(bad[1]).write_bytes(b"")
    found = load_dataset("folder", str(tmp_path), skip_corrupt=True)
    assert set(intact.train.paths) - set(found.train.paths) == {bad[0]}
    assert set(intact.test.paths) - set(found.test.paths) == {bad[1]}
    assert len(found.train.labels) == len(found.train) == len(intact.train) - 1
    note = found.notes[-1]
    assert "skipped 2 files" in note and bad[0] in note and bad[1] in note
    # Without the option, no file is opened.
    assert load_dataset("folder", str(tmp_path)).train.paths == intact.train.paths


def test_a_class_with_only_corrupt_files_is_rejected(tmp_path):
    create_images(tmp_path)
    for path in Path(tmp_path, "b").iterdir():
        path.write_bytes(b"no image")
    with pytest.raises(UserError, match="no images to train on in b"):
        load_dataset("folder", str(tmp_path), skip_corrupt=True)
