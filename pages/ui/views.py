"""Saved views: the three pictures this project started from.

fastai's notebook "Which image models are best?" (July 2022) drew timm's results on one RTX 3090:
models whose own name begins with one of these families (a port such as `tf_efficientnet_b0` does
not), without those whose name ends in `gn`.
"""

import re
from dataclasses import dataclass

import pandas as pd

RUN = "2022-07-timm-rtx3090-amp-fp16-nhwc-pt1.11-cu11.3"
LETTERS = r"^([a-z]+?(?:v2)?)(?:\d|_|$)"
DRAWN = r"^re[sg]net|beit|convnext|levit|efficient|vit|vgg"
ALL = re.compile("")
SUBSET = re.compile(r"^(?:levit|resnetd?|regnetx|vgg|convnext.*|efficientnetv2|beit)$")

# The subset's families that have no colour of their own otherwise.
PICKED = ("levit", "resnetd", "regnetx", "vgg", "beit")


@dataclass(frozen=True, slots=True)
class View:
    """A results set, a measure, and which models it shows."""

    name: str
    run: str
    measure: str
    families: re.Pattern[str]  # of those that the notebook drew

    def keeps(self, frame: pd.DataFrame) -> pd.Series:
        """Which points the view shows, as bools indexed like frame."""
        begins = frame["model"].str.extract(LETTERS, expand=False).fillna("")
        drawn = begins.str.contains(DRAWN) & ~frame["model"].str.endswith("gn")
        return drawn & frame["family"].str.contains(self.families)


VIEWS = {
    view.name: view
    for view in (
        View("fastai 2022: all", RUN, "throughput", ALL),
        View("fastai 2022: subset", RUN, "throughput", SUBSET),
        View("fastai 2022: training", RUN, "training", ALL),
    )
}
