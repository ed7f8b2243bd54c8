"""Choices written as in Python: read as Python would, and never run."""

import pytest

from isthmus import likelihoods, noise, priors
from isthmus.cli._choices import ChoiceError, read
from isthmus.objectives import losses
from isthmus.registry import likelihoods as LIKELIHOODS
from isthmus.registry import losses as LOSSES
from isthmus.registry import noises as NOISES
from isthmus.registry import priors as PRIORS

WRITTEN = [
    (NOISES, "Gaussian(0.5)", noise.Gaussian(0.5)),
    (NOISES, " gaussian ", noise.Gaussian()),
    (NOISES, "isthmus.noise.Masking(value=-1)", noise.Masking(value=-1)),
    (NOISES, "noise.SaltAndPepper", noise.SaltAndPepper()),
    (NOISES, "ImageJitter((2, 4), shift=0.5)", noise.ImageJitter((2, 4), shift=0.5)),
    (
        NOISES,
        "Compose([Neighbours(5), masking, Compose((Gaussian(scale=0.1),))])",
        noise.Compose(
            [noise.Neighbours(5), noise.Masking(), noise.Compose([noise.Gaussian(scale=0.1)])]
        ),
    ),
    (PRIORS, "STANDARDNORMAL", priors.StandardNormal()),
    (PRIORS, "Uniform(edge=0.2)", priors.Uniform(edge=0.2)),
    (PRIORS, "Mixture(20)", priors.Mixture(20)),
    (LIKELIHOODS, "Gaussian('feature')", likelihoods.Gaussian("feature")),
    (LIKELIHOODS, "poisson", likelihoods.Poisson()),
    (LIKELIHOODS, "NegativeBinomial()", likelihoods.NegativeBinomial()),
    (LOSSES, "isthmus.Huber(0.5)", losses.Huber(0.5)),
    (LOSSES, "cross_entropy", losses.CrossEntropy()),
]


@pytest.mark.parametrize(("kind", "text", "expected"), WRITTEN)
def test_a_text_is_what_python_makes_of_it(kind, text, expected):
    assert read(text, kind) == expected
    assert type(read(text, kind)) is type(expected)


@pytest.mark.parametrize(("kind", "text", "expected"), WRITTEN)
def test_what_python_shows_can_be_typed(kind, text, expected):
    """What ``isthmus info`` prints is what ``isthmus fit`` takes."""
    assert read(repr(expected), kind) == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Gausian(0.3)", "no 'Gausian'. The choices of noise are Gaussian, Masking, .*Compose; write"),
        ("Mixture(3)", "there is no 'Mixture'"),
        ("Gaussian(0.3", "'Gaussian\\(0.3' is not written as in Python.*such as \"Compose"),
        ("", "'' is not written as in Python"),
        ("0.3", "'0.3' is not one of the choices"),
        ("Gaussian(1, 2)", r"too many positional arguments; it is written Gaussian\(scale=0.3\)"),
        (
            "ImageJitter",
            r"missing a required argument: 'shape'; it is written ImageJitter\(shape, shift",
        ),
        ("Gaussian(scale=1, scale=2)", "an argument is repeated"),
        ("Masking(2)", r"^Masking\(fraction=2\): expected a .*number from 0 to 1$"),
        ("Compose([0.3])", "noise=0.3: expected a noise"),
        ("Masking(value=zero)", "zero is no number; if it is text, it needs quotes: 'zero'"),
        ("Gaussian(1 / 3)", "1 / 3 is no number, text, list or choice"),
    ],
)
def test_what_is_no_choice_says_which_there_are(text, told):
    with pytest.raises(ChoiceError, match=told):
        read(text, NOISES)


@pytest.mark.parametrize(
    "text",
    [
        "Gaussian(open('{path}', 'w'))",
        "Compose([open('{path}', 'w')])",
        "Gaussian(*[open('{path}', 'w')])",
        "Gaussian(**dict(scale=open('{path}', 'w')))",
        "open('{path}', 'w')",
        "noise.Gaussian.__class__(open('{path}', 'w'))",
        "(lambda: open('{path}', 'w'))()",
        "[Gaussian(open('{path}', 'w')) for _ in (1,)]",
    ],
)
def test_nothing_in_a_text_is_run(tmp_path, text):
    path = tmp_path / "opened"
    with pytest.raises(ChoiceError):
        read(text.format(path=path), NOISES)
    assert not path.exists()
