"""Folders of images: what is read, what is passed over, and what messages say."""

import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resnet_keras.data import folder
from resnet_keras.data.holdout import named_share
from resnet_keras.data.sources import load
from resnet_keras.errors import UsageError, UserError


def put(root, *paths):
    """Makes files; nothing opens them here."""
    for path in paths:
        file = Path(root, path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"")
    return str(root)


def names(files, root):
    return [str(Path(path).relative_to(root)) for path in files.paths]


def test_train_and_val(tmp_path):
    put(tmp_path, "train/cat/b.jpg", "train/cat/a.JPG", "train/ant/1.png", "val/cat/x.jpeg")
    found = folder.load(str(tmp_path))
    assert found.class_names == ("ant", "cat") and found.name == "folder" and found.flip
    assert names(found.train, tmp_path) == ["train/ant/1.png", "train/cat/a.JPG", "train/cat/b.jpg"]
    assert found.train.labels.tolist() == [0, 1, 1]
    assert names(found.test, tmp_path) == ["val/cat/x.jpeg"] and found.test.labels.tolist() == [1]
    assert "val/ has no images of ant" in found.notes


@pytest.mark.parametrize("test_name", ["val", "valid", "validation", "test"])
def test_the_images_for_the_test_have_four_names(tmp_path, test_name):
    put(tmp_path, "train/a/1.jpg", "train/b/1.jpg", f"{test_name}/a/2.jpg", f"{test_name}/b/2.jpg")
    assert len(folder.load(str(tmp_path)).test) == 2


def test_val_comes_before_test_and_this_is_said(tmp_path):
    put(tmp_path, "train/a/1.jpg", "train/b/1.jpg", "val/a/2.jpg", "test/a/3.jpg")
    found = folder.load(str(tmp_path))
    assert names(found.test, tmp_path) == ["val/a/2.jpg"]
    assert any("not used: test/" in note for note in found.notes)


def test_a_folder_beside_train_that_is_not_used_is_named(tmp_path):
    flat(tmp_path / "train", {"a": 10, "b": 10})
    put(tmp_path, "Val/a/1.jpg", "eval/a/1.jpg", ".git/x", "__MACOSX/y")
    found = folder.load(str(tmp_path))
    assert len(found.test) == 4
    assert "errors are reported on a share of train/; not used: Val/, eval/" in found.notes
    put(tmp_path, "valid/a/1.jpg", "test/a/1.jpg", "test/a/2.jpg")
    found = folder.load(str(tmp_path))
    assert names(found.test, tmp_path) == ["valid/a/1.jpg"] and len(found.train) == 20
    assert "errors are reported on valid/; not used: Val/, eval/, test/" in found.notes


def test_a_folder_inside_a_folder_as_archives_unpack(tmp_path):
    put(tmp_path, "sample/train/a/1.jpg", "sample/train/b/1.jpg", "sample/val/a/2.jpg", "readme.md")
    assert len(folder.load(str(tmp_path)).train) == 2


def flat(root, counts):
    for name, count in counts.items():
        put(root, *(f"{name}/{number}.jpg" for number in range(count)))
    return str(root)


def test_a_share_of_each_class_is_kept_for_the_test(tmp_path):
    found = folder.load(flat(tmp_path, {"a": 10, "b": 50, "c": 1, "d": 2}), 0.3)
    assert np.bincount(found.test.labels, minlength=4).tolist() == [3, 15, 0, 1]
    assert np.bincount(found.train.labels, minlength=4).tolist() == [7, 35, 1, 1]
    both = names(found.train, tmp_path) + names(found.test, tmp_path)
    assert len(both) == len(set(both)) == 63
    again = folder.load(str(tmp_path), 0.3)
    assert again.test.paths == found.test.paths
    assert folder.load(str(tmp_path)).notes == ("13 of 63 images are kept for the test",)


def test_train_alone_is_shared_out_too(tmp_path):
    flat(tmp_path / "train", {"a": 10, "b": 10})
    assert len(folder.load(str(tmp_path), 0.5).test) == 10


def test_who_joins_moves_nobody_else(tmp_path):
    before = set(names(folder.load(flat(tmp_path, {"a": 40, "b": 40}), 0.25).test, tmp_path))
    put(tmp_path, "a/new.jpg", "a/another.jpg")
    after = set(names(folder.load(str(tmp_path), 0.25).test, tmp_path))
    assert len(before - after) <= 2


def test_named_share_does_not_depend_on_the_order():
    keys = [f"class/{number}" for number in range(100)]
    labels = np.arange(100) % 3
    order = np.random.default_rng(0).permutation(100)
    here = {keys[i] for i in named_share(keys, labels, 0.2)}
    there = named_share([keys[i] for i in order], labels[order], 0.2)
    assert here == {keys[order[i]] for i in there}
    for fraction in (0.0, 1.0, -1, 2):
        with pytest.raises(UsageError, match="above 0 and below 1"):
            named_share(keys, labels, fraction)


def test_a_share_of_what_is_shared_out_already_is_refused(tmp_path):
    put(tmp_path, "train/a/1.jpg", "train/b/1.jpg", "val/a/2.jpg")
    with pytest.raises(UsageError, match="leave out --validation-fraction"):
        folder.load(str(tmp_path), 0.5)


def test_all_images_of_a_folder_are_listed_by_the_networks_classes(tmp_path):
    flat(tmp_path, {"dog": 3, "cat": 2})
    found = folder.load_all(str(tmp_path), ("ant", "cat", "dog"))
    assert found.class_names == ("ant", "cat", "dog") and len(found.train) == 0
    assert found.test.labels.tolist() == [1, 1, 2, 2, 2]
    assert any("no images of ant" in note for note in found.notes)
    with pytest.raises(UserError, match="does not know: cat"):
        folder.load_all(str(tmp_path), ("ant", "dog"))
    put(tmp_path, "train/cat/1.jpg")
    with pytest.raises(UsageError, match="holds train/"):
        folder.load_all(str(tmp_path), ("cat", "dog"))
    with pytest.raises(UsageError, match="--data-dir"):
        folder.load_all(None, ("cat", "dog"))


@pytest.mark.parametrize("test_name", ["val", "test"])
def test_a_folder_for_the_test_may_stand_without_train(tmp_path, test_name):
    put(tmp_path, f"{test_name}/a/1.jpg", f"{test_name}/b/2.jpg", "more/a/3.jpg")
    found = folder.load_all(str(tmp_path), ("a", "b"))
    assert names(found.test, tmp_path) == [f"{test_name}/a/1.jpg", f"{test_name}/b/2.jpg"]
    assert f"measured on {test_name}/; not used: more/" in found.notes


def test_a_class_may_have_the_name_of_a_folder_for_the_test(tmp_path):
    put(tmp_path, "test/1.jpg", "test/deep/2.jpg", "a/3.jpg")
    found = folder.load_all(str(tmp_path), ("a", "test"))
    assert names(found.test, tmp_path) == ["a/3.jpg", "test/1.jpg"]


def test_hidden_files_and_others_are_passed_over(tmp_path):
    put(tmp_path, "a/.DS_Store", "a/._1.jpg", "a/1.jpg", "a/2.gif", "a/notes.txt", "a/3.webp")
    put(tmp_path, "b/1.BMP", "b/2.Png", ".git/x.jpg", "__MACOSX/a.jpg", "b/deep/9.jpg", "list.csv")
    found = folder.load(str(tmp_path), 0.5)
    assert found.class_names == ("a", "b")
    assert len(found.train) == len(found.test) == 2
    notes = "\n".join(found.notes)
    assert "ignored 2 files that are no images (1 .txt, 1 .webp)" in notes
    assert "b/deep" in notes and "list.csv" in notes


def test_links_that_lead_nowhere_are_counted_and_passed_over(tmp_path):
    flat(tmp_path, {"a": 2, "b": 2})
    for place in ("a/self.jpg", "self"):
        (tmp_path / place).symlink_to(tmp_path / place)
    (tmp_path / "b/gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    found = folder.load(str(tmp_path), 0.5)
    assert found.class_names == ("a", "b") and len(found.train) == len(found.test) == 2
    notes = "\n".join(found.notes)
    assert "ignored 2 files that are no images (2 .jpg)" in notes
    assert "ignored 1 files beside the classes (self)" in notes


def test_classes_are_in_the_order_of_their_names_as_strings(tmp_path):
    found = folder.load(flat(tmp_path, {name: 2 for name in ("2", "10", "1", "B", "a", "Äpfel")}))
    assert found.class_names == ("1", "10", "2", "B", "a", "Äpfel")


def test_accents_are_the_same_however_they_are_spelled(tmp_path):
    composed, decomposed = (unicodedata.normalize(form, "Äpfel") for form in ("NFC", "NFD"))
    put(tmp_path, f"train/{composed}/1.jpg", "train/b/1.jpg", f"val/{decomposed}/2.jpg")
    found = folder.load(str(tmp_path))
    assert found.class_names == ("b", composed) and found.test.labels.tolist() == [1]
    put(tmp_path, f"train/{decomposed}/3.jpg")
    with pytest.raises(UserError, match="spell one name in two ways"):
        folder.load(str(tmp_path))


def test_a_copy_that_spells_accents_otherwise_is_split_and_ordered_alike(tmp_path):
    copies = []
    for form in ("NFC", "NFD"):
        root = tmp_path / form
        # Decomposed, "é" is "e" and an accent: among the code points it comes before "f" then.
        for number in range(40):
            name = unicodedata.normalize(form, f"{'éfü'[number % 3]}{number}.jpg")
            put(root, f"{unicodedata.normalize(form, 'Äpfel')}/{name}", f"b/{name}")
        copies.append((root, folder.load(str(root))))

    def spelled(root, files):
        return [unicodedata.normalize("NFC", name) for name in names(files, root)]

    (one, first), (other, second) = copies
    assert first.test.paths != second.test.paths
    assert spelled(one, first.test) == spelled(other, second.test)
    assert spelled(one, first.train) == spelled(other, second.train)
    assert first.train.fingerprint() == second.train.fingerprint()


def test_a_class_only_in_val_is_named(tmp_path):
    put(tmp_path, "train/a/1.jpg", "train/b/1.jpg", "val/a/1.jpg", "val/zebra/1.jpg")
    with pytest.raises(UserError, match="has not: zebra"):
        folder.load(str(tmp_path))


def test_classes_without_images_are_named(tmp_path):
    put(tmp_path, "train/a/1.jpg", "train/b/1.txt", "val/a/1.jpg")
    with pytest.raises(UserError, match="no images to train on in b"):
        folder.load(str(tmp_path))


def test_one_class_alone_is_refused(tmp_path):
    put(tmp_path, "a/1.jpg", "a/2.jpg")
    with pytest.raises(UserError, match="one class alone, a"):
        folder.load(str(tmp_path))


def test_images_without_classes_are_refused_with_what_was_seen(tmp_path):
    put(tmp_path, *(f"{number}.jpg" for number in range(9)))
    with pytest.raises(UserError, match=r"Seen: 0.jpg, 1.jpg, .* and 4 more") as caught:
        folder.load(str(tmp_path))
    assert "DIR/<class>/*" in str(caught.value)


def test_classes_one_level_too_deep_are_refused_with_what_was_seen(tmp_path):
    put(tmp_path, "photos/a/1.jpg", "photos/b/1.jpg", "photos/readme.txt")
    with pytest.raises(UserError, match=r"photos/a") as caught:
        folder.load(str(tmp_path))
    assert "1 .txt" in str(caught.value)


def test_an_empty_folder_and_none_at_all(tmp_path):
    with pytest.raises(UserError, match="Seen: nothing"):
        folder.load(str(tmp_path))
    with pytest.raises(UserError, match="does not exist"):
        folder.load(str(tmp_path / "nowhere"))
    put(tmp_path, "file")
    with pytest.raises(UserError, match="is no folder"):
        folder.load(str(tmp_path / "file"))
    with pytest.raises(UsageError, match="needs --data-dir"):
        load("folder")


def test_names_that_are_no_text_are_named(tmp_path):
    try:
        os.makedirs(os.fsencode(tmp_path) + b"/\xff\xfe")
    except OSError:
        pytest.skip("this file system takes no such name")
    put(tmp_path, "a/1.jpg")
    with pytest.raises(UserError, match="no name in UTF-8"):
        folder.load(str(tmp_path))


def test_the_share_is_for_folders_alone():
    with pytest.raises(UsageError, match="--validation-fraction is for --dataset folder"):
        load("digits", validation_fraction=0.1)


def pictures(root, count=6):
    rng = np.random.default_rng(0)
    for name in "ab":
        for number in range(count):
            path = Path(root, name, f"{number}.png")
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (9, 9, 3), np.uint8)).save(path)
    return str(root)


def test_corrupt_files_are_left_out_and_counted(tmp_path):
    pictures(tmp_path)
    sound = load("folder", str(tmp_path), skip_corrupt=True)
    assert "none is skipped" in sound.notes[-1]
    bad = [sound.train.paths[2], sound.test.paths[0]]
    Path(bad[0]).write_bytes(Path(bad[0]).read_bytes()[:100])
    Path(bad[1]).write_bytes(b"")
    found = load("folder", str(tmp_path), skip_corrupt=True)
    assert set(sound.train.paths) - set(found.train.paths) == {bad[0]}
    assert set(sound.test.paths) - set(found.test.paths) == {bad[1]}
    assert len(found.train.labels) == len(found.train) == len(sound.train) - 1
    note = found.notes[-1]
    assert "skipped 2 files" in note and bad[0] in note and bad[1] in note
    # Without the option nothing is opened, and nothing is said.
    assert load("folder", str(tmp_path)).train.paths == sound.train.paths


def test_nothing_left_of_a_class_is_refused(tmp_path):
    pictures(tmp_path)
    for path in Path(tmp_path, "b").iterdir():
        path.write_bytes(b"no image")
    with pytest.raises(UserError, match="no images to train on in b"):
        load("folder", str(tmp_path), skip_corrupt=True)
