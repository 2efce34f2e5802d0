"""A results set of as many models as one likes, to see what the page does with them.

Invented, and said to be: source, device and a flag on every row. Goes into a temporary folder.
"""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from bench import store

RUN = "2026-01-01T000000Z-synthetic"
SOURCE = "synthetic"
FLAG = "synthetic"
IMAGE_SIZES = (160, 224, 288, 384, 512)
# Of these the first have colours of their own on the chart; all together as many as timm has.
FAMILIES = ("resnet", "mobilenetv4", "efficientnet", "convnext", "vit", "efficientnetv2")
MORE_FAMILIES = tuple(f"{a}{b}net" for a in "bcdfglmnprst" for b in "aeiouxyzwvkq")[:134]


def make(data: Path, count: int, *, seed: int = 1) -> str:
    """Write speeds and accuracies of so many architectures; returns the id of the results set.

    Accuracy grows with the logarithm of the time, with a spread; a seventh of the figures are of
    the large sizes.

    Args:
        data: a folder of one's own.
        count: of models, at least 1.
        seed: of the numbers.
    """
    draw = np.random.default_rng(seed)
    families = (*FAMILIES, *MORE_FAMILIES)
    # Real families are of very different sizes.
    shares = 1 / np.arange(1, len(families) + 1)
    names = [
        f"{families[kind]}_{number}"
        for number, kind in enumerate(draw.choice(len(families), count, p=shares / shares.sum()))
    ]
    sizes = draw.choice(IMAGE_SIZES, count, p=(0.05, 0.55, 0.2, 0.15, 0.05))
    seconds = 10 ** draw.uniform(-4.8, -1.5, count)
    top1 = np.clip(58 + 9 * (np.log10(seconds) + 4.8) - draw.exponential(4, count), 30, 91)
    speeds = [
        {
            "run": RUN,
            "source": SOURCE,
            "model": name,
            "architecture": name,
            "image_size": int(size),
            "measure": "throughput",
            "batch_size": 256,
            "images_per_s": 1 / second,
            "step_s": 256 * second,
            "parameters": int(1e6 * (5 + 1e4 * second)),
            "outcome": "ok",
            "flags": [FLAG],
            "device": "Synthetic device",
            "device_kind": "cuda",
            "precision": "fp32",
            "layout": "nchw",
            "compiled": "eager",
            "torch": "2.13.0",
            "timm": "1.0.31",
            "measured_at": datetime(2026, 1, 1, tzinfo=UTC),
        }
        for name, size, second in zip(names, sizes, seconds.tolist(), strict=True)
    ]
    accuracies = [
        {
            "snapshot": "2999-01-synthetic",
            "model": f"{name}.synthetic",
            "architecture": name,
            "tag": "synthetic",
            "dataset": "imagenet-1k",
            "image_size": int(size),
            "top1_percent": accurate,
            "source": SOURCE,
        }
        for name, size, accurate in zip(names, sizes, top1.tolist(), strict=True)
    ]
    published = data / "published" / "accuracy.parquet"
    store.publish(pa.Table.from_pylist(accuracies, store.ACCURACY_SCHEMA), published)
    measured = data / "measured" / f"{RUN}.parquet"
    store.publish(pa.Table.from_pylist(speeds, store.SPEED_SCHEMA), measured)
    return RUN
