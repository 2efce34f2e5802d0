"""Workload -> module, inputs and step.

A model is built on torch's meta device, which takes shapes but no memory, moved with `to_empty`,
and filled on the device: parameters with small random values (constants run up to 15 % faster on
some GPUs), normalisation statistics and computed buffers with what their modules compute. Where
that cannot be done (a buffer that nothing computes again) the ordinary constructor is used; it
takes up to 20 s where this takes half a second. A model's speed does not depend on its weights.
"""

import contextlib
import importlib
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from typing import Protocol as Interface

import torch
from torch import nn

from bench.records import Protocol
from bench.timing import Mark
from bench.torchvision_schemas import import_timm

# A module, or what torch.compile made of it.
Forward = Callable[[torch.Tensor], Any]

# The fill repeats after so many values: prime, so that the rows of a matrix differ, and less than
# the 128 KiB from which glibc moves its thresholds when a block is freed.
_POOL = 31_991
_MODEL_DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16}
_AUTOCAST_DTYPES = {"amp-fp16": torch.float16, "amp-bf16": torch.bfloat16}


class Unsupported(Exception):
    """This model, size or precision cannot be measured here; the message says why."""


@dataclass(frozen=True, slots=True)
class Model:
    """A timm model as it was built: on the meta device until `place` was called."""

    module: nn.Module
    architecture: str
    image_size: int
    parameters: int
    constructed: str = "meta"


def prepare(architecture: str, image_size: int) -> Model:
    """Build a model on the meta device: no memory, no random numbers, no device.

    Raises Unsupported for a name that timm does not list exactly, or an input that is not a square
    RGB image; and whatever the model's own constructor raises.
    """
    return _create(architecture, image_size, torch.device("meta"))


def prepare_ordinarily(architecture: str, image_size: int) -> Model:
    """Build a model on the CPU with the values that its constructor computes; see prepare."""
    return _create(architecture, image_size, torch.device("cpu"))


def parameter_bytes(model: Model, protocol: Protocol) -> int:
    """Memory of the model's parameters and buffers at the protocol's precision."""
    dtype = _MODEL_DTYPES.get(protocol.precision, torch.float32)
    tensors = [*model.module.parameters(), *model.module.buffers()]
    return sum(
        t.numel() * (dtype.itemsize if t.is_floating_point() else t.element_size()) for t in tensors
    )


def place(model: Model, device: torch.device, protocol: Protocol) -> Model:
    """Move a prepared model to the device, real values in it, in the protocol's type and layout.

    A model from `prepare` whose tensors cannot all be given values here is constructed again in the
    ordinary way.
    """
    if model.constructed == "meta" and not _materialise(model.module, device, protocol):
        model = prepare_ordinarily(model.architecture, model.image_size)
    model.module.to(device=device, dtype=_MODEL_DTYPES.get(protocol.precision))
    if protocol.layout == "nhwc":
        # PyTorch's annotations lack this overload (torch 2.13, nn/modules/module.py).
        model.module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model


def images(
    model: Model, batch_size: int, *, device: torch.device, protocol: Protocol
) -> torch.Tensor:
    """A seeded batch of random images in the protocol's type and layout."""
    batch = torch.randn(
        (batch_size, 3, model.image_size, model.image_size),
        generator=torch.Generator(device).manual_seed(protocol.seed),
        device=device,
        dtype=_MODEL_DTYPES.get(protocol.precision, torch.float32),
    )
    if protocol.layout == "nhwc":
        batch = batch.contiguous(memory_format=torch.channels_last)
    return batch


class Work(Interface):
    """Steps of one batch; `output` is the last result, to be looked at once."""

    batch_size: int
    output: Any

    def step(self, mark: Mark) -> None:
        """Run one step."""


class Inference:
    """Forward passes of one batch."""

    def __init__(self, forward: Forward, batch: torch.Tensor) -> None:
        self._forward = forward
        self._batch = batch
        self.batch_size = len(batch)
        self.output: Any = None

    def step(self, mark: Mark) -> None:  # noqa: ARG002 - one part, so nothing to mark
        """One forward pass."""
        self.output = self._forward(self._batch)


class Training:
    """Training steps on one batch: forward and loss, backward, SGD; the output is the loss.

    As timm's benchmark does it: cross-entropy on the first output, SGD with Nesterov momentum 0.9,
    no gradient scaling. The classes are drawn once, not in every step.
    """

    def __init__(
        self,
        forward: Forward,
        batch: torch.Tensor,
        *,
        parameters: Iterable[nn.Parameter],
        protocol: Protocol,
    ) -> None:
        self._forward = forward
        self._batch = batch
        self._autocast = _AUTOCAST_DTYPES.get(protocol.precision)
        self._classes: torch.Tensor | None = None
        self._seed = protocol.seed
        self.batch_size = len(batch)
        self._optimiser = torch.optim.SGD(parameters, lr=1e-4, momentum=0.9, nesterov=True)
        self.output: Any = None

    def step(self, mark: Mark) -> None:
        """One step; autocast enters once a step, because it must not keep the weights' casts."""
        with _autocast(self._batch.device, self._autocast):
            output = first_tensor(self._forward(self._batch))
            loss = nn.functional.cross_entropy(output, self._targets(output))
        mark()
        loss.backward()
        mark()
        self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)
        self.output = loss.detach()

    def _targets(self, output: torch.Tensor) -> torch.Tensor:
        if self._classes is None:
            generator = torch.Generator(output.device).manual_seed(self._seed)
            self._classes = torch.randint(
                output.shape[-1], output.shape[:1], generator=generator, device=output.device
            )
        return self._classes


@contextlib.contextmanager
def circumstances(device: torch.device, protocol: Protocol, *, training: bool) -> Iterator[None]:
    """What surrounds all steps of one measurement: gradients or none, autocast, TF32, autotuning.

    In inference autocast is entered once around them all, so the weights are cast once.
    """
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = protocol.tf32
    torch.backends.cuda.matmul.allow_tf32 = protocol.tf32
    if training:
        yield
        return
    with torch.inference_mode(), _autocast(device, _AUTOCAST_DTYPES.get(protocol.precision)):
        yield


def compiled(module: nn.Module, protocol: Protocol) -> Forward:
    """The module through torch.compile where the protocol asks for it.

    protocol.compiled is `eager`, a backend (`inductor`), or a backend and a mode (`inductor
    max-autotune`). Compilation itself happens in the first step.
    """
    if protocol.compiled == "eager":
        return module
    backend, _, mode = protocol.compiled.partition(" ")
    if backend not in torch.compiler.list_backends(exclude_tags=()):
        raise Unsupported(f"torch.compile has no backend {backend!r}")
    forget_compiled()
    if backend == "inductor":
        # Importing the compiler is no part of what compiling takes.
        importlib.import_module("torch._inductor.compile_fx")
    return torch.compile(module, backend=backend, mode=mode or None)


def forget_compiled() -> None:
    """Drop what torch.compile keeps of earlier models."""
    torch.compiler.reset()


def first_tensor(output: Any) -> torch.Tensor:
    """The classification output: some models return several tensors when they train."""
    while isinstance(output, (tuple, list)):
        output = output[0]
    if not isinstance(output, torch.Tensor):
        raise Unsupported(f"the model returns a {type(output).__name__}, not a tensor")
    return output


def all_finite(output: Any) -> bool:
    """Whether the result holds no NaN and no infinity."""
    return bool(torch.isfinite(first_tensor(output)).all())


def why_refused(cfg: Any) -> str | None:
    """Why a model of timm's configuration cfg has no square size to be measured at, if so."""
    for channels, height, width in (cfg.input_size, cfg.test_input_size or cfg.input_size):
        if channels != 3 or height != width:
            return f"takes {channels} x {height} x {width} values, not a square RGB image"
    return None


def _create(architecture: str, image_size: int, device: torch.device) -> Model:
    timm = import_timm()
    if architecture not in timm.list_models():
        raise Unsupported(f"timm {timm.__version__} lists no model named {architecture!r}")
    cfg = timm.get_pretrained_cfg(architecture)
    if cfg is not None and (reason := why_refused(cfg)) is not None:
        raise Unsupported(reason)
    arguments = {}
    if cfg is not None and cfg.fixed_input_size and cfg.input_size[1:] != (image_size, image_size):
        arguments["img_size"] = image_size
    with device:
        module: nn.Module = timm.create_model(architecture, pretrained=False, **arguments)
    return Model(
        module=module,
        architecture=architecture,
        image_size=image_size,
        parameters=sum(parameter.numel() for parameter in module.parameters()),
        constructed="meta" if device.type == "meta" else "ordinary",
    )


def _materialise(module: nn.Module, device: torch.device, protocol: Protocol) -> bool:
    """Give a module on meta real tensors on the device; False when some have no value."""
    shared = len(list(module.parameters()))
    module.to(dtype=_MODEL_DTYPES.get(protocol.precision))
    module.to_empty(device=device)
    if len(list(module.parameters())) != shared or _has_hidden_meta_tensors(module):
        return False
    with torch.no_grad():
        poisoned = _poison(module)
        for part in module.modules():
            # timm's name for it, in every layer that computes buffers; and torch's.
            for method in ("init_non_persistent_buffers", "reset_running_stats"):
                if callable(compute := getattr(part, method, None)):
                    compute()
        if _survivors(module, poisoned):
            return False
        _fill(module, device, protocol.seed)
    return True


def _poison(module: nn.Module) -> dict[int, tuple[torch.Tensor, int]]:
    """Fill every buffer with NaN, or what no index is; returns each with its version."""
    poisoned = {}
    for buffer in module.buffers():
        if buffer.is_floating_point() or buffer.is_complex():
            buffer.fill_(math.nan)
        elif buffer.dtype != torch.bool:
            buffer.fill_(torch.iinfo(buffer.dtype).min)
        # The count of writes in place; a buffer that was replaced has another identity.
        poisoned[id(buffer)] = (buffer, buffer._version)  # noqa: SLF001
    return poisoned


def _survivors(module: nn.Module, poisoned: dict[int, tuple[torch.Tensor, int]]) -> list[str]:
    """Names of the buffers that nobody wrote since, or that still hold poison."""
    names = []
    for name, buffer in module.named_buffers():
        _, version = poisoned.get(id(buffer), (None, -1))
        unwritten = version == buffer._version  # noqa: SLF001
        if unwritten or (buffer.is_floating_point() and bool(buffer.isnan().any())):
            names.append(name)
    return names


def _has_hidden_meta_tensors(module: nn.Module) -> bool:
    """Whether a module keeps a meta tensor as a plain attribute, which `to_empty` cannot see."""
    return any(
        isinstance(value, torch.Tensor) and value.is_meta
        for part in module.modules()
        for value in vars(part).values()
    )


def _fill(module: nn.Module, device: torch.device, seed: int) -> None:
    """Random parameters that keep signals in range: none too small, none growing with depth.

    Matrices have a standard deviation of 1/sqrt(inputs), scales of normalisations lie near 1, all
    else (biases, tokens, layer scales) near 0. Values are taken from one pool, because random
    numbers for a billion parameters take seconds.
    """
    generator = torch.Generator(device).manual_seed(seed)
    pool = torch.randn(_POOL, generator=generator, device=device)
    offset = 0
    for name, parameter in module.named_parameters():
        flat = parameter.view(-1)
        for start in range(0, len(flat), _POOL):
            part = flat[start : start + _POOL]
            offset = offset % (_POOL - len(part)) if len(part) < _POOL else 0
            part.copy_(pool[offset : offset + len(part)])
            offset += len(part)
        inputs = parameter[0].numel() if parameter.ndim > 1 else 1
        if inputs > 1:
            parameter.mul_(1 / math.sqrt(inputs))
        else:
            parameter.mul_(0.02)
            if name.endswith("weight"):
                parameter.add_(1)


def _autocast(device: torch.device, dtype: torch.dtype | None) -> Any:
    if dtype is None:
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=dtype)
