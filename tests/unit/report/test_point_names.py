"""Names of points in a figure: near their point, never over one another while there is room."""

from __future__ import annotations

from itertools import combinations

from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from hotkit.report.pointnames import name_points


def named(points):
    """The boxes of the names and of the frame, in pixels."""
    figure = Figure(figsize=(7.2, 3.2), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([x for x, _, _ in points], [y for _, y, _ in points], "o")
    axes.set(xlim=(0, 10), ylim=(0, 1.08))
    name_points(axes, points, colour="black", line="grey")
    texts = [text for text in axes.texts if text.get_text()]
    assert [text.get_text() for text in texts] == [name for _, _, name in points]
    return [text.get_window_extent() for text in texts], axes


def test_points_at_one_place_have_names_apart():
    boxes, axes = named([(5 + 0.01 * n, 0.5, f"damon-{n}") for n in range(6)])
    for one, other in combinations(boxes, 2):
        assert Bbox.intersection(one, other) is None
    assert len([text for text in axes.texts if not text.get_text()]) == 2  # lines to the far ones


def test_a_name_at_the_edge_goes_to_the_other_side():
    (right, left), axes = named([(9.9, 1.0, "a-name-of-some-length"), (0.1, 1.0, "another")])
    assert axes.bbox.x0 < right.x0 and right.x1 < axes.bbox.x1
    assert axes.bbox.x0 < left.x0


def test_more_points_than_there_is_room_for_are_all_named():
    boxes, _ = named([(5, 0.5, f"damon-{n}") for n in range(40)])
    assert len(boxes) == 40
