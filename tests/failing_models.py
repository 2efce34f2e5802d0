"""A worker whose timm knows some more models, each of which fails in its own way.

Run as `python tests/failing_models.py --device cpu --reply-fd N`: what a plugin of timm would do,
so that the worker under test is the one that ships. With --no-forks first, it measures as on a
system that has none.
"""

import ctypes
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import forks
from bench.torchvision_schemas import import_timm
from bench.worker import main

timm = import_timm()


class Small(nn.Module):
    """A classifier that works; the others change one thing."""

    num_classes = 10

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.layer(images.mean((2, 3)))


class Raising(Small):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        raise ValueError("this model always raises")


class NotANumber(Small):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images) / 0


class Exhausting(Small):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images) + torch.empty(2**50)[0]


class LargeBatchExhausting(Small):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if len(images) > 4:
            raise MemoryError
        return super().forward(images)


class OnlyOrdinary(Small):
    """Fails unless its constructor gave the values: zeros, which ours never are."""

    def __init__(self) -> None:
        super().__init__()
        nn.init.zeros_(self.layer.weight)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images) + (torch.nan if self.layer.weight.any() else 0)


class Missing(Small):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError("\"grid_sampler\" not implemented for 'Half'")


class Segfaulting(Small):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        ctypes.string_at(0)
        return super().forward(images)


class Exiting(Small):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        os._exit(3)


class Leaving(Small):
    """Ends its process as if all were well."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        os._exit(0)


class Hanging(Small):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        time.sleep(3600)
        return super().forward(images)


class Leaking(Small):
    kept: torch.Tensor | None = None

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if Leaking.kept is None:
            Leaking.kept = torch.ones(2**30, dtype=torch.uint8)
        return super().forward(images)


class Enormous(Small):
    """Weights of four TiB: built on meta in no time, and never anywhere else."""

    def __init__(self) -> None:
        super().__init__()
        self.huge = nn.Linear(2**20, 2**20)


def not_importable() -> nn.Module:
    import a_package_that_nobody_installed

    return a_package_that_nobody_installed.model()


MODELS = {
    "made_small": Small,
    "made_raising": Raising,
    "made_not_finite": NotANumber,
    "made_exhausting": Exhausting,
    "made_large_batch_exhausting": LargeBatchExhausting,
    "made_only_ordinary": OnlyOrdinary,
    "made_missing": Missing,
    "made_segfaulting": Segfaulting,
    "made_exiting": Exiting,
    "made_leaving": Leaving,
    "made_hanging": Hanging,
    "made_leaking": Leaking,
    "made_enormous": Enormous,
    "made_not_importable": not_importable,
}


def register(name: str, make: Callable[[], nn.Module]) -> None:
    """Give timm a model by its name, as timm's own modules do."""

    def entry(*, pretrained: bool = False, **kwargs: object) -> nn.Module:
        return make()

    entry.__name__ = name
    entry.__module__ = __name__
    timm.models.register_model(entry)


if __name__ == "__main__":
    for made, maker in MODELS.items():
        register(made, maker)
    if sys.argv[1] == "--no-forks":
        del sys.argv[1]
        forks.POSSIBLE = False
    main()
