"""One results set as one HTML file: chart, filters and table, with no server and no network.

The chart is the dashboard's own specification; Vega, which draws it, is inside the file. Nothing
here imports streamlit's widgets. Text from files reaches the page escaped or as JSON, and a content
security policy lets run nothing but the scripts written here, and connect to nowhere.
"""

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import urlencode

import altair as alt
import pandas as pd
import vl_convert

from bench import points as p
from bench.errors import InvalidRequest
from bench.families import is_test_model
from bench.results import short_device, snapshot_for
from pages.ui import charts, filtering, labels, report_words, speed_charts, theme, words
from pages.ui.selection import DATASET_NAMES, MEASURE_NAMES, Selection
from pages.ui.sentence import sentence
from pages.ui.table import COLUMNS, table

HERE = Path(__file__).parent
# charts.drawn computes these for one selection; report.js computes them for the reader's.
FOLLOWS_THE_FILTERS = {
    *("colour", "frontier", "lead", "shown", "hit"),
    *("label", "label_align", "label_dx", "label_dy"),
    *("line", "others"),
}
# How report.js writes the table's numbers: options of Intl.NumberFormat. The rest is text.
NUMBERS: dict[str, dict[str, Any]] = {
    "top1_percent": {"minimumFractionDigits": 2, "maximumFractionDigits": 2},
    "top5_percent": {"minimumFractionDigits": 2, "maximumFractionDigits": 2},
    "milliseconds": {"maximumSignificantDigits": 4},
    "images_per_s": {"maximumFractionDigits": 1},
    "image_size": {"useGrouping": False},
    "parameters_m": {"maximumSignificantDigits": 4},
    "multiply_adds_g": {"maximumSignificantDigits": 3},
    "lead": {"signDisplay": "always", "minimumFractionDigits": 2, "maximumFractionDigits": 2},
    "batch_size": {},
}


@dataclass(frozen=True, slots=True)
class Side:
    """A results set in the report: its row of data.sets, its speeds, what is shown."""

    results_set: pd.Series
    speeds: pd.DataFrame
    measure: str
    points: pd.DataFrame

    @property
    def label(self) -> str:
        """One line that names the set."""
        return str(self.results_set["label"])


def measure_of(results_set: pd.Series, chosen: Selection) -> str:
    """The measure that is shown of a set.

    A set laid beside the chosen one shows its first measure where it lacks the chosen one, as on
    the Models page.
    """
    present = results_set["measures"]
    if results_set["run"] != chosen.run and present and chosen.measure not in present:
        return str(next(iter(present)))
    return chosen.measure


def side(
    of_set: pd.DataFrame,
    accuracy: pd.DataFrame,
    licences: Mapping[str, str],
    chosen: Selection,
    *,
    results_set: pd.Series,
    estimates: pd.DataFrame | None,
) -> Side:
    """What the report needs of one results set.

    Args:
        of_set: its rows of points.SPEED_COLUMNS.
        accuracy: rows of ACCURACY_SCHEMA.
        licences: weights' names -> timm's id of their licence.
        chosen: gives measure, accuracy set and whether timm's test models count.
        results_set: its row of results.results_sets, with a label.
        estimates: estimate.estimates of it in the measure of `measure_of`; None for none.

    Raises:
        InvalidRequest: no such measure or accuracy set, or no point at all.
    """
    run, measure = str(results_set["run"]), measure_of(results_set, chosen)
    frame = p.points(
        of_set, accuracy, run=run, measure=measure, dataset=chosen.dataset, estimates=estimates
    )
    if not chosen.test_models:
        frame = p.ranked(p.without_test_models(frame))
    if frame.empty:
        raise InvalidRequest(
            f"no model of {run} has a published accuracy at the image size that was measured"
        )
    return Side(
        results_set, of_set, measure, frame.assign(licence=frame["model"].map(licences.get))
    )


def document(
    main: Side, beside: Side | None, accuracy: pd.DataFrame, chosen: Selection, *, made: datetime
) -> str:
    """The whole page.

    Args:
        main: the results set.
        beside: a second one, drawn as diamonds.
        accuracy: rows of ACCURACY_SCHEMA, for the sources.
        chosen: what the page opens with; families, best_by, max_s and min_top1_percent.
        made: when, with its time zone.

    Raises:
        InvalidRequest: what is chosen leaves no model.
    """
    opening = filtering.apply(main.points, chosen)
    if opening.emptied_by is not None:
        raise InvalidRequest(f"no model is left: {opening.emptied_by} filters out the last one")
    script = "".join((HERE / name).read_text() for name in ("report_points.js", "report.js"))
    libraries = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", _vega_lite())
    style = _style()
    sides = [main] if beside is None else [main, beside]
    device = short_device(str(main.results_set["device"]))
    names = [f"{one.label} · {MEASURE_NAMES[one.measure]}" for one in sides]
    if beside is not None:
        names = [f"Circles: {names[0]}", f"Diamonds: {names[1]}"]
    return Template((HERE / "report.html").read_text()).substitute(
        policy=_policy(style, libraries, script),
        title=html.escape(f"Image models on {device}: accuracy against speed"),
        subtitle="<br>".join(map(html.escape, names)),
        style=style,
        sentence=report_words.html_of(sentence(opening.points, main.results_set, chosen)),
        how_to_read=report_words.LEGEND,
        words=report_words.how_to_read(
            estimated=any(bool(one.points["estimated"].any()) for one in sides)
        ),
        circumstances=report_words.circumstances(
            [(one.results_set, one.speeds, one.measure) for one in sides],
            _of_snapshot(accuracy, main, chosen.dataset),
            DATASET_NAMES.get(chosen.dataset, chosen.dataset),
        ),
        made=html.escape(f"Made with Best Image Models on {made:%Y-%m-%d %H:%M %Z}."),
        licences=html.escape(report_words.licences()),
        data=_as_json(_data(sides, chosen)),
        libraries=libraries,
        script=script,
    )


def _data(sides: Sequence[Side], chosen: Selection) -> dict[str, Any]:
    """What report.js reads; see there."""
    frames = [one.points for one in sides]
    axes = charts.domains(frames)
    colours = charts.colours(())
    drawn = charts.drawn(
        frames[0],
        colour_domain=colours,
        axes=axes,
        frontier=frames[0][frames[0]["frontier"]],
        beside=frames[1] if len(frames) > 1 else None,
        names=(sides[0].label, sides[-1].label),
    ).drop(columns=list(FOLLOWS_THE_FILTERS))
    rows = pd.concat(
        [_rows(one, drawn[drawn["beside"] == (number > 0)]) for number, one in enumerate(sides)],
        ignore_index=True,
    )
    dataset = DATASET_NAMES.get(chosen.dataset, chosen.dataset)
    spec = speed_charts.accuracy_against_speed(
        sides[0].measure, axes, colours, dataset, with_brush=False
    ).to_dict()
    opens = [
        ("show", chosen.best_by),
        ("max_ms", None if chosen.max_s is None else f"{chosen.max_s * 1e3:.12g}"),
        ("min_top1", chosen.min_top1_percent),
        *(("families", family) for family in chosen.families),
    ]
    named = [name for name in colours if name.strip()]
    return {
        "length": len(rows),
        "points": {str(name): _column(rows[name]) for name in rows},
        "columns": _columns(rows, has_two=len(sides) > 1),
        "sets": [one.label for one in sides],
        "device": short_device(str(sides[0].results_set["device"])),
        "dataset": dataset,
        "opens": urlencode([(name, value) for name, value in opens if value is not None]),
        "specs": {kind: _vega(spec, kind, colours) for kind in ("light", "dark")},
        "axes": {"seconds": axes.seconds, "top1": axes.top1_percent},
        "colours": named,
        "other": charts.OTHER,
        "spare": len(colours) - len(named),
        "unknown": words.UNKNOWN,
        "limits": {
            "labels": labels.LABELS,
            "font_size": labels.FONT_SIZE,
            "hidden_points": labels.HIDDEN_POINTS,
        },
    }


def _rows(one: Side, drawn: pd.DataFrame) -> pd.DataFrame:
    """All that is known of each point: what the chart draws, and the table's cells."""
    keys = ["model", "image_size", "nth"]
    points = one.points.reset_index(drop=True)
    # Weights may be listed twice at one size; the order of those is the same in both tables.
    points["nth"] = points.groupby(keys[:2]).cumcount()
    drawn = drawn.assign(nth=drawn.groupby(keys[:2]).cumcount()).set_index(keys)
    cells = table(points).drop(
        columns=["model", "family", "image_size", "frontier", "lead", "flags", "estimated"]
    )
    facts = pd.DataFrame(
        {
            "architecture": points["architecture"],
            "test": points["architecture"].map(is_test_model).astype(bool),
        }
    )
    known = points[keys].join(drawn, on=keys).join([cells, facts], validate="1:1")
    return known.drop(columns="nth")


def _columns(rows: pd.DataFrame, *, has_two: bool) -> list[dict[str, Any]]:
    """The table's columns, in the words of the Models page; those without a figure are left out."""
    headings: dict[str, str] = {key: str(column["label"]) for key, column in COLUMNS.items()}
    if has_two:
        headings = {"model": headings["model"], "set": "Results set"} | headings
    empty = {key for key in headings if key in rows and rows[key].isna().all()}
    empty |= {
        key
        for key, mark in (("flags", "flagged"), ("estimated", "estimated"))
        if not rows[mark].any()
    }
    return [
        {"key": key, "label": heading, "form": NUMBERS.get(key)}
        for key, heading in headings.items()
        if key not in empty
    ]


def _vega(spec: Mapping[str, Any], kind: str, colours: Sequence[str]) -> dict[str, Any]:
    """The chart compiled in the colours of one theme, as wide as the page.

    Families that the reader picks get a colour: the colours' domain and the legend become signals.
    """
    complete = {
        **spec,
        "data": {"name": "points"},
        "description": report_words.ALT,
        "width": "container",
        "autosize": {"type": "fit", "contains": "padding"},
        "config": {
            **spec.get("config", {}),
            **theme.vega_config(theme.colours(kind)),
            "aria": False,
        },
    }
    vega: dict[str, Any] = vl_convert.vegalite_to_vega(complete, vl_version=_vega_lite())
    for scale in vega["scales"]:
        if scale.get("domain") == list(colours):
            scale["domain"] = {"signal": "colours"}
    for legend in vega["legends"]:
        if charts.OTHER in legend.get("values", ()):
            legend["values"] = {"signal": "coloured"}
    # Room is made for the legend as it is at first; report.js asks for more.
    listed = [*charts.FAMILIES, charts.OTHER]
    own = [{"name": "colours", "value": list(colours)}, {"name": "coloured", "value": listed}]
    vega["signals"] = [*own, *vega["signals"]]
    return vega


def _vega_lite() -> str:
    """The Vega-Lite that Altair writes for, as vl_convert names it: `6.4`."""
    return ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])


def _of_snapshot(accuracy: pd.DataFrame, one: Side, dataset: str) -> pd.DataFrame:
    torch = one.results_set["torch"]
    snapshot = snapshot_for(
        str(torch) if pd.notna(torch) else None, sorted(accuracy["snapshot"].unique())
    )
    return accuracy[(accuracy["snapshot"] == snapshot) & (accuracy["dataset"] == dataset)]


def _column(values: pd.Series) -> list[Any] | dict[str, Any]:
    """Plain values, None where unknown; one value for all where they are the same."""
    plain = values.astype(object).where(values.notna(), None).tolist()
    if len(set(plain)) == 1:
        return {"all": plain[0]}
    return plain


def _as_json(value: Any) -> str:
    """Strict JSON that cannot end the script element it stands in, whatever names it holds."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return re.sub("[<>&]", lambda found: f"\\u{ord(found[0]):04x}", text)


def _style() -> str:
    """The style sheet, with the project's colours by the reader's preference."""
    rules = []
    for kind in ("light", "dark"):
        colours = theme.colours(kind)
        names = {
            "text": colours["textColor"],
            "paper": colours["backgroundColor"],
            "shade": colours["secondaryBackgroundColor"],
            "line": colours["borderColor"],
            "accent": colours["primaryColor"],
            "link": colours["linkColor"],
            # As Streamlit's captions; an input's edge needs a contrast of 3:1 (WCAG 1.4.11).
            "quiet": f"color-mix(in srgb, {colours['textColor']} 70%, transparent)",
            "edge": f"color-mix(in srgb, {colours['textColor']} 55%, transparent)",
        }
        values = "".join(f"--{name}:{value};" for name, value in names.items())
        rules.append(f"@media (prefers-color-scheme:{kind}){{:root{{{values}}}}}")
    return "".join(rules) + (HERE / "report.css").read_text()


def _policy(style: str, *scripts: str) -> str:
    """Only this style and these scripts; no connection, no frame, no form, nothing from afar."""

    def digest(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {' '.join(map(digest, scripts))}",
            f"style-src {digest(style)}",
            "connect-src 'none'",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
