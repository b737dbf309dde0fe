"""Presets: named settings, with the source of each. No TensorFlow here.

A preset lists the options that define it; all others keep the defaults of their fields.
"""

from typing import Any

from tf_style import vgg19

# The units of the paper and of other programs: no loss is divided by its scale, a scan is painted
# with its margin, and colors are left as the optimizer finds them.
_ABSOLUTE = {
    "relative_losses": False,
    "content_power": 1.0,
    "exponents": "0.25,-0.25",
    "keep_margins": True,
    "limit_chroma": False,
    "steps": 25,
}

# The paper to the letter. Gatys et al. (2016): section 2 (normalized VGG-19, average pooling),
# equations 1, 4, 5 and 7 with their sums, section 3 (white noise, L-BFGS), figure 3
# (alpha / beta = 1e-3). It leaves the number of steps open.
_GATYS2016 = {
    **_ABSOLUTE,
    "init": "noise",
    "padding": "zeros",
    "pooling": "avg",
    "normalized": True,
    "content_weight": 1.0,
    "style_weight": 1000.0,
    "tv_weight": 0.0,
    "content_layers": "conv4_2:1",
    "style_layers": "conv1_1,conv2_1,conv3_1,conv4_1,conv5_1",
    "content_reduction": "sum",
    "optimizer": "lbfgs",
    "parametrization": "pixels",
    "gamut": False,
    "scales": "none",
    "steps": 300,
}

# The objectives of other projects. "MSE" is the mean of squared differences over all entries;
# G / M is `moments.gram_matrix`, and E_l = MSE(G / M) / 4. The optimizer and the number of steps
# keep the defaults of this project.
_STYLE_LAYERS = tuple(f"block{block}_conv1" for block in range(1, 6))
_ORIGINAL_NETWORK = {
    **_ABSOLUTE,
    "pooling": "max",
    "padding": "zeros",
    "normalized": False,
    "init": "content",
}
# MSE(G / M) / N^2, for N filters.
_BY_FILTERS = {name: 4.0 / vgg19.KERNEL_SHAPES[name][-1] ** 2 for name in _STYLE_LAYERS}
_AUTHORS = {
    **_ORIGINAL_NETWORK,
    "content_layers": {"block4_conv2": 1.0},
    "style_layers": _BY_FILTERS,
    "content_reduction": "mean",
    "style_loss": "gram",
    "tv_weight": 0.0,
}

PRESETS: dict[str, dict[str, Any]] = {
    # The best practical choice so far; docs/notes/ has the measurement behind each value.
    "default": {},
    # The default of earlier versions; settings files that they wrote are read as this preset.
    "classic": {
        **_ABSOLUTE,
        "style_weight": 2000.0,
        "tv_weight": 20.0,
        "style_layers": ",".join(_STYLE_LAYERS),
    },
    "gatys2016": _GATYS2016,
    # Differs from Gatys et al. (2016), eq. 1: the mean of squares, not half their sum. The sum is
    # almost a million times as large at 512 px, and figure 3's alpha / beta then returns the
    # photograph; with the mean, as in the authors' code, the style comes through.
    "gatys2016_mean": {**_GATYS2016, "content_reduction": "mean"},
    # leongatys/NeuralImageSynthesis, the original network: MSE at conv4_2, 1e3 / N^2 MSE(G / M).
    "gatys_code": {**_AUTHORS, "content_weight": 1.0, "style_weight": 1e3},
    # dstein64/pastiche: a hundredth of those weights. Differs: the longer edge has 512 px; theirs
    # sets the area, 500 x 500 px.
    "pastiche": {**_AUTHORS, "content_weight": 0.01, "style_weight": 10.0},
    # jcjohnson/neural-style: 5 MSE at conv4_2, 100 MSE(G / (N M)), and 1e-3 times its total
    # variation of values 0..256. Differs: starts from the content (an option there), not from
    # noise; the network reads 0..255, as in its training, not 0..256; and the total variation is
    # part of the loss that is reported and used by the line search, which it is not there.
    "neural_style": {
        **_AUTHORS,
        "content_weight": 5.0,
        "style_weight": 100.0,
        "tv_weight": 1e-3 * 256.0**2,
        "tv_form": "sum_square",
    },
    # crowsonkb/style-transfer-pytorch: 0.015 MSE at conv4_2, the Wasserstein distance, and 2 times
    # its total variation. Differs: this project's schedule and optimizer, not several sizes with
    # Adam and averaged iterates; and Keras' VGG-19 weights, not torchvision's. The latter read
    # pixels divided by 255 * 0.226. ReLUs are homogeneous, so their features are smaller by about
    # that factor, and all terms except the total variation by its square; the total variation is
    # multiplied by that square here. An estimate: the two networks were trained separately.
    "crowsonkb": {
        **_ORIGINAL_NETWORK,
        "padding": "replicate",
        "style_loss": "wasserstein",
        "content_reduction": "mean",
        "tv_form": "nine_point",
        "content_layers": {"block4_conv2": 1.0},
        "style_layers": {
            name: share / 341.0
            for name, share in zip(_STYLE_LAYERS, (256.0, 64.0, 16.0, 4.0, 1.0), strict=True)
        },
        "content_weight": 0.015,
        "style_weight": 1.0,
        "tv_weight": 2.0 * (255.0 * 0.226) ** 2,
    },
}
"""The options that each preset sets; all others keep the defaults of their fields."""
