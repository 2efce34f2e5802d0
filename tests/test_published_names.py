"""The names of timm's result files: what each says of its device, software and precision."""

import pytest

from bench import published_names
from bench.errors import InvalidRequest


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "benchmark-infer-amp-nchw-pt111-cu113-rtx3090.csv",
            ("amp-fp16", "1.11", "11.3", "NVIDIA GeForce RTX 3090", "cuda", "eager"),
        ),
        (
            "benchmark-train-amp-nhwc-pt113-cu117-rtx3090.csv",
            ("amp-fp16", "1.13", "11.7", "NVIDIA GeForce RTX 3090", "cuda", "eager"),
        ),
        (
            "benchmark-infer-bf16-nchw-pt2100-cu130-4090-dynamo.csv",
            ("bf16", "2.10.0", "13.0", "NVIDIA GeForce RTX 4090", "cuda", "torch.compile"),
        ),
        (
            "benchmark-infer-amp_bf16-nchw-pt291-cu130-pro6000maxq.csv",
            (
                "amp-bf16",
                "2.9.1",
                "13.0",
                "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition",
                "cuda",
                "eager",
            ),
        ),
        (
            "benchmark-infer-fp32-nchw-pt240-cpu-i7_12700h-dynamo.csv",
            ("fp32", "2.4.0", None, "Intel Core i7-12700H", "cpu", "torch.compile"),
        ),
        (
            "benchmark-infer-fp32-nchw-pt210-cu121-h100_pcie.csv",
            ("fp32", "2.1.0", "12.1", "h100_pcie", "cuda", "eager"),
        ),
    ],
)
def test_a_file_name_carries_its_circumstances(name, said):
    found = published_names.circumstances(name)
    assert said == (
        found.precision,
        found.torch,
        found.cuda,
        found.device,
        found.device_kind,
        found.compiled,
    )


def test_both_spellings_of_a_device_are_the_same_set():
    runs = {
        published_names.circumstances(f"benchmark-infer-amp-nchw-pt291-cu128-{token}.csv").run(
            "2026-08"
        )
        for token in ("4090", "rtx4090")
    }
    assert runs == {"2026-08-timm-rtx4090-amp-fp16-nchw-pt2.9.1-cu12.8"}


def test_a_run_id_is_safe_in_urls_and_file_names():
    name = "benchmark-infer-amp_bf16-nhwc-pt291-cu128-Tesla_T4-dynamo.csv"
    run = published_names.circumstances(name).run("2026-08")
    assert run == "2026-08-timm-tesla-t4-amp-bf16-nhwc-pt2.9.1-cu12.8-compiled"


@pytest.mark.parametrize(
    "name",
    [
        "model_metadata-in1k.csv",
        "benchmark-infer-amp-nchw-pt291-cu130.csv",
        "benchmark-infer-amp-nchw-pt291-cu130-5090-dynamo-2.csv",
        "benchmark-infer-int8-nchw-pt291-cu130-5090.csv",
        "benchmark-infer-amp-nchw-pt181-cu111-rtx3090.csv",
        "benchmark-infer-amp-nchw-pt291-cu130-../5090.csv",
        "benchmark-infer-amp-nchw-pt\u0662\u0669\u0661-cu130-5090.csv",
    ],
)
def test_a_name_that_breaks_the_rule_is_refused(name):
    with pytest.raises(InvalidRequest, match="its name"):
        published_names.circumstances(name)
