"""Speed against accuracy, parameters or multiply-adds: the charts, without their rows.

Pure: never imports streamlit; every colour comes from the page's theme. A specification is the same
for every selection of one results set, so that a filter changes only the data: axes do not jump and
a zoom survives.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from pages.ui import chart_parts, labels
from pages.ui.charts import INK, OTHER, PAPER, Domains

IMAGE_SIZES = (160, 224, 288, 384, 512)

TIME_TITLES = {
    "throughput": "Inference time per image",
    "latency": "Latency: time per image at batch 1",
    "training": "Training time per image",
}

COST_TITLES = {"parameters": "Parameters", "multiply_adds": "Multiply-adds per image"}
_COST_LABELS = {
    "parameters": "format(datum.value / 1e6, ',.3~r') + ' M'",
    "multiply_adds": "format(datum.value / 1e9, ',.3~r') + ' G'",
}

HEIGHT = 530  # with what stands above it, a card's name is still seen on a screen of 900 pixels

# Streamlit hears of PICK, ZOOM and BRUSH; ISOLATE and HOVER stay in the browser.
ISOLATE = alt.selection_point("isolate", fields=["colour"], bind="legend")
HOLLOW = "datum.flagged || datum.estimated"
HOVER = alt.selection_point(
    "hover", fields=["family"], on="pointerover", clear="pointerout", empty=False
)
# A click that picks what is picked already says nothing to Streamlit: `closed`, how many cards were
# closed so far, makes it another pick.
PICK = alt.selection_point(
    "pick",
    fields=["model", "image_size", "closed"],
    on="click[!event.shiftKey]",
    empty=False,
    toggle=False,
)
ZOOM = alt.selection_interval(
    name="zoom",
    bind="scales",
    translate="[pointerdown[!event.shiftKey], window:pointerup] > window:pointermove!",
    zoom="wheel![event.ctrlKey || event.metaKey || event.shiftKey]",
)
_SHIFT_DRAG = "[pointerdown[event.shiftKey], window:pointerup] > window:pointermove!"
BRUSH = alt.selection_interval(
    name="brush",
    encodings=["x", "y"],
    on=_SHIFT_DRAG,
    translate=_SHIFT_DRAG,
    zoom=False,
    mark=alt.BrushConfig(fill="gray", fillOpacity=0.15, stroke="gray"),
)

Channel = type[alt.Color] | type[alt.Stroke]


def accuracy_against_speed(
    measure: str,
    axes: Domains,
    colour_domain: Sequence[str],
    dataset: str,
    *,
    with_brush: bool = True,
) -> alt.LayerChart:
    """The chart, without its rows: they come by the name `points` (see `drawn` for the columns).

    Args:
        measure: throughput, latency or training.
        axes: fixed ends of both axes.
        colour_domain: see `colours`.
        dataset: the accuracy set, as words (`ImageNet-1k`).
        with_brush: whether somebody listens to a brush.
    """
    y = alt.Y("top1:Q", title=f"Top-1 accuracy on {dataset} (%)").scale(
        domain=axes.top1_percent, zero=False, nice=False
    )
    x = _time(axes, measure)
    frontier = (
        _base("datum.frontier")
        .mark_line(interpolate="step-after", strokeWidth=1.5, strokeOpacity=0.75, clip=True)
        .encode(x=x, y=y, order="seconds:Q", color=alt.ColorDatum(INK))
    )
    trends = (
        _base("datum.trend")
        .transform_filter(HOVER | (alt.datum.colour != OTHER))
        .mark_line(strokeWidth=2, strokeDash=[7, 4], clip=True)
        .encode(x=x, y=y, detail="family:N", color=_or_ink(colour_domain), opacity=_faded())
    )
    return _layered(
        measure,
        axes,
        colour_domain,
        y=y,
        under=[frontier],
        over=[trends],
        with_brush=with_brush,
    )


def cost_against_speed(
    measure: str, axes: Domains, colour_domain: Sequence[str], cost: str
) -> alt.LayerChart:
    """The second view: what a model costs on paper against its time, both logarithmic.

    Args:
        measure: throughput, latency or training.
        axes: fixed ends of both axes, those of the cost too.
        colour_domain: see `colours`.
        cost: parameters or multiply_adds.
    """
    if axes.cost is None:
        raise ValueError(f"the axes have no ends for {cost}")
    y = (
        alt.Y("cost:Q", title=f"{COST_TITLES[cost]} (log scale)")
        .scale(type="log", domain=axes.cost, nice=False)
        .axis(
            values=alt.expr(_ticks("y", range(4, 14))),
            labelExpr=_COST_LABELS[cost],
            labelOverlap="greedy",
        )
    )
    figure = ("cost:Q", COST_TITLES[cost], ".3~s")
    return _layered(measure, axes, colour_domain, y=y, figures=[figure])


def fitted(spec: Mapping[str, Any], axes: Domains, colour_domain: Sequence[str]) -> dict[str, Any]:
    """The specification of either chart with other axes and colours, as if built with them.

    Altair takes a tenth of a second to build one, more than all else that a reader waits for.

    Args:
        spec: `to_dict` of a chart of this module.
        axes: see the chart's own.
        colour_domain: see `colours`.
    """
    colour: Changes = {
        "scale": {"domain": list(colour_domain)},
        "legend": {"values": _in_legend(colour_domain)},
    }
    found: dict[str, Any] = _changed(
        spec,
        {
            "x": {"scale": {"domain": list(axes.seconds)}},
            "y": {"scale": {"domain": list(axes.cost or axes.top1_percent)}},
            "color": colour,
            "stroke": colour,
        },
    )
    return found


Changes = Mapping[str, Mapping[str, Any]]


def _changed(value: Any, channels: Mapping[str, Changes]) -> Any:
    """A copy with these changes to the channels that have a scale with fixed ends."""
    if isinstance(value, list):
        return [_changed(each, channels) for each in value]
    if not isinstance(value, Mapping):
        return value
    found = {key: _changed(each, channels) for key, each in value.items()}
    for channel, changes in channels.items():
        encoded = found.get(channel)
        if isinstance(encoded, dict) and "domain" in encoded.get("scale", ()):
            for part, change in changes.items():
                encoded[part] |= change
    return found


def _layered(
    measure: str,
    axes: Domains,
    colour_domain: Sequence[str],
    *,
    y: alt.Y,
    under: Sequence[alt.Chart] = (),
    over: Sequence[alt.Chart] = (),
    figures: Sequence[tuple[str, ...]] = (),
    with_brush: bool = True,
) -> alt.LayerChart:
    """What both views share, from the back to the front."""
    x = _time(axes, measure)
    # The brush lies in a layer of its own, at the back: else it would hide points from the pointer.
    brushed = _base("false").mark_point().encode(x=x, y=y).add_params(BRUSH)
    back = [alt.layer(brushed)] if with_brush else []
    intervals = (
        _base("datum.shown && isValid(datum.low) && datum.high > datum.low")
        .mark_rule(strokeWidth=1, clip=True)
        .encode(
            x=_time(axes, measure, "low"),
            x2="high:Q",
            y=y,
            # Where nearly all are estimated, their intervals would hide everything else.
            strokeOpacity=alt.condition("datum.estimated", alt.value(0.2), alt.value(1)),
            color=_colour(alt.Color, colour_domain),
        )
    )
    family = (
        _base("datum.line")
        .transform_filter(HOVER)
        .mark_line(strokeWidth=2.25, clip=True, point={"size": 22, "opacity": 1, "filled": True})
        .encode(x=x, y=y, detail="family:N", order="seconds:Q", color=_or_ink(colour_domain))
    )
    bubbles = _bubbles(_time_axis(x), y, colour_domain, figures)
    rings = (
        _base("datum.hit && datum.shown")
        .mark_point(filled=False, strokeWidth=1.75, size=190, clip=True, shape="circle")
        .encode(x=x, y=y, color=alt.ColorDatum(INK))
    )
    placed = _base("datum.label != ''").encode(x=x, y=y, text="label:N")
    halos = _text(placed, halo=True).encode(color=alt.ColorDatum(PAPER))
    names = _text(placed, halo=False).encode(color=alt.ColorDatum(INK))
    chart: alt.LayerChart = (
        alt.layer(*back, *under, intervals, bubbles, *over, family, rings, halos, names)
        .resolve_scale(shape="independent")
        .properties(
            data=alt.NamedData("points"),
            height=HEIGHT,
            usermeta={"embedOptions": {"renderer": "canvas"}},
        )
    )
    return chart


def _bubbles(
    x: alt.X, y: alt.Y, colour_domain: Sequence[str], figures: Sequence[tuple[str, ...]]
) -> alt.Chart:
    size = alt.Size("image_size:Q", title="Image size (pixels)").scale(
        type="linear",
        domain=[0, 512],
        range=[0, alt.expr(f"width < {labels.NARROW} ? 70 : 150")],
    )
    chart: alt.Chart = (
        _base("datum.shown")
        # On a canvas nobody hears the description that Vega would write for each at every look.
        .mark_point(filled=True, clip=True, aria=False)
        .encode(
            x=x,
            y=y,
            # The lower right corner is always empty: nothing slow is inaccurate or small.
            size=size.legend(
                values=list(IMAGE_SIZES),
                orient="bottom-right",
                direction="vertical",
                symbolType="circle",
                symbolFillColor=alt.expr(f"scale('color', '{OTHER}')"),
                symbolStrokeWidth=0,
                symbolOpacity=1,
                offset=4,
                rowPadding=1,
                padding=4,
            ),
            color=_colour(alt.Color, colour_domain),
            shape=alt.Shape("beside:N", legend=None).scale(
                domain=[False, True], range=["circle", "diamond"]
            ),
            opacity=_faded(),
            # A flagged figure is drawn hollow, an estimated one with a dashed outline; the others
            # have a hairline of paper, which keeps them apart where they are many.
            stroke=_or_value(_colour(alt.Stroke, colour_domain), f"!({HOLLOW})", PAPER),
            strokeWidth=alt.condition(HOLLOW, alt.value(1.4), alt.value(0.5)),
            strokeDash=alt.condition("datum.estimated", alt.value([2, 2]), alt.value([1, 0])),
            fillOpacity=alt.condition(HOLLOW, alt.value(0.1), alt.value(1)),
            tooltip=chart_parts.tooltip(
                ("model:N", "title"),
                ("others:N", "Weights"),
                ("top1:Q", "Top-1 (%)", ".3~f"),
                ("time:N", "Time per image"),
                ("rate:N", "Speed"),
                ("batch:N", "Batch size"),
                ("image_size:Q", "Image size (pixels)"),
                ("parameters:N", "Parameters"),
                *figures,
                ("family:N", "Family"),
                ("lead:N", "Lead"),
                ("flags:N", "Flags"),
                ("set:N", "Results set"),
            ),
        )
        .add_params(ISOLATE, HOVER, PICK, ZOOM)
    )
    return chart


def _base(condition: str) -> alt.Chart:
    chart: alt.Chart = alt.Chart().transform_filter(condition)
    return chart


def _faded() -> Any:
    """Hardly there where the legend isolates another family; else whole, for contrast's sake."""
    return alt.condition(ISOLATE, alt.value(1), alt.value(0.06))


def _or_ink(colour_domain: Sequence[str]) -> Any:
    """A family's colour; ink for those without, whose grey would be lost among the points."""
    return _or_value(_colour(alt.Color, colour_domain), f"datum.colour === '{OTHER}'", INK)


def _or_value(channel: Any, test: str, colour: str) -> Any:
    """The channel, but another of the scale's colours where a test holds."""
    value = alt.value(alt.expr(f"scale('color', '{colour}')"))
    return channel.condition(test=test, value=value["value"])


def _text(placed: alt.Chart, *, halo: bool) -> alt.Chart:
    chart: alt.Chart = placed.mark_text(
        fontSize=labels.FONT_SIZE,
        clip=True,
        align=alt.expr("datum.label_align"),
        dx=alt.expr("datum.label_dx"),
        dy=alt.expr("datum.label_dy"),
        opacity=alt.expr(f"width < {labels.NARROW} ? 0 : 1"),
        stroke=alt.expr(f"scale('color', '{PAPER}')"),
        strokeWidth=3 if halo else 0,
        strokeJoin="round",
    )
    return chart


def _time_axis(x: alt.X) -> alt.X:
    return x.axis(
        values=alt.expr(_ticks("x", range(-6, 3))),
        labelExpr=chart_parts.TIME_LABEL,
        labelOverlap="greedy",
        labelSeparation=8,
    )


def _ticks(scale: str, decades: range) -> str:
    """Ticks at 1, 2, 5 of each decade, finer once zoomed in: a Vega expression."""
    coarse = [float(f"{m}e{d}") for d in decades for m in (1, 2, 5)]
    fine = [float(f"{m / 10}e{d}") for d in decades for m in range(10, 100, 2)]
    return f"domain('{scale}')[1] / domain('{scale}')[0] > 6 ? {coarse} : {fine}"


def _time(axes: Domains, measure: str, field: str = "seconds") -> alt.X:
    title = [TIME_TITLES[measure], "log scale, faster to the left"]
    return alt.X(f"{field}:Q", title=title).scale(type="log", domain=axes.seconds, nice=False)


def _colour(channel: Channel, domain: Sequence[str]) -> Any:
    """Fill or outline by family; both say the same, or Vega-Lite would draw two legends."""
    return (
        channel("colour:N", title="Family (click to isolate)")
        .scale(domain=list(domain))
        .legend(
            values=_in_legend(domain),
            orient="bottom",
            columns=alt.expr("width < 400 ? 2 : width < 620 ? 4 : width < 840 ? 7 : 9"),
            offset=4,
            symbolOpacity=1,
            symbolStrokeWidth=0,
        )
    )


def _in_legend(domain: Sequence[str]) -> list[str]:
    return [name for name in domain if name.strip() and name not in (INK, PAPER)]
