"""A model's card: its code does what the card says, and its samples are told in words."""

import re
from typing import Any

import pandas as pd
import pytest
from PIL import Image

from pages.ui.card import code, steps


def run(text: str, timm: Any) -> dict[str, Any]:
    """What the code leaves, the alternatives in its comments too; no weights are fetched."""
    text = text.replace("pretrained=True", "pretrained=False")
    ways = re.findall(r"^# (model = .*)$", text, flags=re.MULTILINE)
    assert len(ways) == 2
    found: dict[str, Any] = {"timm": timm}
    exec(text, found)
    models = [found["model"]]
    for way in ways:
        exec(way, found)
        models.append(found["model"])
    return found | {"models": models}


@pytest.mark.parametrize(
    ("model", "image_size"),
    [
        ("test_vit.r160_in1k", 160),  # what timm takes by itself
        ("test_vit.r160_in1k", 192),  # an architecture built for one size
        ("resnet10t.c3_in1k", 224),  # larger than it was trained at: timm's test size
        ("resnet18.a3_in1k", 288),  # neither
        ("resnet18", 192),  # not in the catalogue under this name
    ],
)
def test_the_cards_code_makes_the_model_and_its_transforms_at_the_cards_image_size(
    timm: Any, models: pd.DataFrame, model: str, image_size: int
) -> None:
    rows = models[models["model"] == model].to_dict("records")
    found = run(code(model, image_size, rows[0] if rows else {}), timm)
    assert found["config"]["input_size"] == (3, image_size, image_size)
    batch = found["transform"](Image.new("RGB", (640, 480)))[None]
    assert batch.shape == (1, 3, image_size, image_size)
    for made, classes in zip(found["models"], (1000, 10, 10), strict=True):
        assert type(made) is type(timm.create_model(model.partition(".")[0]))
        assert made.eval()(batch).shape == (1, classes)


def test_at_its_test_size_a_model_is_cropped_as_timm_tests_it(
    timm: Any, models: pd.DataFrame
) -> None:
    facts = models.set_index("model").loc["resnet10t.c3_in1k"]
    found = run(code("resnet10t.c3_in1k", 224, facts), timm)
    assert found["config"]["crop_pct"] == facts["crop_fraction"]
    assert found["config"]["crop_pct"] != timm.get_pretrained_cfg("resnet10t.c3_in1k").crop_pct


def test_steps_are_told_by_their_verdict_and_their_percentiles() -> None:
    samples_s = [0.001 * (100 + n) for n in (1, 9, 2, 8, 3, 7, 4, 6, 5)]
    # By hand: nine samples need their whole range, 101 to 109, around 105.
    assert steps(samples_s, 0.0) == (
        "noisy: interval ±3.8 %; 9 samples, half of them 103 ms to 107 ms, "
        "nine in ten 101 ms to 109 ms"
    )
    assert steps([0.002] * 9, 0.0).startswith("steady; 9 samples")
    assert steps([0.002] * 9, 0.1).startswith("noisy: interval ±10 %; ")
