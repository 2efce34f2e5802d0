"""Models built without memory are the models that their constructors build."""

import pytest
import torch
from torch import nn

from bench import catalogue, workloads
from bench.records import Protocol
from bench.timing import HostClock
from bench.workloads import Unsupported

CPU = torch.device("cpu")
FP32 = Protocol()

# Convolutions, BatchNorm, attention, windows with index buffers, tables of relative positions,
# anti-aliasing filters.
SMALL = [
    ("test_resnet", 160),
    ("test_vit", 160),
    ("test_efficientnet", 160),
    ("levit_128s", 224),
    ("swin_tiny_patch4_window7_224", 224),
    ("convit_tiny", 224),
    ("resnetblur18", 160),
]


def placed(name: str, size: int, protocol: Protocol = FP32) -> workloads.Model:
    return workloads.place(workloads.prepare(name, size), CPU, protocol)


def output(model: workloads.Model, protocol: Protocol = FP32, batch_size: int = 1) -> torch.Tensor:
    batch = workloads.images(model, batch_size, device=CPU, protocol=protocol)
    work = workloads.Inference(model.module.eval(), batch)
    with workloads.circumstances(CPU, protocol, training=False):
        HostClock().block(work.step, 1)
    return workloads.first_tensor(work.output)


@pytest.mark.parametrize(("name", "size"), SMALL)
def test_a_model_built_on_meta_has_the_parameters_and_buffers_of_its_constructor(
    name: str, size: int
) -> None:
    built = placed(name, size)
    reference = workloads.prepare_ordinarily(name, size)
    assert built.constructed == "meta"
    assert built.parameters == reference.parameters
    shapes = {k: (v.shape, v.dtype) for k, v in built.module.named_parameters()}
    assert shapes == {k: (v.shape, v.dtype) for k, v in reference.module.named_parameters()}
    expected = dict(reference.module.named_buffers())
    actual = dict(built.module.named_buffers())
    assert actual.keys() == expected.keys()
    for key, buffer in actual.items():
        assert torch.equal(buffer, expected[key]), key
    assert torch.isfinite(output(built)).all()


@pytest.mark.parametrize(("name", "size"), [("csatv2", 512), ("efficientformer_l1", 224)])
def test_a_model_whose_buffers_nothing_computes_again_is_constructed_ordinarily(
    name: str, size: int
) -> None:
    model = workloads.prepare(name, size)
    assert all(parameter.is_meta for parameter in model.module.parameters())
    model = workloads.place(model, CPU, FP32)
    assert model.constructed == "ordinary"
    assert torch.isfinite(output(model)).all()


class Sound(nn.Module):
    """Computes its buffer again when asked, as timm's layers do."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.register_buffer("table", torch.arange(4), persistent=False)

    def init_non_persistent_buffers(self) -> None:
        self.table.copy_(torch.arange(4))


class Forgetful(nn.Module):
    """Keeps a buffer that only its constructor knows."""

    def __init__(self, values: torch.Tensor) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.register_buffer("table", values)


class Hiding(nn.Module):
    """Keeps a tensor where `to_empty` does not look."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.table = torch.ones(4)


class Tied(nn.Module):
    """Uses one parameter twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.second = nn.Linear(4, 4)
        self.second.weight = self.first.weight


@pytest.mark.parametrize(
    ("make", "sound"),
    [
        (Sound, True),
        (lambda: Forgetful(torch.ones(4)), False),
        (lambda: Forgetful(torch.arange(4)), False),
        (lambda: Forgetful(torch.ones(4, dtype=torch.bool)), False),
        (Hiding, False),
    ],
)
def test_a_poisoned_buffer_that_survives_is_found_whatever_its_type(make, sound) -> None:
    with torch.device("meta"):
        module = make()
    assert workloads._materialise(module, CPU, FP32) is sound


def test_a_shared_parameter_stays_one_or_the_constructor_is_asked() -> None:
    with torch.device("meta"):
        module = Tied()
    sound = workloads._materialise(module, CPU, FP32)
    assert not sound or module.first.weight is module.second.weight


def test_filled_values_are_random_small_and_the_same_for_the_same_seed() -> None:
    first, second = placed("test_vit", 160), placed("test_vit", 160)
    for a, b in zip(first.module.parameters(), second.module.parameters(), strict=True):
        assert torch.equal(a, b)
        assert a.numel() == 1 or a.unique().numel() > 1
        assert a.abs().max() < 6
    assert not torch.equal(output(first), output(first, Protocol(seed=1)))


@pytest.mark.parametrize(
    ("precision", "dtype"), [("bf16", torch.bfloat16), ("fp16", torch.float16)]
)
def test_a_reduced_precision_converts_the_model_and_its_input(
    precision: str, dtype: torch.dtype
) -> None:
    protocol = Protocol(precision=precision)
    model = placed("test_resnet", 160, protocol)
    assert {p.dtype for p in model.module.parameters()} == {dtype}
    assert output(model, protocol).dtype == dtype
    assert workloads.parameter_bytes(model, protocol) < 0.6 * workloads.parameter_bytes(model, FP32)


def test_autocast_leaves_the_model_in_fp32_and_computes_in_less() -> None:
    protocol = Protocol(precision="amp-bf16")
    model = placed("test_resnet", 160, protocol)
    assert {p.dtype for p in model.module.parameters()} == {torch.float32}
    assert output(model, protocol).dtype == torch.bfloat16


def test_nhwc_is_the_layout_of_the_weights_and_of_the_images() -> None:
    protocol = Protocol(layout="nhwc")
    model = placed("test_resnet", 160, protocol)
    batch = workloads.images(model, 2, device=CPU, protocol=protocol)
    assert batch.is_contiguous(memory_format=torch.channels_last)
    weight = next(p for p in model.module.parameters() if p.ndim == 4 and p.shape[2] > 1)
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert not weight.is_contiguous()


def test_a_model_of_fixed_input_size_is_built_for_the_size_asked() -> None:
    assert torch.isfinite(output(placed("vit_tiny_patch16_224", 96))).all()


@pytest.mark.parametrize(
    "name",
    ["resnet50.a1_in1k", "hf-hub:timm/resnet18.a1_in1k", "local-dir:/tmp", "../x", "resnet_50", ""],
)
def test_only_names_that_timm_lists_are_built(name: str) -> None:
    with pytest.raises(Unsupported, match="lists no model"):
        workloads.prepare(name, 224)


@pytest.mark.parametrize("name", ["test_resnet", "test_vit"])
def test_a_training_step_changes_the_weights_in_three_parts(name: str) -> None:
    model = placed(name, 160)
    module = model.module.train()
    before = [parameter.detach().clone() for parameter in module.parameters()]
    batch = workloads.images(model, 2, device=CPU, protocol=FP32)
    work = workloads.Training(module, batch, parameters=module.parameters(), protocol=FP32)
    with workloads.circumstances(CPU, FP32, training=True):
        block = HostClock().block(work.step, 2)
    assert torch.isfinite(work.output)
    assert [len(parts) for parts in block.parts_s] == [3, 3]
    assert sum(map(sum, block.parts_s)) == pytest.approx(block.device_s, rel=0.05)
    after = module.parameters()
    assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert all(parameter.grad is None for parameter in module.parameters())


class Distilled(nn.Module):
    """Returns two outputs when it trains, as distilled models can."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 5)

    def forward(self, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        output = self.linear(batch.mean((2, 3)))
        return output, output * torch.nan


def test_a_model_that_returns_several_outputs_is_trained_on_the_first() -> None:
    module = Distilled()
    work = workloads.Training(
        module, torch.randn(2, 3, 8, 8), parameters=module.parameters(), protocol=FP32
    )
    HostClock().block(work.step, 1)
    assert torch.isfinite(work.output)


def test_a_backend_that_torch_does_not_have_is_unsupported() -> None:
    with pytest.raises(Unsupported, match="no backend"):
        workloads.compiled(nn.Identity(), Protocol(compiled="abacus"))


def test_eager_is_the_module_itself() -> None:
    module = nn.Identity()
    assert workloads.compiled(module, FP32) is module


def test_an_input_that_is_not_square_is_refused_with_the_catalogues_reason() -> None:
    for name, reason in catalogue.refused().items():
        with pytest.raises(Unsupported) as refused:
            workloads.prepare(name, 1024)
        assert str(refused.value) == reason
