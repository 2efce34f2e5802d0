"""A model's family and its pretraining data, both read from its name.

The family is what people call a model: ResNet-D, ConvNeXt pretrained on ImageNet-22k, MobileNetV3.
On timm's results of July 2022 it equals the family of fastai's notebook "Which image models are
best?" for every model that the notebook draws.
"""

import re
from functools import cache

# Prefixes that name a port or a trainer, not an architecture: dropped.
PORTS = ("tf_", "gluon_", "legacy_", "ig_", "ssl_", "swsl_", "tv_", "adv_", "ens_", "jx_", "dm_")

# First words that change an architecture: the family is both words (`wide_resnet`, `tiny_vit`).
VARIATIONS = (
    "bat",
    "cs3se",
    "deepseek",
    "eca",
    "ese",
    "gc",
    "gemma4",
    "lambda",
    "nf",
    "qwen3",
    "sam2",
    "tiny",
    "wide",
)

# Names whose letters stop short of what people say. First match wins; the match is the family.
SPECIAL = (
    r"res2ne[x]?t",
    r"halo2botnet",
    r"cs3[a-z]+?(?=_)",
    r"beit3",
    r"deit3",
    r"eva02",
    r"inception_(?:v\d|next|resnet)",
    r"mobilenet_edgetpu",
    r"pvt_v2",
    r"nasnet(?=alarge)",
)

# The leading letters, with the version where there is one.
GENERAL = r"[a-z]+?(?:v\d)?(?=\d|_|$)"

_SPECIAL = re.compile("|".join(f"(?:{rule})" for rule in SPECIAL))
_GENERAL = re.compile(GENERAL)


@cache
def family(model: str) -> str:
    """The family of a model, from its name (`convnext_base.fb_in22k_ft_in1k` -> `convnext_in22`).

    The rule looks at the architecture, the part before the first dot; only `in22` is looked for in
    the tag too. A name that does not begin with a letter is its own family.
    """
    architecture = model.partition(".")[0]
    name = _without_ports(architecture)
    first, _, rest = name.partition("_")
    if first in VARIATIONS and rest:
        base = f"{first}_{_stem(rest)}"
    else:
        base = _stem(name)
        # ResNet-D has a stem of its own. As in the notebook, any later d counts: it puts
        # resnetv2_50x1_bit_distilled there, a name that timm has since given up.
        if base in ("resnet", "resnetv2") and "d" in name[len(base) :]:
            base += "d"
    return f"{base}_in22" if "in22" in model else base


def _without_ports(architecture: str) -> str:
    dropped = True
    while dropped:
        dropped = False
        for port in PORTS:
            if architecture.startswith(port) and len(architecture) > len(port):
                architecture = architecture.removeprefix(port)
                dropped = True
    return architecture


def _stem(name: str) -> str:
    match = _SPECIAL.match(name) or _GENERAL.match(name)
    return match.group() if match else name


TEST_MODELS = "test_"


def is_test_model(architecture: str) -> bool:
    """Whether timm made it for its own tests (`test_vit`): tiny, and nobody's choice."""
    return architecture.startswith(TEST_MODELS)


# What a tag says of the data seen before ImageNet-1k. First match wins, so the largest comes first
# where a tag names several (`mim_m38m_ft_in22k_in1k`). Source: timm's naming of its tags.
PRETRAINING = (
    (r"lvd1689m", "LVD-1689M"),
    (r"lvd142m", "LVD-142M"),
    (r"webli", "WebLI"),
    (r"merged2b", "Merged-2B"),
    (r"laion2b", "LAION-2B"),
    (r"laion400m|laiona", "LAION-400M"),
    (r"datacomp", "DataComp"),
    (r"dfn\d+b|apple_mclip|(?:^|_)mclip", "DFN"),
    (r"metaclip", "MetaCLIP"),
    (r"openai|(?:^|_)clip(?:_|$)", "WIT-400M (CLIP)"),
    (r"m38m|m30m", "Merged-38M"),
    (r"jft", "JFT-300M"),
    (r"ig1b|wsl|swag", "Instagram"),
    (r"yfcc100m", "YFCC-100M"),
    (r"sa1b", "SA-1B"),
    (r"in22", "ImageNet-22k"),
    (r"inw?21", "ImageNet-21k"),
    (r"in12k", "ImageNet-12k"),
    (r"ssld", "SSLD"),
    (r"in1k|in1000", "ImageNet-1k"),
)

_PRETRAINING = tuple((re.compile(pattern), data) for pattern, data in PRETRAINING)


@cache
def pretraining(model: str) -> str | None:
    """The data that the weights saw before ImageNet-1k, as far as their name says; None if silent.

    timm's old names have no tag; theirs say `in21` or `in22`, or nothing.
    """
    _, dot, tag = model.partition(".")
    said = tag if dot else "".join(re.findall(r"in2[12]", model))
    return next((data for pattern, data in _PRETRAINING if pattern.search(said)), None)
