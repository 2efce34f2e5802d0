"""What the licences of timm's weights say of commercial use, each with its source.

A licence is what timm states beside the weights (`models.parquet`, column licence). The reading
here is of the licence's own text, by no lawyer; what could not be read stays unknown. It says
nothing of the data that the weights were trained on, which have terms of their own.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

ALLOWED, NOT_ALLOWED, UNKNOWN = "allowed", "not allowed", "unknown"
READINGS = (ALLOWED, NOT_ALLOWED, UNKNOWN)


@dataclass(frozen=True, slots=True)
class Licence:
    """A licence's full name, one of READINGS, where its text is, and what to know besides."""

    name: str
    commercial_use: str
    source: str
    note: str = ""


_APPLE = "Grants use, changes and redistribution without limiting the purpose; no patent licence."

# timm's id -> what the text at the source says.
LICENCES = {
    "apache-2.0": Licence(
        "Apache License 2.0", ALLOWED, "https://www.apache.org/licenses/LICENSE-2.0"
    ),
    "mit": Licence("MIT License", ALLOWED, "https://spdx.org/licenses/MIT.html"),
    "bsd-3-clause": Licence(
        "BSD 3-Clause License", ALLOWED, "https://spdx.org/licenses/BSD-3-Clause.html"
    ),
    "cc-by-4.0": Licence(
        "Creative Commons Attribution 4.0",
        ALLOWED,
        "https://creativecommons.org/licenses/by/4.0/",
    ),
    "cc-by-nc-4.0": Licence(
        "Creative Commons Attribution-NonCommercial 4.0",
        NOT_ALLOWED,
        "https://creativecommons.org/licenses/by-nc/4.0/",
    ),
    "apple-ascl": Licence(
        "Apple Sample Code License",
        ALLOWED,
        "https://github.com/apple/ml-aim/blob/main/LICENSE",
        _APPLE,
    ),
    "cvnets-license": Licence(
        "CVNets License (Apple)",
        ALLOWED,
        "https://github.com/apple/ml-cvnets/blob/main/LICENSE",
        _APPLE,
    ),
    "fastvit-license": Licence(
        "FastViT License (Apple)",
        ALLOWED,
        "https://github.com/apple/ml-fastvit/blob/main/LICENSE",
        _APPLE,
    ),
    "mobileone-license": Licence(
        "MobileOne License (Apple)",
        ALLOWED,
        "https://github.com/apple/ml-mobileone/blob/main/LICENSE",
        _APPLE,
    ),
    "apple-amlr": Licence(
        "Apple Machine Learning Research Model License",
        NOT_ALLOWED,
        "https://github.com/apple/ml-mobileclip/blob/main/LICENSE_MODELS",
        "Research purposes alone; no product development.",
    ),
    "dinov3-license": Licence(
        "DINOv3 License",
        ALLOWED,
        "https://github.com/facebookresearch/dinov3/blob/main/LICENSE.md",
        "Does not limit use to research; forbids military, nuclear and weapons uses.",
    ),
    "sapiens2-license": Licence(
        "Sapiens2 License",
        ALLOWED,
        "https://github.com/facebookresearch/sapiens2/blob/main/LICENSE.md",
        "Does not limit use to research; forbids surveillance, biometric processing and more.",
    ),
    "fair-noncommercial-research-license": Licence(
        "FAIR Noncommercial Research License",
        NOT_ALLOWED,
        "https://github.com/facebookresearch/EUPE/blob/main/LICENSE.md",
    ),
    "seer-license": Licence(
        "SEER License Agreement",
        NOT_ALLOWED,
        "https://github.com/facebookresearch/vissl/blob/main/projects/SEER/MODEL_LICENSE.md",
        "Non-commercial research alone.",
    ),
    "nvidia-open-model-license": Licence(
        "NVIDIA Open Model License",
        ALLOWED,
        "https://www.nvidia.com/en-us/agreements/enterprise-software/nvidia-open-model-license/",
    ),
    "gemma": Licence(
        "Gemma Terms of Use",
        ALLOWED,
        "https://ai.google.dev/gemma/terms",
        "Google's policy of prohibited uses applies, and is passed on.",
    ),
}
# Ids that timm gives and whose text we could not read.
UNREAD = frozenset({"qwen-community-1.0"})


def commercial_use(licence: object) -> str:
    """One of READINGS for timm's id of a licence; unknown for None and for what is not listed."""
    known = LICENCES.get(licence) if isinstance(licence, str) else None
    return known.commercial_use if known else UNKNOWN


def by_model(models: pd.DataFrame, renames: Mapping[str, str | None]) -> dict[str, str]:
    """Weights' names, old ones too, -> timm's id of their licence; without those that have none.

    The names of 2022 that timm never renamed do not say which weights they stood for: left out.

    Args:
        models: catalogue.models().
        renames: catalogue.renames().
    """
    stated = models[models["licence"].notna()]
    found = dict(zip(stated["model"].astype(str), stated["licence"].astype(str), strict=True))
    old = {name: found[new] for name, new in renames.items() if new in found}
    return old | found


def summary(models: pd.DataFrame) -> pd.DataFrame:
    """Every licence of the catalogue, the most frequent first.

    Args:
        models: catalogue.models().

    Returns:
        licence (its full name; timm's id where we know no other, None where it states none),
        commercial_use, weights (how many), note, source (None where unknown).
    """
    tagged = models[models["tag"].notna()]
    counts = tagged["licence"].astype(object).value_counts(dropna=False)
    rows = []
    for stated, weights in counts.items():
        known = LICENCES.get(stated) if isinstance(stated, str) else None
        rows.append(
            {
                "licence": known.name if known else (stated if isinstance(stated, str) else None),
                "commercial_use": commercial_use(stated),
                "weights": int(weights),
                "note": known.note if known else "",
                "source": known.source if known else None,
            }
        )
    return pd.DataFrame(rows, columns=["licence", "commercial_use", "weights", "note", "source"])
