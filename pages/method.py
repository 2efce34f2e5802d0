"""How to read the chart, where its figures come from, how they are made, what they do not say."""

import streamlit as st

from bench import statistics
from bench.records import Protocol
from bench.sweep import SENTINEL_EVERY
from pages.ui import data, estimate_charts, selection, words
from pages.ui.entrance import through_app

through_app()

protocol = Protocol()

st.header("Method", anchor=False)

st.subheader("How to read the chart")
st.markdown(
    """
Each bubble is a set of weights at one image size. Up is more accurate; left is faster. The time
axis is logarithmic: a step to the right is always the same factor. A larger bubble is a larger
image.

- **Top-1** is the share of images whose first guess is right, as timm publishes it.
- **Time per image** is 1 / (images per second). For *Inference* and *Training* many images go
  through at once, so it is not how long one image takes: that is *Latency*, the time of one step at
  batch size 1.
- **The frontier** is the line through the models that no other beats: none is at least as fast and
  at least as accurate, and better in one of the two.
- **A model's lead** is its top-1 minus the best top-1 among other families' models at least as fast
  (where none is as fast, minus the fastest other model's). It is what you would lose without that
  family. *Best of each family, by trade-off* shows the model with the greatest lead.
- **Colour** is the family: what people call a model, read from its name. `_in22` says that the
  weights saw ImageNet-22k first. Eight families keep their colour for good; the rest is grey, for
  nobody tells 150 colours apart.
- **Weights that share an architecture and an image size run at the same speed.** The chart shows
  the most accurate of them, the table all. A speed at another image size is never borrowed.
- **Diamonds** are a second results set, laid beside the first. **Hollow** points are flagged; thin
  horizontal lines are 95 % intervals, where a speed was measured here.
- **A family's line**, drawn when you point at one of its models, joins those that no other of the
  family beats: what the family offers from its smallest to its largest.
- **A trend line** is the least squares fit of a family's top-1 on the logarithm of time, as in
  fastai's notebook; families of fewer than three points have none.
- **Time against parameters or multiply-adds** shows how poor a proxy these are: among models of
  nearly the same cost, within a quarter of it, the slowest takes many times as long as the fastest.
"""
)

st.subheader("Where the figures come from")
files = data.Files(data.speed_signature(), data.accuracy_signature())
sets = data.sets(files.speed)
if sets.empty:
    st.info("There are no results yet.", icon=":material/inbox:")
else:
    st.dataframe(
        sets.assign(
            rows=sets["measures"].map(lambda measures: sum(measures.values())),
            measures=sets["measures"].map(", ".join),
        )[["label", "measures", "rows", "failures", "source"]],
        column_config={
            "label": "Results set",
            "measures": "Measures",
            "rows": st.column_config.NumberColumn("Speeds", format="localized"),
            "failures": "Failures",
            "source": st.column_config.TextColumn("Source", width="large"),
        },
        hide_index=True,
        height=320,
    )
st.markdown(
    """
*timm 2022-07* and *timm 2026-08* are the CSV files of the `results` folder of
[pytorch-image-models](https://github.com/huggingface/pytorch-image-models) by Ross Wightman, Apache
License 2.0, as of July 2022 (commit 66393d4) and August 2026 (commit aa4b585). They are imported
without rounding, each row with the name of its file. Their circumstances are what the file names
say; what they do not say (driver, cuDNN, date) is shown as unknown. *compiled* means that the file
name says `dynamo`: torch.compile, backend and mode not stated.

The three *fastai 2022* views are the charts of the notebook
[Which image models are best?](https://www.kaggle.com/code/jhoward/which-image-models-are-best) by
Jeremy Howard and Ross Wightman, from the same results of one RTX 3090: point for point.

Accuracy of 2022-07 goes with the speeds of PyTorch 1.11, which bear timm's names of that time; the
newest accuracy goes with everything later. Where timm has renamed a model since, its own table of
renamed models joins old and new. Where a file counts no multiply-adds and activations, those of the
catalogue stand in: counted on timm 1.0.31, 0.4 % below timm's own in the median.
"""
)

st.subheader("Licences")
st.markdown(
    """
The licence beside a model is the one that timm states for its weights. Whether it allows commercial
use is our reading of its text, which is linked: no legal advice. Where timm states no licence,
where we could not read its text, or where a name of 2022 does not say which weights it stood for,
it is *unknown*. Nearly all weights were trained on ImageNet, which was released for non-commercial
research; what that means for weights
[is not settled](https://github.com/huggingface/pytorch-image-models#pretrained-weights).
"""
)
weights = data.weights_by_licence()
st.dataframe(
    weights.assign(licence=weights["licence"].fillna("none stated")),
    column_config={
        "licence": "Licence",
        "commercial_use": "Commercial use",
        "weights": st.column_config.NumberColumn("Weights", format="localized"),
        "note": st.column_config.TextColumn("Besides", width="large"),
        "source": st.column_config.LinkColumn("Its text", display_text="read"),
    },
    hide_index=True,
    height="content",
    key="licences",
)

st.subheader("How a speed is measured here")
st.markdown(
    f"""
A separate process builds each model, moves it to the device and measures it on random images.
Nothing is downloaded, for a speed does not depend on what a model has learnt: it is built on
PyTorch's *meta* device, which takes shapes and no memory, and filled on the device with small
random values; where a part of it cannot be filled so, its own constructor fills it. cuDNN looks for
the quickest algorithm (`cudnn.benchmark`) before anything is timed; TF32 is
{"on" if protocol.tf32 else "off"} unless a run says otherwise, which is stored with it.

1. **Warm-up**: at least {protocol.warm_up_min_steps} steps and
   {words.time(protocol.warm_up_min_s)}, until the medians of the last two windows differ by less
   than {protocol.warm_up_tolerance:.0%}; after {words.time(protocol.warm_up_max_s)} it is flagged
   *not warm*.
2. **Samples**: for *Inference* and *Training*, the device's own clock around blocks of at least
   {words.time(protocol.block_min_s)}; for *Latency*, the wall time from handing over one image to
   the finished result.
3. **Stop** when the 95 % interval is narrower than ±{protocol.interval_target * 100:g} % (on a CPU:
   than the noise that two identical models showed at the start of the run, at most
   ±{statistics.FAIR:.0%}; where that noise is large, than a quarter of it, at most
   ±{statistics.COARSE:.0%}), when the last {protocol.stall_blocks} samples made it no narrower (a
   stall), or after {words.time(protocol.throughput_cap_s)}, for latency
   {words.time(protocol.latency_cap_s)}. Wider than ±{statistics.FAIR:.0%}, or fewer than
   {protocol.min_samples} samples because each takes so long, is flagged *noisy*; a stall within
   ±{statistics.FAIR:.0%} is not.
4. **Batch size** of *Inference* and *Training*: doubled until the gain is under
   {protocol.saturation_gain:.0%} or the memory would pass {protocol.memory_share:.0%} of the
   device. It stands beside every figure.
5. **Compiling** (`torch.compile`) happens before the warm-up; how long it took is kept apart and is
   part of no speed.
6. **Energy per image** is what an NVIDIA GPU's own counter says of the whole measurement, over the
   images that went through; unknown without a counter, or where the measurement took less than 1 s.

Doubts stand beside the figure as flags. *Launch bound*: the host takes over 1.1 times as long to
hand a step over as the device to run it, so a faster GPU would gain little. *Throttled*: the GPU
slowed itself down for heat or its hardware's sake; the worker then waits up to 10 s for it to
recover and measures once more, and the flag stays if it happens again. (A power limit in software
is normal on many cards: its share of the time is kept and nothing is flagged.) *Busy device*:
another process was on the GPU, or others took over 10 % of the processors. *Drift*: a run of more
than {SENTINEL_EVERY} models measures the same one again every {SENTINEL_EVERY}; where its time has
moved by over {statistics.FAIR:.0%}, and on a CPU by more than the noise of the run as well, the
rows since it last agreed are flagged.

One process holds the device and measures model after model. On a CPU under Linux each is measured
in a fork of it, which starts as a new process does but has everything imported: what a process has
run before decides which memory it keeps and which it takes again at every step, and that is up to a
quarter of a model's time. The process is replaced after a crash, when it gives no sign of life in
time, or when it keeps over 2 % of the device's memory, which a fork takes with it: that costs the
model at fault, and the next is measured right after.

The interval is where the median of a repeat would lie in 95 % of cases (93 % with the least,
seven samples; fewer cover less and are flagged), whatever the shape of the noise. A CPU that is
shared with others is never the same twice, which samples taken within seconds cannot know: there
the interval is widened by the noise of the run, and a difference smaller than that ranks nothing.
Every raw sample is kept; median, interval and spread are computed when read. A model that fails,
for want of memory, by a crash or by taking too long, is a row with the reason, never a gap. The
device, driver, library versions, precision, memory layout, clocks and threads are stored with every
run. A flagged figure is drawn hollow.

**Sources.** timm's own
[benchmark.py](https://github.com/huggingface/pytorch-image-models/blob/main/benchmark.py) is the
peer: same loss, optimiser and precisions, compared by `benchmarks/against_timm.py`. Blocks, and raw
samples kept, as in
[torch.utils.benchmark](https://docs.pytorch.org/docs/stable/benchmark_utils.html). Clocks, power,
heat and energy by [NVML](https://docs.nvidia.com/deploy/nvml-api/), whose counter moves in steps of
up to 100 ms ([Part-time power measurements](https://arxiv.org/abs/2312.02741)). The interval is a
pair of order statistics, as in Fligner and Wolfe, *The American Statistician* 30 (1976), 78-85: it
needs no bootstrap, and gives the same answer every time.
"""
)

st.subheader("How a speed is estimated")
errors = data.estimate_errors()
st.markdown(
    """
*My device in a minute* measures sixteen models and estimates all others from them. What is known of
a model is its time on every other device, its parameters, multiply-adds, activations, image size
and family; what the few measurements tell is how this device differs from those. The
sixteen are chosen because they tell most, among those that are quick. Each estimate has an interval
that should hold the measured time in nine cases of ten, and a device that behaves unlike all others
widens its own. A measurement far from what the others say is trusted less, and of other devices
flagged figures count for nothing. Estimates are never stored, never compared on the Compare page,
and give way to a measurement as soon as there is one.
"""
)
if not errors.empty:
    gpus = errors[(errors["device_kind"] == "cuda") & (errors["measure"] == "throughput")]
    cpus = errors[errors["device_kind"] == "cpu"]
    simpler = errors[["nearest_median_error", "multiply_adds_median_error"]].min(axis=1)
    better = int((errors["median_error"] < simpler).sum())
    st.markdown(
        f"""
How good that is can be tried out on published results: each set in turn, as if its device were new,
with every set of that device left out. Over {len(gpus)} sets of inference on GPUs the median error
is {gpus["median_error"].mean():.1%}, one model in ten is off by more than
{gpus["p90_error"].mean():.0%}, and {gpus["coverage"].mean():.0%} of the intervals hold the truth
(means over the sets). On CPUs, {len(cpus)} sets, the median error is
{cpus["median_error"].mean():.0%}. On {better} of all {len(errors)} sets the median error is
smaller than that of both simpler ways drawn below. The worst are sets of PyTorch 1, which no other
device has, and training, which only one GPU has. The model's few constants were chosen on these
very sets, which flatters it a little. `python -m bench estimate --evaluate` prints this table anew.
"""
    )
    st.altair_chart(
        estimate_charts.errors(errors, sets["label"]), width="stretch", key="estimate_errors"
    )

st.subheader("What the figures do not say")
st.markdown(
    f"""
- **Speed at a large batch says little about one image.** A model that is fast in bulk can wait on
  many small kernels when it works alone: look at *Latency*.
- **Speeds of different sets are comparable only when device, driver, PyTorch, cuDNN, precision,
  layout, compile mode and power limit agree.** Laid beside each other they show what a change of
  all these together does, not which of them did it.
- **A higher top-1 is not always a better architecture.** Pretraining data differ: ImageNet-22k,
  LAION-2B or WebLI against ImageNet-1k alone. The table names the data where the weights' name
  does.
- **Top-1 on ImageNet-1k is one test.** *More* in the sidebar offers
  {len(selection.DATASET_NAMES) - 1} others, clean twins of two of them included; on your own images
  the order may change, and fine-tuning changes it again.
- **Multiply-adds and parameters are poor proxies for speed**: that is why speeds are measured.
- **Reading and decoding images is not included**: only the model is timed.
- **Published times hold no interval.** Differences of a few percent between them may be noise.
"""
)
