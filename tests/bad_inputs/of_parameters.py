"""Parameters and choices that an estimator refuses."""

import isthmus
from bad_inputs.inputs import Input, tiny, tiny_command
from isthmus import likelihoods, noise

GAUSSIAN, BERNOULLI, POISSON = likelihoods.Gaussian(), likelihoods.Bernoulli(), likelihoods.Poisson()


def must_be(parameter: str, kind: str, came: str) -> str:
    """What scikit-learn says of a parameter that its constraints refuse, as a pattern."""
    return f"'{parameter}' parameter of [A-Za-z]+ must be {kind}.*Got {came} instead"


def parameter(name, given, says, options, code=1, prints=None):
    """A bad parameter, and the same as an option."""
    return Input(
        name, lambda w: tiny(**given), ValueError, says,
        lambda w: tiny_command(w, *options), code, prints or says,
    )  # fmt: skip


def choice(name, model, given, error, says, options, code=1, prints=None):
    """A bad parameter of a denoising or variational map, and the same as an option."""
    return Input(
        name, lambda w: tiny(model, **given), error, says,
        lambda w: tiny_command(w, "--model", model, *options), code, prints or says,
    )  # fmt: skip


# The formatter would make these tables three times as long; w is the workspace.
# fmt: off
PARAMETERS = [
    parameter("more coordinates than the data have", {"n_components": 5},
              "n_components=5 is more than the data can tell apart.*Use at most 4", ["-d", 5]),
    parameter("no coordinates", {"n_components": 0},
              must_be("n_components", "an int", "0"),
              ["-d", 0]),
    parameter("coordinates that are no number", {"n_components": "two"},
              must_be("n_components", "an int", "'two'"),
              ["-d", "two"], 2, "'two' is not a number"),
    parameter("true or false for a number", {"n_components": True},
              must_be("n_components", "an int", "True"),
              ["-d", "true"], 2, "'true' is not a number"),
    Input("text for true or false", lambda w: tiny(tied="false"), ValueError,
          must_be("tied", "an instance of 'bool'", "'false'"), None, None, ""),
    parameter("a negative width", {"widths": (4, -8)}, r"widths\[1\]=-8: expected",
              ["--widths", "4,-8"]),
    parameter("widths that are no list of numbers", {"widths": "wide"}, r"such as \(512, 256\)",
              ["--widths", "wide"], 2, "as in 512,256"),
    parameter("an unknown activation", {"activation": "step"},
              "activation='step' is not known; use one of 'tanh'", ["--activation", "step"]),
    parameter("another number of activations than layers", {"activation": ["tanh", "relu", "cos"]},
              "activation has 3 entries for 1 hidden layers", ["--activation", "tanh,relu,cos"]),
    parameter("an unknown loss", {"loss": "cubed"}, "loss='cubed' is not known; use one of 'squared'",
              ["--loss", "cubed"], 2, "there is no 'cubed'. The choices of loss are Squared"),
    parameter("an unknown scaling", {"scaling": "log"},
              must_be("scaling", "a str among .*'range'", "'log'"),
              ["--scaling", "log"], 2, "'log' is not one of 'auto', 'none', 'standard'"),
    parameter("an unknown skip", {"skip": "ica"},
              must_be("skip", "a str among {'pca'} or None", "'ica'"),
              ["--skip", "ica"], 2, "'ica' is not one of 'pca', 'none'"),
    parameter("cross-entropy of data outside [0, 1]", {"loss": "cross_entropy"},
              r"needs data in \[0, 1\].*use scaling='range'", ["--loss", "cross_entropy"]),
    parameter("cross-entropy with standard scaling", {"loss": "cross_entropy", "scaling": "standard"},
              "use scaling='range'", ["--loss", "cross_entropy", "--scaling", "standard"]),
    parameter("a negative learning rate", {"learning_rate": -1.0},
              must_be("learning_rate", r"a float in the range \(0", "-1.0"), ["--learning-rate", -1]),
    Input("a learning rate that is far too high",
          lambda w: tiny(learning_rate=1e30, validation_fraction=0.1),
          isthmus.DivergenceError, "NaN or infinite in epoch 1.*try a tenth of it",
          lambda w: tiny_command(w, "--learning-rate", 1e30, "--validation-fraction", 0.1), 1,
          "epoch 1.*try a tenth of it"),
    parameter("an empty batch", {"batch_size": 0},
              must_be("batch_size", "an int", "0"), ["--batch-size", 0]),
    parameter("no epochs", {"max_epochs": 0}, must_be("max_epochs", "an int", "0"), ["--max-epochs", 0]),
    parameter("no patience", {"patience": 0}, must_be("patience", "an int", "0"), ["--patience", 0]),
    parameter("all rows held out", {"validation_fraction": 1.0},
              must_be("validation_fraction", r"a float in the range \[0.0, 1.0\)", "1.0"),
              ["--validation-fraction", 1]),
    parameter("a negative seed", {"random_state": -1},
              must_be("random_state", "an int", "-1"), ["--seed", -1]),
    Input("an unknown parameter", lambda w: isthmus.Autoencoder(depth=3), TypeError,
          "unexpected keyword argument 'depth'", lambda w: tiny_command(w, "--depth", 3), 2,
          "No such option.*--depth"),
]
CHOICES = [
    choice("an unknown noise", "denoising", {"noise": "blur"}, TypeError,
           r"noise='blur': expected a noise such as isthmus.noise.Gaussian\(0.3\)",
           ["--noise", "Blur(2)"], 2, "there is no 'Blur'. The choices of noise are Gaussian"),
    choice("an unknown prior", "variational", {"prior": "normal"}, TypeError,
           "prior='normal': expected a prior such as", ["--prior", "normal"], 2,
           "there is no 'normal'. The choices of prior are StandardNormal, .* such as"),
    choice("an unknown likelihood", "variational", {"likelihood": "normal"}, TypeError,
           "likelihood='normal': expected a likelihood such as", ["--likelihood", "Normal()"], 2,
           "there is no 'Normal'. The choices of likelihood are Gaussian, .* such as"),
    choice("a choice without its brackets", "denoising", {"noise": noise.Masking}, TypeError,
           "expected a noise such as", ["--noise", "masking"], 0, "saved"),
    Input("a choice that breaks off", None, None, "",
          lambda w: tiny_command(w, "--model", "denoising", "--noise", "Masking(0.2"), 2,
          r"'Masking\(0.2' is not written as in Python. The choices of noise are Gaussian, "),
    Input("text in a choice without quotes", None, None, "",
          lambda w: tiny_command(w, "--model", "variational", "--likelihood", "Gaussian(feature)"), 2,
          "feature is no number; if it is text, it needs quotes: 'feature'"),
    Input("an argument that a choice does not take", lambda w: noise.Gaussian(sigma=1), TypeError,
          "unexpected keyword argument 'sigma'",
          lambda w: tiny_command(w, "--model", "denoising", "--noise", "Gaussian(sigma=1)"), 2,
          r"unexpected keyword argument 'sigma'; it is written Gaussian\(scale=0.3\)"),
    Input("a parameter of a choice out of range", lambda w: noise.Masking(2), ValueError,
          r"Masking\(fraction=2\): expected a .*number from 0 to 1",
          lambda w: tiny_command(w, "--model", "denoising", "--noise", "Masking(2)"), 2,
          r"Masking\(fraction=2\): expected a .*number from 0 to 1"),
    choice("images of another shape than the rows", "denoising", {"noise": noise.ImageJitter((8, 8))},
           ValueError, "the shape has 64 pixels, and the data have 4 features",
           ["--noise", "ImageJitter((8, 8))"]),
    choice("no draws of the noise", "denoising", {"draws": 0}, ValueError,
           must_be("draws", "an int", "0"),
           ["--draws", 0]),
    choice("no weight of the KL divergence", "variational", {"beta": 0.0}, ValueError,
           must_be("beta", r"a float in the range \(0.0, inf\)", "0.0"), ["--beta", 0]),
    choice("a warm-up that never ends", "variational", {"warm_up": 1.0}, ValueError,
           must_be("warm_up", r"a float in the range \[0.0, 1.0\)", "1.0"), ["--warm-up", 1]),
    choice("negative free bits", "variational", {"free_bits": -1.0}, ValueError,
           must_be("free_bits", "a float", "-1.0"), ["--free-bits", -1]),
    choice("negative noise at the input", "variational", {"input_noise": -1.0}, ValueError,
           must_be("input_noise", "a float", "-1.0"), ["--input-noise", -1]),
    choice("an option of another model", "variational", {"noise": noise.Masking()}, TypeError,
           "unexpected keyword argument 'noise'", ["--noise", "Masking"], 2,
           "--model variational does not take --noise; --model denoising does"),
]
# fmt: on
