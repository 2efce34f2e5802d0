"""Families are what people call models; the rule is held against real names and the notebook."""

import pandas as pd
import pytest

from bench.families import family, pretraining

REAL_NAMES = {
    "resnet50.a1_in1k": "resnet",
    "resnet50d.ra2_in1k": "resnetd",
    "gluon_resnet50_v1d": "resnetd",
    "resnetv2_50d_evos.ah_in1k": "resnetv2d",
    "resnetv2_50x1_bit.goog_distilled_in1k": "resnetv2",
    "wide_resnet50_2.racm_in1k": "wide_resnet",
    "res2net50_26w_4s.in1k": "res2net",
    "res2next50.in1k": "res2next",
    "legacy_seresnet50.in1k": "seresnet",
    "legacy_senet154.in1k": "senet",
    "tv_resnet50": "resnet",
    "tf_efficientnet_b0.ns_jft_in1k": "efficientnet",
    "tf_efficientnetv2_s.in21k_ft_in1k": "efficientnetv2",
    "tf_mobilenetv3_large_100.in1k": "mobilenetv3",
    "mobilenetv4_conv_small.e2400_r224_in1k": "mobilenetv4",
    "mobilenetv1_100.ra4_e3600_r224_in1k": "mobilenetv1",
    "mobilenet_edgetpu_v2_l": "mobilenet_edgetpu",
    "ens_adv_inception_resnet_v2": "inception_resnet",
    "inception_v3.tv_in1k": "inception_v3",
    "inception_next_tiny.sail_in1k": "inception_next",
    "dm_nfnet_f0.dm_in1k": "nfnet",
    "eca_nfnet_l0.ra2_in1k": "eca_nfnet",
    "eca_resnet33ts.ra2_in1k": "eca_resnet",
    "ese_vovnet19b_dw.ra_in1k": "ese_vovnet",
    "cs3darknet_focus_l.c2ns_in1k": "cs3darknet",
    "cs3se_edgenet_x.c2ns_in1k": "cs3se_edgenet",
    "tiny_vit_5m_224.dist_in22k_ft_in1k": "tiny_vit_in22",
    "convnext_base.fb_in22k_ft_in1k": "convnext_in22",
    "convnext_base_in22ft1k": "convnext_in22",
    "convnextv2_nano.fcmae_ft_in22k_in1k": "convnextv2_in22",
    "eva02_large_patch14_448.mim_m38m_ft_in22k_in1k": "eva02_in22",
    "eva_giant_patch14_224.clip_ft_in1k": "eva",
    "vit_base_patch16_224.augreg_in21k_ft_in1k": "vit",
    "deit3_base_patch16_224.fb_in1k": "deit3",
    "deit_base_patch16_224.fb_in1k": "deit",
    "beit3_base_patch16_224.in22k_ft_in1k": "beit3_in22",
    "pvt_v2_b0.in1k": "pvt_v2",
    "nasnetalarge.tf_in1k": "nasnet",
    "regnetx_002.pycls_in1k": "regnetx",
    "regnetv_040.ra3_in1k": "regnetv",
    "vgg16_bn.tv_in1k": "vgg",
    "csatv2": "csatv2",
}


@pytest.mark.parametrize(("model", "expected"), REAL_NAMES.items())
def test_a_family_is_what_people_call_it(model: str, expected: str) -> None:
    assert family(model) == expected


def test_no_family_bears_a_name_that_nobody_uses(accuracy: pd.DataFrame) -> None:
    nonsense = {"tf", "cs", "dm", "eca", "legacy", "tiny", "wide", "res", "mobilenetv", "inception"}
    families = {family(model).removesuffix("_in22") for model in accuracy["model"]}
    assert not families & nonsense
    assert "" not in families


@pytest.mark.parametrize(
    ("model", "expected"),
    {
        "convnext_base.fb_in22k_ft_in1k": "ImageNet-22k",
        "convnext_base_in22ft1k": "ImageNet-22k",
        "vit_base_patch16_224.augreg_in21k_ft_in1k": "ImageNet-21k",
        "eva02_large_patch14_448.mim_m38m_ft_in22k_in1k": "Merged-38M",
        "resnet50_clip.cc12m": None,
        "resnet50.a1_in1k": "ImageNet-1k",
        "resnet50": None,
        "tf_efficientnet_b7.ns_jft_in1k": "JFT-300M",
    }.items(),
)
def test_pretraining_data_is_read_from_the_tag(model: str, expected: str | None) -> None:
    assert pretraining(model) == expected
