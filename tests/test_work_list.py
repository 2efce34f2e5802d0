"""The work list: which architectures at which sizes a pattern, weights, a list or a preset mean."""

import pandas as pd
import pytest

from bench import catalogue
from bench.errors import InvalidRequest


def test_a_pattern_means_every_image_size_of_what_it_matches():
    assert catalogue.work_list(["resnet50"]) == [("resnet50", 288), ("resnet50", 224)]
    pairs = catalogue.work_list(["convnext_*"])
    assert {name for name, _ in pairs} >= {"convnext_tiny", "convnext_xxlarge"}
    assert len(pairs) == len(set(pairs))


def test_weights_mean_their_own_image_size():
    assert catalogue.work_list(["resnet50.a1_in1k"]) == [("resnet50", 288)]
    assert catalogue.work_list(["resnet50.tv_in1k"]) == [("resnet50", 224)]
    assert ("vgg11", 224) in catalogue.work_list(["*.tv_in1k"])


def test_everything_is_every_architecture_of_timm_at_every_size(operations, timm):
    pairs = catalogue.work_list(preset="all")
    assert {name for name, _ in pairs} == set(timm.list_models())
    assert len(pairs) == len(set(pairs))
    measurable = set(zip(operations["architecture"], operations["image_size"], strict=True))
    refused = {(name, 1024) for name in catalogue.refused()}
    assert set(pairs) == measurable | refused
    assert not measurable & refused


def test_everything_ends_with_what_is_refused_and_the_test_models():
    names = [name for name, _ in catalogue.work_list(preset="all")]
    last = [name for name in names if name.startswith("test_") or name in catalogue.refused()]
    assert len(last) == 23
    assert names[-len(last) :] == last


def test_the_tiny_test_models_count_only_by_name():
    assert catalogue.work_list(["test_vit"]) == [("test_vit", 160)]
    assert len(catalogue.work_list(["test_*"])) > 10
    assert not any(name.startswith("test_") for name, _ in catalogue.work_list(["*"]))
    assert catalogue.work_list(architectures=["test_vit"]) == [("test_vit", 160)]


def test_the_quick_preset_is_part_of_everything_and_spans_the_range(operations):
    quick = catalogue.work_list(preset="quick")
    assert len(quick) == 12
    assert set(quick) <= set(catalogue.work_list(preset="all"))
    sizes = operations.set_index(["architecture", "image_size"])["multiply_adds"]
    costs = [sizes[pair] for pair in quick]
    assert max(costs) / min(costs) > 100


def test_the_quick_preset_takes_each_models_default_weights(models):
    default = models.drop_duplicates("architecture").set_index("architecture")
    for name, size in catalogue.QUICK:
        row = default.loc[name]
        assert size == (row["input_size"] if pd.isna(row["test_size"]) else row["test_size"])


def test_a_list_of_architectures_is_taken_exactly():
    asked = ["vgg11", "resnet18"]
    assert {name for name, _ in catalogue.work_list(architectures=asked)} == set(asked)
    with pytest.raises(InvalidRequest, match="no model 'resnet'"):
        catalogue.work_list(architectures=["resnet"])


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ({"patterns": ["resnet5O"]}, "no model 'resnet5O'; did you mean resnet50"),
        ({"patterns": ["hf-hub:timm/resnet50"]}, "no model 'hf-hub:timm/resnet50'"),
        ({"patterns": ["zzz*"]}, r"timm 1\.0\.31 has no model 'zzz\*'$"),
        ({"patterns": ["RESNET50"]}, "no model 'RESNET50'"),
        ({"patterns": ["vit_base_patch16_sapiens2"]}, "cannot be measured: takes 3 x 1024 x 768"),
        ({"architectures": ["vgg11", "vit_5b_patch16_sapiens2"]}, "sapiens2 cannot be measured"),
        ({"preset": "best"}, "preset must be one of quick, all, got 'best'"),
        ({}, "say what to measure"),
    ],
)
def test_what_cannot_be_measured_is_refused_with_the_reason(asked, answer):
    with pytest.raises(InvalidRequest, match=answer):
        catalogue.work_list(**asked)
