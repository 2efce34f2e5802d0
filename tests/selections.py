"""What tests of the pages share: a reader's selection, and where it begins."""

from pages.ui.selection import Selection

RUN_2022 = "2022-07-timm-rtx3090-amp-fp16-nhwc-pt1.11-cu11.3"
RUN_5090 = "2026-08-timm-rtx5090-amp-fp16-nchw-pt2.9.1-cu13.0"
TRAINED = "2026-08-timm-rtx3090-amp-fp16-nchw-pt1.12-cu11.3"
CPU = "2026-08-timm-i9-10940x-fp32-nchw-pt2.4.0-compiled"

FIRST_VISIT = {
    "run": RUN_5090,
    "measure": "throughput",
    "beside": None,
    "dataset": "imagenet-1k",
    "best_by": None,
    "search": "",
    "max_s": None,
    "min_top1_percent": None,
    "families": (),
    "image_sizes": (),
    "pretraining": (),
    "commercial_use": (),
    "max_parameters": None,
    "test_models": False,
    "view": None,
}


def asked(**changes) -> Selection:
    """What a first visitor sees, but for these changes."""
    unknown = set(changes) - set(FIRST_VISIT)
    assert not unknown, unknown
    return Selection(**FIRST_VISIT | changes)
