"""What a model's card says of the samples behind a speed."""

from pages.ui import card


def test_steps_are_told_by_their_verdict_and_their_percentiles() -> None:
    samples_s = [0.001 * (100 + n) for n in (1, 9, 2, 8, 3, 7, 4, 6, 5)]
    # By hand: nine samples need their whole range, 101 to 109, around 105.
    assert card.steps(samples_s, 0.0) == (
        "noisy: interval ±3.8 %; 9 samples, half of them 103 ms to 107 ms, "
        "nine in ten 101 ms to 109 ms"
    )
    assert card.steps([0.002] * 9, 0.0).startswith("steady; 9 samples")
    assert card.steps([0.002] * 9, 0.1).startswith("noisy: interval ±10 %; ")
