"""timm's registry -> models.parquet, operations.parquet and renames.parquet.

Written once for each timm version and shipped, so that nothing else needs torch to know what there
is. Operations are counted on meta tensors: shapes only, no arithmetic, no memory.

What is counted, for one image, in inference, of the model as `timm.create_model` builds it:
- parameters: all elements of all parameters, the classifier of the default weights included;
- multiply_adds: half of what `torch.utils.flop_counter` counts, that is convolutions and matrix
  products, attention included. timm's published `infer_gmacs` (fvcore) add normalisations,
  poolings and resizings, which makes them 0.4 % larger in the median;
- activations: the output elements of every convolution and every matrix product (each linear
  layer's, and both of an attention), as fvcore counts timm's published `infer_macts`.

Where the published figures differ by more than 5 %, they were counted on a model whose branches had
been merged for inference (repvgg, repvit, mobileone, fastvit, ghostnetv3), or fvcore did not know
an operation (LSTMs, convolutions padded `same`), or timm has changed the model since
(ecaresnext50t_32x4d); tests/test_published_operations.py lists each of them with its cause.
"""

import logging
import multiprocessing
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from bench import store
from bench.torchvision_schemas import import_timm
from bench.workloads import why_refused

# What these operations return are activations.
_COUNTED = frozenset({"convolution", "mm", "addmm", "bmm", "baddbmm"})
# Arithmetic that neither counter knows; no model of timm 1.0.31 has any.
_UNKNOWN = ("_fft", "_scaled_dot", "_flash_attention", "_efficient_attention")
Row = dict[str, Any]


def write(
    data: Path, *, processes: int = 2, progress: Callable[[int, int], None] | None = None
) -> dict[str, int]:
    """Write the three files into data/published; about ten minutes of one core.

    Args:
        data: where `published` is, or will be made; files that are there are replaced.
        processes: how many models are counted at a time.
        progress: called with (models done, of how many).

    Returns:
        rows per file.

    Raises OSError: no space, no permission.
    """
    models, renames = models_table(), renames_table()
    pairs = image_sizes(models)
    rows = []
    for done, row in enumerate(_count_all(pairs, processes), start=1):
        rows.append(row)
        if progress is not None:
            progress(done, len(pairs))
    tables = {
        "models": models,
        "operations": pa.Table.from_pylist(rows, schema=store.OPERATIONS_SCHEMA),
        "renames": renames,
    }
    for name, table in tables.items():
        store.publish(table, store.published(data, f"{name}.parquet"), replace=True)
    return {name: len(table) for name, table in tables.items()}


def models_table() -> pa.Table:
    """One row per weights, in timm's natural order of names, default weights first.

    An architecture without weights has one row without a tag. A tag that names no weights
    (`untrained`) is no row of its own.
    """
    timm = import_timm()
    names = timm.list_models(include_tags=True)
    weights = set(timm.list_pretrained())
    by_architecture: dict[str, list[str]] = {name: [] for name in timm.list_models()}
    for name in names:
        if name in weights:
            by_architecture[name.partition(".")[0]].append(name)
    rows = []
    for architecture, tagged in by_architecture.items():
        module = timm.model_entrypoint(architecture).__module__.rpartition(".")[2]
        default = timm.get_pretrained_cfg(architecture)
        tagged.sort(key=lambda name: name != f"{architecture}.{default.tag}")
        rows += [_model_row(name, module, timm.get_pretrained_cfg(name)) for name in tagged]
        if not tagged:
            rows.append(_model_row(architecture, module, default))
    return pa.Table.from_pylist(rows, schema=store.MODELS_SCHEMA)


def _model_row(name: str, module: str, cfg: Any) -> Row:
    """What timm says of one set of weights; what it does not say, or calls unknown, is null.

    crop_fraction is that of the test size, as timm's own validation takes it.
    """
    architecture, _, tag = name.partition(".")
    paper = [part for part in (cfg.paper_name, cfg.paper_ids) if part]
    refusal = why_refused(cfg)
    return {
        "timm": import_timm().__version__,
        "model": name,
        "architecture": architecture,
        "tag": tag or None,
        "module": module,
        "licence": None if cfg.license == "unknown" else cfg.license,
        "hub_id": cfg.hf_hub_id,
        "input_size": None if refusal else cfg.input_size[-1],
        "test_size": None if refusal or not cfg.test_input_size else cfg.test_input_size[-1],
        "fixed_input_size": cfg.fixed_input_size,
        "mean": list(cfg.mean),
        "standard_deviation": list(cfg.std),
        "crop_fraction": cfg.test_crop_pct or cfg.crop_pct,
        "crop_mode": cfg.crop_mode,
        "interpolation": cfg.interpolation,
        "classes": cfg.num_classes,
        "origin_url": cfg.origin_url,
        "paper": ", ".join(paper) or None,
        "message": refusal,
    }


def image_sizes(models: pa.Table) -> list[tuple[str, int]]:
    """Each unique (architecture, image size) once: the test size, else the input size.

    Args:
        models: rows of MODELS_SCHEMA; those without a size are left out (their message says why).
    """
    columns = [models[name].to_pylist() for name in ("architecture", "input_size", "test_size")]
    pairs = [(name, test or size) for name, size, test in zip(*columns, strict=True)]
    return list(dict.fromkeys(pair for pair in pairs if pair[1] is not None))


def renames_table() -> pa.Table:
    """The table of old names that timm keeps; a removed model has none that it goes by now."""
    timm = import_timm()
    rows = [
        {"timm": timm.__version__, "old": old, "model": new}
        for old, new in sorted(timm.models.get_deprecated_models().items())
    ]
    return pa.Table.from_pylist(rows, schema=store.RENAMES_SCHEMA)


def _count_all(pairs: list[tuple[str, int]], processes: int) -> Iterator[Row]:
    """The operations of each pair, in their order."""
    # A fork would copy the locks of torch's threads; spawned processes import torch themselves.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_quietly) as pool:
        yield from pool.map(count, *zip(*pairs, strict=True), chunksize=8)


def _quietly() -> None:
    """Meta tensors need one thread and none of timm's remarks on how a model was built."""
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")


def count(architecture: str, image_size: int) -> Row:
    """Operations of one image as a row of OPERATIONS_SCHEMA; null, with a message, on failure."""
    timm = import_timm()
    row: Row = {"timm": timm.__version__, "architecture": architecture, "image_size": image_size}
    cfg = timm.get_pretrained_cfg(architecture)
    # A model whose input size is fixed must be built for another one.
    other_size = cfg.fixed_input_size and cfg.input_size[-1] != image_size
    arguments = {"img_size": image_size} if other_size else {}
    try:
        with torch.device("meta"):
            model = timm.create_model(architecture, pretrained=False, **arguments)
            row["parameters"] = sum(parameter.numel() for parameter in model.parameters())
            model.eval().requires_grad_(requires_grad=False)
            image = torch.empty(1, 3, image_size, image_size)
            # Gradients off, or the flop counter looks for a backward pass.
            with torch.no_grad(), FlopCounterMode(display=False) as flops, _Activations() as seen:
                model(image)
    except Exception as error:  # noqa: BLE001 - any model may fail in any way; the row says how
        return row | {"message": f"{type(error).__name__}: {error}".partition("\n")[0][:500]}
    if seen.unknown:
        return row | {"message": f"cannot be counted: {', '.join(sorted(seen.unknown))}"}
    return row | {
        "multiply_adds": flops.get_total_flops() // 2,
        "activations": seen.elements,
    }


class _Activations(TorchDispatchMode):
    """Adds up the output elements of convolutions and matrix products; notes what is unknown."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch 2.13 leaves it unannotated
        self.elements = 0
        self.unknown: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        out = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if name in _COUNTED:
            self.elements += out.numel()
        elif name.startswith(_UNKNOWN):
            self.unknown.add(name)
        return out
