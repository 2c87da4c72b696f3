"""Draws a ranking: accuracy against milliseconds, with intervals as bars."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.transforms import Bbox

from kerastl import charts
from kerastl.charts import BLUE, GRAY, INK, LIGHT
from kerastl.selection.ranking_row import FOLDS, RankingRow, label_rows, pareto_front, sort_rows

_WIDTH, _HEIGHT = 960, 560
_WIDEST_NAME = 300
_LEAST_SPAN = 0.05
# From a dot up to the middle of its name, in points; the first few are clearly that dot's.
_SHIFTS = (0, 13, -13, 26, -26, 39, -39, 52, -52)
_NEAR = 5
# From the middle of a dot to its name.
_GAP = 10
# Square points of other marks that a name may cover; those of the Pareto front may cover more.
_MOST_OVERLAP = 60.0


@charts.style()
def draw_ranking(rows: Sequence[RankingRow], *, title: str, images: str) -> str:
    """Draws the rows that have an accuracy.

    Args:
        rows: The networks.
        title: Above the chart.
        images: What they were evaluated on, as in "400 of 9000 training images".

    Returns:
        The content of an SVG file.
    """
    rows = [row for row in sort_rows(rows) if not row.reason]
    figure = charts.new_figure(
        _WIDTH,
        _HEIGHT,
        title=title,
        notes="Blue: no other network is both as accurate and as fast. Bars: 95 % intervals over "
        f"{FOLDS} folds of {images}.",
    )
    axes = charts.add_axes(figure, left=66, right=36, bottom=62, top=84)
    axes.set_xlabel("milliseconds for one image, network alone", loc="right")
    axes.set_ylabel("accuracy of a linear probe", loc="top")
    _scale(axes, rows)
    in_front = dict(zip(rows, pareto_front(rows), strict=True))
    _draw_front(axes, [row for row in rows if in_front[row]])
    # The Pareto front first when names are placed, and last when dots are drawn.
    named = sorted(zip(rows, label_rows(rows), strict=True), key=lambda item: not in_front[item[0]])
    tooltips = {}
    for number, (row, name) in enumerate(named[::-1]):
        _draw_row(axes, row, BLUE if in_front[row] else LIGHT, gid=f"network-{number}")
        about = f"{name} {row.config.image_size}: {row.accuracy:.4f}, {row.milliseconds:.3g} ms"
        tooltips[f"network-{number}"] = about
    taken = [box for row in rows for box in _boxes(axes, row)]
    nameless = 0
    for row, name in named:
        text = f"{charts.shorten(name, _WIDEST_NAME)} {row.config.image_size}"
        nameless += not _name(axes, row, text, taken, is_bold=in_front[row])
    if nameless:
        axes.set_title(f"{nameless} without a name, for lack of room", loc="right", pad=4)
    return charts.to_svg(
        figure, title=f"{title}: accuracy against milliseconds for one image.", tooltips=tooltips
    )


def _scale(axes: Axes, rows: Sequence[RankingRow]) -> None:
    speeds = [row.milliseconds for row in rows]
    low, high = min(row.low for row in rows), max(row.high for row in rows)
    margin = max(0.06 * (high - low), (_LEAST_SPAN - (high - low)) / 2)
    charts.scale(axes, "x", min(speeds) / 1.35, max(speeds) * 1.35, is_log=True)
    charts.scale(axes, "y", max(0.0, low - margin), min(1.0, high + margin))


def _draw_front(axes: Axes, front: Sequence[RankingRow]) -> None:
    """Joins the Pareto front by steps: the best accuracy within each time."""
    points = sorted((row.milliseconds, row.accuracy) for row in front)
    speeds, accuracies = zip(*points, (axes.get_xlim()[1], points[-1][1]), strict=True)
    axes.step(speeds, accuracies, BLUE, where="post", alpha=0.35, linewidth=2, linestyle="--")


def _draw_row(axes: Axes, row: RankingRow, color: str, *, gid: str) -> None:
    interval = [[row.accuracy - row.low], [row.high - row.accuracy]]
    axes.errorbar(row.milliseconds, row.accuracy, interval, color=color, capsize=4, linewidth=1.6)
    axes.plot(
        row.milliseconds,
        row.accuracy,
        "o",
        color=color,
        markersize=11,
        markeredgecolor="white",
        gid=gid,
        clip_on=False,
        zorder=4,
    )


def _boxes(axes: Axes, row: RankingRow) -> tuple[Bbox, Bbox]:
    """Returns where the dot and the interval of a row are."""
    values = (row.low, row.accuracy, row.high)
    (x, low), (_, y), (_, high) = axes.transData.transform([(row.milliseconds, v) for v in values])
    return Bbox.from_extents(x - 7, y - 7, x + 7, y + 7), Bbox.from_extents(x - 4, low, x + 4, high)


def _name(axes: Axes, row: RankingRow, name: str, taken: list[Bbox], *, is_bold: bool) -> bool:
    """Writes a name beside its dot, where the fewest other marks are; returns whether it did."""
    point = (row.milliseconds, row.accuracy)
    label = axes.annotate(
        name,
        point,
        xytext=(0, 0),
        textcoords="offset points",
        va="center",
        color=INK if is_bold else GRAY,
        fontweight="bold" if is_bold else "normal",
        bbox=charts.BACKDROP,
    )
    width, height = label.get_window_extent().size
    x, y = axes.transData.transform(point)
    places = []
    for shift in _SHIFTS if is_bold else _SHIFTS[:_NEAR]:
        for side, left in (("left", x + _GAP), ("right", x - _GAP - width)):
            box = Bbox.from_bounds(left, y + shift - height / 2, width, height)
            places.append((_overlap(box, taken, axes), abs(shift), side, shift, box))
    overlap, _, side, shift, box = min(places, key=lambda place: place[0] + place[1])
    if overlap > _MOST_OVERLAP and not is_bold:
        label.remove()
        return False
    taken.append(box)
    label.set(position=(_GAP if side == "left" else -_GAP, shift), horizontalalignment=side)
    if abs(shift) > _SHIFTS[1]:
        line = {"arrowstyle": "-", "color": LIGHT, "shrinkA": 0, "shrinkB": 6}
        axes.annotate(
            "", point, xytext=label.get_position(), textcoords="offset points", arrowprops=line
        )
    return True


def _overlap(box: Bbox, taken: Sequence[Bbox], axes: Axes) -> float:
    """Adds up how much of a box lies over others; infinite outside the drawing."""
    room = axes.get_window_extent()
    if box.x0 < room.x0 or box.x1 > _WIDTH or box.y0 < room.y0 or box.y1 > room.y1 + 20:
        return math.inf
    both = [Bbox.intersection(box, other) for other in taken]
    return float(sum(common.width * common.height for common in both if common))
