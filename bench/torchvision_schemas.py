"""Lets timm be imported where torchvision's compiled operators do not load.

timm needs torchvision, and torchvision gives shape rules to its operators `nms` and `qnms` while it
is imported. Beside a torch of another build (a CPU torch with a CUDA torchvision, say) its compiled
library cannot be loaded, so the operators do not exist and the import ends in "operator
torchvision::nms does not exist". timm's classifiers never call them: it is enough that their
schemas are known.
"""

import importlib.machinery
import importlib.util
from contextlib import suppress
from types import ModuleType
from typing import Any

# As in torchvision/csrc/ops/nms.cpp and quantized/cpu/qnms_kernel.cpp.
SCHEMAS = {
    name: f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
    for name in ("nms", "qnms")
}

# A schema lives as long as the library object that declared it.
_declared: list[Any] = []


def import_timm() -> ModuleType:
    """timm, imported after what it needs of torchvision is known to be there.

    Raises ImportError when timm, torch or torchvision is not installed.
    """
    declare_missing()
    import timm

    return timm


def declare_missing() -> list[str]:
    """Declare the schemas that importing torchvision needs and that do not exist yet.

    torchvision's own library is loaded first, exactly as torchvision does it, because declaring
    what it is about to register would break an installation that works.

    Returns the names declared by this call; none where torchvision works, or is not installed.
    """
    import torch

    operators: Any = torch.ops
    new_library: Any = torch.library.Library
    if (library := _compiled_library()) is not None:
        # What torchvision catches as well: the library of another build of torch.
        with suppress(ImportError, OSError):
            operators.load_library(library)
    missing = [name for name in SCHEMAS if not hasattr(operators.torchvision, name)]
    for name in missing:
        fragment: Any = new_library("torchvision", "FRAGMENT")
        fragment.define(SCHEMAS[name])
        _declared.append(fragment)
    return missing


def _compiled_library() -> str | None:
    """The path of torchvision's operators; found without importing torchvision."""
    package = importlib.util.find_spec("torchvision")
    if package is None or not package.submodule_search_locations:
        return None
    loader = (
        importlib.machinery.ExtensionFileLoader,
        importlib.machinery.EXTENSION_SUFFIXES,
    )
    finder = importlib.machinery.FileFinder(package.submodule_search_locations[0], loader)
    found = finder.find_spec("_C")
    return found.origin if found else None
