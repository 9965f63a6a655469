"""The errors that users can fix themselves."""

import pytest

from resnet_keras.errors import UsageError, UserError, last_line, unknown


def names_in_order(error):
    return str(error).split("known: ")[1].split(", ")


def test_exit_status():
    assert UserError("x").exit_status == 1
    assert UsageError("x").exit_status == 2
    assert issubclass(UsageError, UserError)


@pytest.mark.parametrize(
    "received, nearest",
    [("rsnet20", "resnet20"), ("PLAIN56", "plain56"), ("resnet-110", "resnet110")],
)
def test_the_most_similar_name_comes_first(received, nearest):
    known = ["plain20", "plain56", "resnet20", "resnet110", "vgg19"]
    error = unknown("architecture", received, known)
    assert isinstance(error, UsageError)
    assert repr(received) in str(error) and "architecture" in str(error)
    names = names_in_order(error)
    assert names[0] == nearest
    assert sorted(names) == sorted(known)


def test_equally_similar_names_keep_their_order():
    assert names_in_order(unknown("option", "?", ["C", "A", "B"])) == ["C", "A", "B"]


@pytest.mark.parametrize("received", [None, 3, 1.5, ("A",), ""])
def test_the_received_value_can_be_anything(received):
    assert repr(received) in str(unknown("option", received, ("A", "B")))


def test_the_known_names_can_be_an_iterator():
    assert names_in_order(unknown("dataset", "b", iter(["a", "b2"]))) == ["b2", "a"]


@pytest.mark.parametrize(
    "text, expected",
    [("a\nb", "b"), ("a\n\n  b \n\n", "b"), ("a", "a"), ("", None), (" \n", None), (None, None)],
)
def test_last_line(text, expected):
    assert last_line(text) == expected
