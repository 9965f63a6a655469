"""The paper's results and curves."""

from resnet_keras.reporting.paper import paper_curve


def test_curves_of_fig_6():
    curve = paper_curve("plain20", "train")
    assert list(curve.columns) == ["iteration", "error_pct"]
    assert curve["iteration"].is_monotonic_increasing
    assert paper_curve("resnet20-B", "test") is None
    assert paper_curve("resnet20", "test") is None
    assert paper_curve("plain110", "test") is None
    assert paper_curve("resnet1202-A", "test") is not None
