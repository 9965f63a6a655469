"""The figure of a hyperparameter search."""

import pandas as pd
import pytest

from resnet_keras.errors import UserError
from resnet_keras.reporting.search_figure import draw_search, search_figure

TRIALS = pd.DataFrame(
    {
        "id": ["0", "1", "2", "3"],
        "status": ["done", "done", "failed", "done"],
        "learning_rate": [0.01, 0.1, 0.5, 0.2],
        "schedule": ["drops", "one_cycle", "drops", "one_cycle"],
        "part": [0.3333, 1.0, 1.0, 1.0],
        "score": [5.0, 30.0, None, 20.0],
        "error": [None, None, "the loss is nan", None],
    }
)


def drawn(axes, gid):
    line = next(line for line in axes.lines if line.get_gid() == gid)
    return list(line.get_xdata()), list(line.get_ydata())


def test_one_panel_over_time_and_one_per_searched_value():
    axes = [one for one in search_figure(TRIALS, "$x$").axes if one.get_visible()]
    assert [one.get_xlabel() for one in axes] == ["trial", "learning_rate", "schedule"]
    assert drawn(axes[1], "full schedule") == ([0.1, 0.2], [30.0, 20.0])
    assert drawn(axes[1], "shortened schedule") == ([0.01], [5.0])
    assert drawn(axes[1], "failed")[0] == [0.5]
    assert axes[1].get_xscale() == "log"
    assert drawn(axes[2], "full schedule") == ([1, 1], [30.0, 20.0])


def test_a_trial_with_a_shortened_schedule_is_never_the_best():
    axes = search_figure(TRIALS, "x").axes[0]
    assert drawn(axes, "best") == ([3], [20.0])


def test_a_search_without_a_complete_trial_is_a_user_error(tmp_path):
    TRIALS.assign(score=None).to_csv(tmp_path / "trials.csv", index=False)
    with pytest.raises(UserError, match="no complete trial"):
        draw_search(tmp_path / "trials.csv", tmp_path / "search.png", "x")
