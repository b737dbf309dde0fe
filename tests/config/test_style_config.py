"""Options: checks, presets and the JSON form."""

import copy
import dataclasses
import json
import pickle
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tf_style import vgg19
from tf_style.config import layer_lists, network, optimizer, presets, style_config
from tf_style.config import loss as loss_options
from tf_style.losses import variation as variations

STYLE_LAYERS = tuple(f"block{block}_conv1" for block in range(1, 6))


def test_gatys2016_has_the_papers_settings():
    preset = style_config.preset("gatys2016")
    assert preset.loss.content_weight / preset.loss.style_weight == pytest.approx(1e-3)
    assert preset.loss.content_layers == (("block4_conv2", 1.0),)
    assert preset.loss.style_layers == tuple((name, 0.2) for name in STYLE_LAYERS)
    assert preset.loss.content_reduction == "sum"
    assert preset.loss.tv_weight == 0
    assert (preset.network.pooling, preset.network.normalized) == ("avg", True)
    assert (preset.init, preset.optimizer.optimizer) == ("noise", "lbfgs")


def test_gatys2016_mean_differs_only_in_the_content_loss():
    mean, paper = (style_config.preset(name).to_dict() for name in ("gatys2016_mean", "gatys2016"))
    assert {name for name in paper if paper[name] != mean[name]} == {"preset", "content_reduction"}


FILTERS = (64, 128, 256, 512, 512)


def terms_of(name):
    """(content weight, each layer's style weight in E_l, weight of the total variation)."""
    loss = style_config.preset(name).loss
    assert [layer for layer, _ in loss.style_layers] == list(STYLE_LAYERS)
    content = [loss.content_weight * weight for _, weight in loss.content_layers]
    return content, [loss.style_weight * weight for _, weight in loss.style_layers], loss.tv_weight


@pytest.mark.parametrize(
    ("name", "content", "style", "variation"),
    [  # Each project's own weights, for means of squares; MSE(G / M) is 4 E_l.
        ("pastiche", 0.01, [4 * 10.0 / n**2 for n in FILTERS], 0.0),
        ("gatys_code", 1.0, [4 * 1e3 / n**2 for n in FILTERS], 0.0),
        ("neural_style", 5.0, [4 * 1e2 / n**2 for n in FILTERS], 1e-3 * 256**2),
    ],
)
def test_presets_have_their_projects_weights(name, content, style, variation):
    found_content, found_style, found_variation = terms_of(name)
    assert found_content == [content]
    assert found_style == pytest.approx(style)
    assert found_variation == variation
    preset = style_config.preset(name)
    assert (preset.network.pooling, preset.network.normalized) == ("max", False)
    assert (preset.network.padding, preset.loss.style_loss) == ("zeros", "gram")
    assert (preset.loss.content_reduction, preset.init) == ("mean", "content")


def test_crowsonkb_has_its_projects_weights_in_the_scale_of_these_features():
    content, style, variation = terms_of("crowsonkb")
    assert content == [0.015]
    assert style == pytest.approx([256 / 341, 64 / 341, 16 / 341, 4 / 341, 1 / 341])
    assert variation == pytest.approx(2 * 57.63**2)
    preset = style_config.preset("crowsonkb")
    assert (preset.network.pooling, preset.network.normalized) == ("max", False)
    assert (preset.network.padding, preset.init) == ("replicate", "content")
    assert (preset.loss.style_loss, preset.loss.tv_form) == ("wasserstein", "nine_point")


def test_layers_without_weights_share_1_equally():
    assert layer_lists.layer_weights("conv1_1,relu2_1", argument="x") == (
        ("block1_conv1", 0.5),
        ("block2_conv1", 0.5),
    )


def test_layers_are_sorted_by_the_networks_order():
    assert layer_lists.layer_weights("conv4_2:2, conv1_1:0.5", argument="x") == (
        ("block1_conv1", 0.5),
        ("block4_conv2", 2.0),
    )


@pytest.mark.parametrize("name", presets.PRESETS)
def test_presets_survive_json(name):
    preset = style_config.preset(name)
    assert style_config.StyleConfig.from_json(preset.to_json()) == preset


_weights = st.floats(0, 1e6, allow_nan=False)


@settings(deadline=None)
@given(
    preset=st.sampled_from(list(presets.PRESETS)),
    content_weight=st.floats(1e-3, 1e6),
    style_weight=st.floats(1e-3, 1e9),
    size=st.integers(0, 30000),
    style_scale=st.floats(0.01, 100),
    seed=st.integers(0, 2**40),
    normalized=st.booleans(),
    layers=st.dictionaries(st.sampled_from(vgg19.LAYERS), _weights, min_size=1),
)
def test_any_config_survives_json_exactly(preset, layers, **options):
    original = style_config.preset(preset).replace(style_layers=layers, **options)
    assert style_config.StyleConfig.from_json(original.to_json()) == original


@settings(deadline=None)
@given(st.text(alphabet=string.printable, max_size=200))
def test_any_text_is_a_config_or_a_clear_error(text):
    try:
        style_config.StyleConfig.from_json(text)
    except (ValueError, TypeError) as error:
        assert str(error)


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(10**308, 10**400)
    | st.floats()
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


@settings(deadline=None, max_examples=300)
@given(
    st.dictionaries(st.sampled_from([*style_config.FIELDS, "self", "unknown"]), _json, max_size=4)
)
def test_any_values_are_a_config_or_a_clear_error(values):
    try:
        style_config.StyleConfig.from_dict(values)
    except (ValueError, TypeError) as error:
        assert str(error).startswith(("`", "At least", "Cannot"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"style_weight": -1.0},
            "`style_weight` must lie within 0..1e+30. Received: style_weight=-1.0",
        ),
        ({"content_weight": float("nan")}, "must be a finite number"),
        ({"pooling": "mx"}, "'avg', 'max'. Received: pooling='mx'. Did you mean 'max'"),
        ({"padding": "reflekt"}, "Did you mean 'reflect'"),
        ({"style_loss": "w2"}, "`style_loss` must be one of 'gram', 'covariance', 'mean_std'"),
        ({"style_loss": "gram,conv5_1:slice"}, "Did you mean 'sliced'"),
        ({"style_loss": "conv5_1:sliced"}, "nothing for 'block1_conv1', 'block2_conv1'"),
        ({"style_loss": "gram,conv4_2:sliced"}, "Leave 'conv4_2' out, or use that layer too"),
        ({"content_reduction": "self"}, "'sum', 'mean', 'self_similarity'. Received"),
        ({"tv_form": "sum"}, "'sum_square', 'nine_point'. Received: tv_form='sum'"),
        ({"optimizer": "lbfsg"}, "Did you mean 'lbfgs'"),
        ({"style_layers": "conv9_1"}, "Did you mean 'conv"),
        ({"style_layers": "conv1_1:x"}, "must give each weight as a number"),
        ({"style_layers": "conv1_1:-2"}, "must lie within 0..1e+30"),
        ({"style_layers": "conv1_1,relu1_1"}, "'block1_conv1' twice"),
        ({"style_layers": ""}, "at least one layer"),
        ({"steps": 0}, "`steps` must be at least 1"),
        ({"stepz": 1}, "Did you mean 'steps'"),
        ({"size": 10**6}, "within 0..30000"),
        ({"style_size": 100, "style_scale": 2.0}, "Cannot use `style_size` with `style_scale`"),
        (
            {"color": "contents"},
            "'match', 'luminance'. Received: color='contents'. Did you mean 'content'?",
        ),
        ({"color": "match", "color_match": "histo"}, "'histogram'. Received: color_match='histo'"),
        (
            {"color_match": "symmetric"},
            "Cannot use `color_match` with color='style'. This is because only color='match' uses "
            "it. Received: color_match='symmetric'. Use it with color='match'.",
        ),
        ({"content_weight": 0.0, "style_weight": 0.0}, "must be above 0"),
        ({"content_weight": 0.0, "style_layers": "conv1_1:0"}, "style_strength="),
        ({"content_weight": 0.0, "style_strength": 0.0}, "style_strength="),
        ({"style_strength": -1.0}, "`style_strength` must lie within 0..1e+30"),
        ({"optimizer": "tfp_lbfsg"}, "Did you mean 'tfp_lbfgs'"),
        ({"parametrization": "spectra"}, "'spectrum', 'pixels'"),
        ({"precision": "float16"}, "`precision` must be one of 'auto', 'float32', 'bfloat16'"),
        ({"scales": "0.5,1"}, "as in '0.25:50,0.5:25,1:25'. Received: scales='0.5,1'"),
        ({"time_budget": -1.0}, "`time_budget` must lie within 0..1e+09. Received: time_budget=-1"),
        ({"time_budget": float("inf")}, "`time_budget` must be a finite number"),
        (
            {"deterministic": True, "time_budget": 5.0},
            "Cannot use `deterministic` with `time_budget`. This is because the number of steps",
        ),
    ],
)
def test_wrong_values_are_errors_that_name_the_rule(options, message):
    with pytest.raises(ValueError) as error:
        style_config.StyleConfig().replace(**options)
    assert message in str(error.value)


@pytest.mark.parametrize(
    "options",
    [{"steps": 1.5}, {"normalized": 1}, {"steps": True}, {"gamut": 1}, {"deterministic": "yes"}],
)
def test_wrong_types_are_errors(options):
    (name,) = options
    with pytest.raises(TypeError, match=f"`{name}` must be of type"):
        style_config.StyleConfig().replace(**options)


def test_an_unknown_preset_lists_the_presets():
    with pytest.raises(
        ValueError, match=r"'default', 'classic', 'gatys2016'.*Did you mean 'gatys2016'"
    ):
        style_config.preset("gatys2015")


def test_a_preset_is_applied_by_its_function_not_by_replacing_its_name():
    with pytest.raises(ValueError, match=r"Use `tf_style.preset\('gatys2016'\)`"):
        style_config.StyleConfig().replace(preset="gatys2016")
    with pytest.raises(ValueError, match="`preset` must be one of"):
        style_config.StyleConfig(preset="nonsense")
    assert style_config.StyleConfig.from_dict({"preset": "gatys2016"}) == style_config.preset(
        "gatys2016"
    )


def test_choices_are_those_of_the_tables():
    from tf_style.engine import parametrization
    from tf_style.images import color_match
    from tf_style.losses import content as content_losses
    from tf_style.losses import style as style_losses
    from tf_style.network import extractor
    from tf_style.optimizers import table

    assert tuple(extractor.POOLING_LAYERS) == network.POOLINGS
    assert tuple(extractor.PADDING_RULES) == network.PADDINGS
    assert tuple(content_losses.CONTENT_LOSSES) == loss_options.REDUCTIONS
    assert tuple(style_losses.STYLE_LOSSES) == loss_options.STYLE_LOSS_NAMES
    assert tuple(variations.TOTAL_VARIATIONS) == loss_options.TV_FORMS
    names = {*loss_options.STYLE_LOSS_NAMES, *loss_options.REDUCTIONS}
    assert names.issuperset(loss_options.UNTILEABLE)
    assert tuple(table.OPTIMIZERS) == optimizer.OPTIMIZER_NAMES
    assert tuple(color_match.MATCHES) == style_config.COLOR_MATCHES
    assert tuple(parametrization.PARAMETRIZATIONS) == optimizer.PARAMETRIZATION_NAMES


def test_each_style_layer_may_have_its_own_loss():
    loss = loss_options.LossConfig(style_layers="conv1_1,conv3_1", style_loss="gram,relu3_1:sliced")
    assert loss.style_losses == {"block1_conv1": "gram", "block3_conv1": "sliced"}
    assert loss_options.LossConfig().style_losses == {
        f"block{block}_conv1": "gram" for block in range(1, 6)
    }


def test_configs_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        style_config.StyleConfig().size = 3


def test_json_uses_the_options_flat_names():
    assert set(json.loads(style_config.StyleConfig().to_json())) == set(style_config.FIELDS)


@pytest.mark.parametrize("text", ["9" * 5000, '{"steps": ' + "9" * 5000 + "}", "[" * 100_000])
def test_json_that_python_cannot_read_is_an_error(text):
    with pytest.raises(ValueError, match="The config must be JSON"):
        style_config.StyleConfig.from_json(text)


@pytest.mark.parametrize(
    "options",
    [
        {"color": "x" * 9999},
        {"style_layers": "x" * 9999},
        {"style_loss": "x" * 9999},
        {"style_blend": "x" * 9999},
        {"scales": "x" * 9999},
        {"size": 10**5000},
        {"size": [0] * 9999},
        {"x" * 9999: 1},
    ],
)
def test_long_values_are_shortened_in_errors(options):
    with pytest.raises((ValueError, TypeError), match="`") as error:
        style_config.StyleConfig().replace(**options)
    assert len(str(error.value)) < 1500


@pytest.mark.parametrize(
    ("text", "expected"), [("0.5", (0.5, 0.5)), ("0.25,-0.25", (0.25, -0.25)), ("0", (0.0, 0.0))]
)
def test_exponents_are_one_for_all_sizes_or_two(text, expected):
    options = optimizer.OptimizerConfig(exponents=text)
    assert options.spectrum_exponents == expected
    assert [options.exponent_at(number) for number in range(3)] == [expected[0], *[expected[1]] * 2]


@pytest.mark.parametrize("text", ["", "a", "nan", "0.5,0.2,0.1", "2.5", "0.5,", "inf"])
def test_wrong_exponents_are_errors(text):
    with pytest.raises(ValueError, match="`exponents` must be one or two numbers within -2..2"):
        optimizer.OptimizerConfig(exponents=text)


def test_a_strength_counts_squared_with_relative_losses_alone():
    assert loss_options.LossConfig(style_strength=3.0).style_factor == 9.0
    absolute = loss_options.LossConfig(style_strength=3.0, relative_losses=False)
    assert absolute.style_factor == 3.0
    with pytest.raises(ValueError, match="`content_power` must lie within 1..16"):
        loss_options.LossConfig(content_power=0.5)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"size": 512}, {"size": 192}),
        ({"size": 0}, {"size": 192}),
        ({"size": 2000, "style_size": 1000}, {"size": 192, "style_size": 96}),
        ({"size": 20000, "style_size": 50}, {"size": 192, "style_size": 1}),
        ({"size": 150, "style_size": 90}, {"size": 150, "style_size": 90}),
    ],
)
def test_a_preview_has_the_same_settings_at_a_smaller_size(options, expected):
    config = style_config.StyleConfig().replace(steps=9, style_strength=2.0, **options)
    assert config.previewed() == config.replace(**expected)


def test_a_preview_needs_the_ratio_of_the_sizes():
    config = style_config.StyleConfig().replace(size=0, style_size=90)
    with pytest.raises(ValueError, match="Cannot use `preview` with `style_size` if size=0"):
        config.previewed()


def test_options_of_groups_are_given_by_flat_name():
    loss = loss_options.LossConfig(content_weight=3.0)
    found = style_config.StyleConfig(size=64, steps=5, style_weight=2.0, loss=loss, pooling="max")
    expected = style_config.StyleConfig(size=64, loss=loss).replace(
        steps=5, style_weight=2.0, pooling="max"
    )
    assert found == expected
    assert (found.loss.content_weight, found.optimizer.steps) == (3.0, 5)
    assert dataclasses.replace(found, seed=1) == found.replace(seed=1)
    assert copy.deepcopy(found) == pickle.loads(pickle.dumps(found)) == found
    assert style_config.StyleConfig(optimizer="adam", steps=3).optimizer == (
        optimizer.OptimizerConfig(optimizer="adam", steps=3)
    )
    for make in (style_config.StyleConfig, found.replace):
        with pytest.raises(ValueError, match="`stepz` must be an option.* Did you mean 'steps'"):
            make(stepz=5)
    with pytest.raises(ValueError, match="`steps` must"):
        style_config.StyleConfig(steps=-1)
    with pytest.raises(TypeError, match="`steps` must be of type int"):
        style_config.StyleConfig(steps="5")
