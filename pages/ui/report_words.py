"""What the report says around its chart and table, as HTML; every text from a file is escaped."""

import html
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from pages.ui.selection import MEASURE_NAMES

PROJECT = Path(__file__).resolve().parents[2]
ALT = (
    "Scatter chart of timm's image models: time per image on a logarithmic axis, faster to the "
    "left, against top-1 accuracy. The table below it holds the same models."
)
LEGEND = (
    "Up is more accurate, left is faster; a larger bubble is a larger image. The line is the "
    "frontier: no model beats those on it on both speed and accuracy. Point at a model for its "
    "figures and its family's line, click it to find it in the table; click a family in the legend "
    "to see it alone. Drag to move, Ctrl + wheel to zoom, double-click to go back."
)
_HOW_TO_READ = """<li><strong>Top-1</strong> is the share of images whose first guess is right.</li>
<li><strong>Time per image</strong> is 1 / (images per second). For inference and training many
images go through at once, so it is not how long one image takes: that is latency, the time of one
step at batch size 1.</li>
<li><strong>Frontier</strong>: no other model is at least as fast and at least as accurate, and
better in one of the two. <strong>Lead</strong>: a model's top-1 minus the best top-1 among other
families' models at least as fast (where none is, minus the fastest other model's). Both are among
the models that families, image size, parameters and commercial use leave; a slowest time or a
lowest top-1 changes neither.</li>
<li><strong>Weights that share an architecture and an image size</strong> run at the same speed. The
chart shows the most accurate of them, the table all.</li>
<li><strong>95 % interval</strong>: where the median of a repeat would lie in 95 % of cases, drawn
as a thin line through the bubble. <strong>Flags</strong> (noisy, throttled, ...) say what was wrong
while measuring; a flagged figure is drawn hollow. Published results hold neither: differences of a
few percent between them may be noise.</li>
<li><strong>Commercial use</strong> is our reading of the licence that timm states for the weights:
no legal advice. Weights differ in the data they were pretrained on, and the families in colour are
those people look for first; the rest is grey.</li>"""
_ESTIMATED = """
<li><strong>Estimated</strong>, hollow with a dashed outline: not measured on this device, but
estimated from what was measured there and from how fast other devices are. Its interval holds the
true time in 90 % of cases.</li>"""

# Holders of what vl_convert's bundle holds: Vega 6, Vega-Lite 6, vega-embed 7 and what they need.
_BSD = "Vega, Vega-Lite, vega-embed, vega-tooltip, vega-interpreter, vega-themes"
_SOFTWARE = f"""This file contains the following software, which draws the chart.

{_BSD}
Copyright (c) 2015-2025, University of Washington Interactive Data Lab. All rights reserved.
Copyright (c) 2013, Trifacta Inc. All rights reserved.

Redistribution and use in source and binary forms, with or without modification, are permitted
provided that the following conditions are met:
1. Redistributions of source code must retain the above copyright notice, this list of conditions
and the following disclaimer.
2. Redistributions in binary form must reproduce the above copyright notice, this list of conditions
and the following disclaimer in the documentation and/or other materials provided with the
distribution.
3. Neither the name of the copyright holder nor the names of its contributors may be used to endorse
or promote products derived from this software without specific prior written permission.
THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS" AND ANY EXPRESS OR
IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED WARRANTIES OF MERCHANTABILITY AND
FITNESS FOR A PARTICULAR PURPOSE ARE DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT HOLDER OR
CONTRIBUTORS BE LIABLE FOR ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL
DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR SERVICES; LOSS OF USE,
DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER CAUSED AND ON ANY THEORY OF LIABILITY, WHETHER
IN CONTRACT, STRICT LIABILITY, OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF
THE USE OF THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.

d3 modules, Copyright 2010-2023 Mike Bostock; delaunator, Copyright Mapbox; topojson-client,
Copyright Michael Bostock; semver, Copyright Isaac Z. Schlueter and Contributors
Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee
is hereby granted, provided that the above copyright notice and this permission notice appear in all
copies. THE SOFTWARE IS PROVIDED "AS IS" AND THE AUTHOR DISCLAIMS ALL WARRANTIES WITH REGARD TO THIS
SOFTWARE INCLUDING ALL IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS. IN NO EVENT SHALL THE
AUTHOR BE LIABLE FOR ANY SPECIAL, DIRECT, INDIRECT, OR CONSEQUENTIAL DAMAGES OR ANY DAMAGES
WHATSOEVER RESULTING FROM LOSS OF USE, DATA OR PROFITS, WHETHER IN AN ACTION OF CONTRACT, NEGLIGENCE
OR OTHER TORTIOUS ACTION, ARISING OUT OF OR IN CONNECTION WITH THE USE OR PERFORMANCE OF THIS
SOFTWARE.

fast-json-patch, Copyright (c) 2013, 2014, 2020 Joachim Wester; json-stringify-pretty-compact,
Copyright (c) Simon Lydell; buffer, Copyright (c) Feross Aboukhadijeh and contributors
Permission is hereby granted, free of charge, to any person obtaining a copy of this software and
associated documentation files (the "Software"), to deal in the Software without restriction,
including without limitation the rights to use, copy, modify, merge, publish, distribute,
sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions: The above copyright notice and this
permission notice shall be included in all copies or substantial portions of the Software. THE
SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT
LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT.
IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN
CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def how_to_read(*, estimated: bool) -> str:
    """HTML: what the figures mean, estimates where there are any."""
    return f"<ul>{_HOW_TO_READ}{_ESTIMATED if estimated else ''}</ul>"


def licences() -> str:
    """The project's notice, the licences of the software inside, and the Apache License."""
    notice, apache = ((PROJECT / name).read_text() for name in ("NOTICE", "LICENSE"))
    return f"{notice}\n{_SOFTWARE}\n{apache}"


def html_of(markdown: str) -> str:
    """HTML of what pages.ui.sentence writes: text, bold, and characters after a backslash."""
    bold = False
    parts = []
    for escaped, mark, text in re.findall(r"\\(.)|(\*\*)|([^\\*]+|.)", markdown, re.DOTALL):
        if mark:
            bold = not bold
            parts.append("<strong>" if bold else "</strong>")
        else:
            # The joiner keeps Streamlit from making links of addresses; here nothing does.
            plain = (escaped or text).replace("\u2060", "")
            parts.append(html.escape(plain).replace(" %", "&nbsp;%"))
    return "".join(parts) + ("</strong>" if bold else "")


def circumstances(
    sides: Sequence[tuple[pd.Series, pd.DataFrame, str]], accuracy: pd.DataFrame, dataset: str
) -> str:
    """The environment of each results set, the sources, and the dates.

    Args:
        sides: of each set its row of results.results_sets, its speeds, and the measure shown.
        accuracy: the accuracy rows shown.
        dataset: the accuracy set, as words.
    """
    tables = [_facts(*one) for one in sides]
    rows = "".join(
        f'<tr><th scope="row">{html.escape(name)}</th>'
        + "".join(f"<td>{html.escape(facts[name])}</td>" for facts in tables)
        + "</tr>"
        for name in tables[0]
    )
    names = "".join(f'<th scope="col">{html.escape(str(one["label"]))}</th>' for one, _, _ in sides)
    sources = "; ".join(sorted({str(source) for source in accuracy["source"]}))
    return (
        f'<div class="scrolls" tabindex="0" role="region" aria-label="Environment">'
        f'<table class="circumstances"><thead><tr><td></td>{names}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
        f"<p>Accuracy on {html.escape(dataset)}: {html.escape(sources)}.</p>"
        "<p>Accuracies and published speeds are those of timm, "
        '<a href="https://github.com/huggingface/pytorch-image-models">PyTorch Image Models</a>, '
        "Copyright 2019 Ross Wightman, Apache License 2.0, converted to the units of this page. "
        "Each model's weights have a licence of their own.</p>"
    )


def _facts(results_set: pd.Series, speeds: pd.DataFrame, measure: str) -> dict[str, str]:
    counts: dict[str, int] = results_set["measures"]
    measured = results_set["measured_at"]
    figures = f"{counts.get(measure, 0):,}"
    if results_set["failures"]:
        figures += f"; {results_set['failures']:,} of the set failed"
    return {
        "Measure": MEASURE_NAMES[measure],
        "Device": _text(results_set["device"]),
        "Precision": _text(results_set["precision"]),
        "Memory layout": _text(results_set["layout"]).upper(),
        "Compiled": _text(results_set["compiled"]),
        "PyTorch": _text(results_set["torch"]),
        "CUDA": _text(results_set["cuda"]),
        "cuDNN": _text(_first(speeds["cudnn"])),
        "Driver": _text(_first(speeds["driver"])),
        "timm": _text(results_set["timm"]),
        "Measured": "unknown" if pd.isna(measured) else f"{measured:%Y-%m-%d %H:%M} UTC",
        "Speeds": figures,
        "Source": _text(results_set["source"]),
        "Results set": _text(results_set["run"]),
    }


def _first(values: pd.Series) -> Any:
    known = values.dropna()
    return known.iloc[0] if len(known) else None


def _text(value: Any) -> str:
    return "unknown" if pd.isna(value) else str(value)
