"""The objective's hand-written reverse pass against automatic differentiation and float64."""

import itertools

import numpy as np
import pytest
import reference
import tensorflow as tf
from golden_numbers import check_total_and_gradient, golden_numbers, pictures_of
from units import PAPER

from tf_style.config import loss as loss_options
from tf_style.config import presets, style_config
from tf_style.export.options import SIGNATURES
from tf_style.export.tensor_names import named_terms
from tf_style.losses import content as content_losses
from tf_style.losses import moments, variation
from tf_style.losses.style import STYLE_LOSSES
from tf_style.network import weights
from tf_style.network.extractor import PADDING_RULES, POOLING_LAYERS, build_extractor
from tf_style.objective.objective import Objective
from tf_style.portable import layers as portable_layers
from tf_style.portable import losses as portable_losses
from tf_style.portable.objective import PortableObjective

GOLDENS = golden_numbers("vgg19_8bit.json")
NETWORKS = list(itertools.product(POOLING_LAYERS, PADDING_RULES))
SHALLOW = {"content_layers": "conv3_1", "style_layers": "conv1_1,conv2_1,conv3_1"}
"""Two poolings and half of the default layers: for tests that do not depend on depth."""
LOSSES = list(itertools.product(portable_losses.CONTENT_LOSSES, variation.TOTAL_VARIATIONS))


def make(layers, pooling="avg", padding="replicate", **loss):
    """Returns the objective and its portable form."""
    loss = loss_options.LossConfig(**loss)
    extractor = build_extractor(layers, layers=loss.layers, pooling=pooling, padding=padding)
    return Objective(extractor, loss), PortableObjective(extractor, loss)


def pictures(rng, *sizes, levels=None):
    """Returns random images; with `levels`, with only that many levels of gray, to force ties."""
    found = (rng.uniform(size=(1, *size, 3)) for size in sizes)
    if levels is not None:
        found = (np.floor(array * levels) / levels for array in found)
    return [tf.constant(array.astype(np.float32)) for array in found]


def agree(found, expected, limit=1e-5):
    """Returns whether two arrays agree, by the norm of their difference."""
    assert found.shape == expected.shape
    return np.linalg.norm(found - expected) <= limit * np.linalg.norm(expected)


def compare(objective, portable, image, content, style):
    """Compares features, targets, loss and gradient."""
    targets = objective.targets(content, style)
    own = portable.targets(content, style)
    for found, expected in zip(tf.nest.flatten(own), tf.nest.flatten(targets), strict=True):
        assert agree(found, expected)
    features = objective.extractor(image)
    for name, array in portable.features(image).items():
        assert agree(array, features[name], 1e-6)
    terms = objective.terms(image, targets)
    found = compare_gradients(objective, portable, image, targets, own)
    expected_terms = named_terms(terms)
    assert set(found) == {*expected_terms, "gradient"}
    for name, expected in expected_terms.items():
        assert float(found[name]) == pytest.approx(float(expected), rel=1e-5)


def compare_gradients(objective, portable, image, targets, own):
    total, gradient = objective.value_and_gradient(image, targets)
    found = portable.loss_and_gradient(image, own)
    assert float(found["total_loss"]) == pytest.approx(float(total), rel=1e-5)
    assert agree(found["gradient"], gradient)
    return found


@pytest.mark.parametrize("pooling, padding", NETWORKS)
def test_losses_and_gradient_match_automatic_differentiation(
    pooling, padding, mini_layers, rng, eagerly
):
    image, content, style = pictures(rng, (33, 38), (33, 38), (34, 37))
    objective, portable = make(mini_layers, pooling, padding, **SHALLOW)
    compare(objective, portable, image, content, style)
    targets, own = objective.targets(content, style), portable.targets(content, style)
    for reduction, form in LOSSES:
        loss = loss_options.LossConfig(
            content_reduction=reduction, tv_form=form, tv_weight=1e3, **SHALLOW
        )
        objective.config = portable.config = loss
        compare_gradients(objective, portable, image, targets, own)


@pytest.mark.parametrize("pooling", POOLING_LAYERS)
@pytest.mark.parametrize("size", [(32, 32), (33, 32), (32, 47), (63, 61)])
def test_odd_rows_and_columns_that_pooling_drops_get_no_gradient(
    size, pooling, mini_layers, rng, eagerly
):
    images = pictures(rng, size, size, (40, 33))
    compare(*make(mini_layers, pooling, "zeros"), *images)


@pytest.mark.parametrize("levels", [1, 2, 3])
@pytest.mark.parametrize("padding", PADDING_RULES)
def test_ties_in_max_pooling_are_broken_as_in_tensorflow(
    padding, levels, mini_layers, rng, eagerly
):
    flat, content, style = pictures(rng, (38, 41), (38, 41), (32, 35), levels=levels)
    compare(*make(mini_layers, "max", padding, **SHALLOW), flat, content + 0.25, style + 0.5)


def test_the_wasserstein_gradient_matches_automatic_differentiation(mini_layers, rng, eagerly):
    images = pictures(rng, (39, 46), (39, 46), (34, 37))
    compare(*make(mini_layers, style_loss="wasserstein", style_weight=1.0), *images)


@pytest.mark.parametrize("name", presets.PRESETS)
def test_the_gradient_of_every_preset_matches_automatic_differentiation(
    name, mini_layers, rng, eagerly
):
    preset = style_config.preset(name)
    network = preset.network
    extractor = build_extractor(
        mini_layers, layers=preset.loss.layers, pooling=network.pooling, padding=network.padding
    )
    pair = Objective(extractor, preset.loss), PortableObjective(extractor, preset.loss)
    compare(*pair, *pictures(rng, (39, 46), (39, 46), (34, 37)))


def test_layers_of_both_kinds_and_pooling_layers_add_up(mini_layers, rng, eagerly):
    layers = {"content_layers": "conv2_2:0.3,conv3_1:0.7", "style_layers": "pool1:2,conv3_1,pool3"}
    images = pictures(rng, (25, 30), (25, 30), (34, 37))
    compare(*make(mini_layers, style_strength=3.0, tv_weight=0.0, **layers), *images)


@pytest.mark.parametrize("pooling", POOLING_LAYERS)
def test_the_gradient_agrees_with_central_differences_of_the_float64_program(
    pooling, mini_layers, rng
):
    preset = style_config.StyleConfig().replace(pooling=pooling)
    _, portable = make(mini_layers, pooling)
    image, content, style = pictures(rng, (36, 41), (36, 41), (33, 42))
    found = portable.loss_and_gradient(image, portable.targets(content, style))
    gradient = found["gradient"].numpy().astype(np.float64)

    def truth(picture):
        others = content.numpy(), style.numpy()
        return reference.total_loss(picture, *others, mini_layers, preset.to_dict())

    assert float(found["total_loss"]) == pytest.approx(truth(image.numpy()), rel=1e-5)
    for _ in range(3):
        # A component along the gradient keeps the directional derivative from being tiny.
        direction = rng.normal(size=image.shape) + gradient / np.sqrt((gradient**2).mean())
        ahead, behind = (truth(image.numpy() + h * direction) for h in (1e-7, -1e-7))
        assert np.vdot(gradient, direction) == pytest.approx((ahead - behind) / 2e-7, rel=1e-3)


@pytest.mark.weights
@pytest.mark.parametrize("name", GOLDENS)
def test_the_real_network_agrees_with_the_float64_goldens(name, real_layers):
    golden, layers = GOLDENS[name], real_layers
    if golden["normalized"]:
        layers = weights.normalize(layers, weights.mean_activations())
    loss = {"style_weight": 1000.0, "tv_weight": 0.0, "content_reduction": "sum", **PAPER}
    loss["style_layers"] = ",".join(f"conv{block}_1" for block in range(1, 6))
    _, portable = make(layers, golden["pooling"], "zeros", **loss)
    image, content, style = map(tf.constant, pictures_of(golden))
    found = portable.loss_and_gradient(image, portable.targets(content, style))
    check_total_and_gradient(golden, found["total_loss"], found["gradient"])


def kernel_and_bias(rng):
    return tf.Variable(rng.normal(size=(3, 3, 4, 5))), tf.Variable(rng.normal(size=5))


LAYERS = {
    "convolution": lambda rng: portable_layers.convolution_relu(*kernel_and_bias(rng)),
    "inner": lambda rng: portable_layers.inner_convolution_relu(*kernel_and_bias(rng)),
    "repeating": lambda rng: portable_layers.mirror_padding("SYMMETRIC"),
    "reflecting": lambda rng: portable_layers.mirror_padding("REFLECT"),
    "average": lambda rng: portable_layers.average_pooling(),
    "max": lambda rng: portable_layers.max_pooling(),
}


@pytest.mark.parametrize("size", [(2, 6, 8), (1, 7, 9), (1, 3, 3), (3, 4, 5)])
@pytest.mark.parametrize("kind", LAYERS)
def test_each_layers_backward_is_the_gradient_of_its_forward(kind, size, rng):
    step = LAYERS[kind](rng)
    inputs = tf.constant(rng.integers(-2, 3, (*size, 4)).astype(np.float64))
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = step.forward(inputs)
    upstream = tf.constant(rng.normal(size=outputs.shape))
    expected = tape.gradient(outputs, inputs, upstream)
    found = step.backward(inputs, outputs, upstream)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_max_pooling_gives_the_gradient_to_the_first_of_equal_values():
    every_pattern = np.array(list(itertools.product([0.0, 1.0], repeat=4)))
    inputs = every_pattern.reshape(16, 2, 2, 1)
    upstream = np.arange(1.0, 17.0).reshape(16, 1, 1, 1)
    step = portable_layers.max_pooling()
    inputs, upstream = tf.constant(inputs), tf.constant(upstream)
    found = step.backward(inputs, step.forward(inputs), upstream).numpy().reshape(16, 4)
    for pattern, row, arriving in zip(every_pattern, found, range(1, 17), strict=True):
        expected = np.zeros(4)
        expected[np.argmax(pattern)] = arriving
        np.testing.assert_array_equal(row, expected)


def style_pair(name):
    own, portable = STYLE_LOSSES[name], portable_losses.STYLE_LOSSES[name]
    return (
        lambda x, other: portable.loss(x, portable.target(other)),
        lambda x, other: own.loss(x, own.target(own.statistics(other))),
    )


LAYER_LOSSES = {
    name: (portable_losses.CONTENT_LOSSES[name], content_losses.CONTENT_LOSSES[name])
    for name in portable_losses.CONTENT_LOSSES
} | {name: style_pair(name) for name in portable_losses.STYLE_LOSSES}


@pytest.mark.parametrize("name", LAYER_LOSSES)
def test_the_gradient_of_each_loss_matches_automatic_differentiation(name, rng):
    features, other = (tf.constant(rng.uniform(size=(1, 6, 7, 4))) for _ in range(2))
    portable, own = LAYER_LOSSES[name]
    with tf.GradientTape() as tape:
        tape.watch(features)
        value = own(features, other)
    loss, gradient = portable(features, other)
    assert float(loss) == pytest.approx(float(value), rel=1e-12)
    assert agree(gradient, tape.gradient(value, features), 1e-10)


def test_the_gram_gradient_holds_for_targets_that_are_not_symmetric(rng):
    features = tf.constant(rng.uniform(size=(1, 6, 7, 4)))
    target = tf.constant(rng.uniform(size=(1, 4, 4)))
    with tf.GradientTape() as tape:
        tape.watch(features)
        value = moments.style_loss(moments.gram_matrix(features), target)
    _, gradient = portable_losses.gram_style(features, target)
    assert agree(gradient, tape.gradient(value, features), 1e-12)


@pytest.mark.parametrize("size", [(2, 2), (5, 9), (16, 3)])
@pytest.mark.parametrize("form", variation.TOTAL_VARIATIONS)
def test_the_gradient_of_each_variation_matches_automatic_differentiation(form, size, rng):
    image = rng.uniform(size=(1, *size, 3))
    value, gradient = portable_losses.variation(tf.constant(image), form)
    assert float(value) == pytest.approx(reference.variation(image, form), rel=1e-12)
    with tf.GradientTape() as tape:
        image = tf.constant(image)
        tape.watch(image)
        expected = variation.TOTAL_VARIATIONS[form](image)
    assert agree(gradient, tape.gradient(expected, image), 1e-12)


def operations(function):
    """Returns the types of all operations in a graph and in the functions that it calls."""
    definition = function.get_concrete_function().graph.as_graph_def()
    nodes = [*definition.node]
    for inner in definition.library.function:
        nodes += inner.node_def
    return {node.op for node in nodes}


FORWARD = {
    "AddN", "AddV2", "AvgPool", "BatchMatMulV2", "BiasAdd", "Cast", "ConcatV2", "Const",
    "Conv2D", "Equal", "GatherV2", "Greater", "Identity", "MatMul", "MaxPool", "Maximum",
    "Mean", "Mul", "NoOp", "Pack", "Pad", "Placeholder", "Pow", "ReadVariableOp", "RealDiv",
    "Relu", "Reshape", "ReverseV2", "Shape", "Square", "SquaredDifference", "StridedSlice",
    "Sub", "Sum", "Transpose", "Unpack"
}  # fmt: skip
"""The operations of portable graphs; automatic differentiation adds others."""


@pytest.mark.parametrize("pooling, padding", NETWORKS)
def test_graphs_hold_forward_operations_only(pooling, padding, mini_layers):
    form = {"avg": "nine_point", "max": "sum_square"}[pooling]
    _, portable = make(mini_layers, pooling, padding, tv_form=form, **SHALLOW)
    found = operations(portable.signature("loss_and_gradient"))  # It contains the other functions.
    assert found <= FORWARD, found - FORWARD


def test_automatic_differentiation_adds_other_operations(mini_layers):
    objective, portable = make(mini_layers, "max")
    targets = tf.function(portable.targets, autograph=False).get_concrete_function(
        *[tf.TensorSpec([1, None, None, 3], tf.float32)] * 2
    )
    concrete = objective._graph_of_gradient.get_concrete_function(
        tf.TensorSpec([1, None, None, 3], tf.float32),
        targets.structured_outputs,
        weights=None,
        per_sample=False,
    )
    left = {node.op for node in concrete.graph.as_graph_def().node} - FORWARD
    assert {"BroadcastGradientArgs", "StridedSliceGrad"} & left


@pytest.mark.parametrize("style_loss", portable_losses.STYLE_LOSSES)
def test_all_functions_agree_at_any_size_from_one_trace(style_loss, mini_layers, rng):
    # One style layer. In the other layers of this network some filters never fire; there the matrix
    # roots of the Wasserstein distance differ by 0.3 % between graph and eager execution, in
    # `Objective` too.
    layers = {"content_layers": "conv2_2", "style_layers": "conv1_1"}
    objective, portable = make(mini_layers, style_loss=style_loss, **layers)
    functions = {name: portable.signature(name) for name in SIGNATURES}
    for size in ((32, 40), (37, 33)):
        image, content, style = pictures(rng, size, size, (41, 32))
        flat = functions["targets"](content, style)
        specs = functions["loss_and_gradient_from_targets"].input_signature[1:]
        assert set(flat) == {spec.name for spec in specs}
        for spec in specs:
            assert spec.shape.is_compatible_with(flat[spec.name].shape)
        ordered = [flat[spec.name] for spec in specs]
        once = functions["loss_and_gradient"](image, content, style)
        again = functions["loss_and_gradient_from_targets"](image, *ordered)
        _, gradient = objective.value_and_gradient(image, objective.targets(content, style))
        for found in (once, again):
            assert agree(found["gradient"], gradient, 5e-5)
        features = functions["features"](image)
        assert list(features) == list(objective.config.layers)
    assert all(graph.experimental_get_tracing_count() == 1 for graph in functions.values())


def test_targets_of_objective_are_accepted(mini_layers, rng):
    objective, portable = make(mini_layers)
    image, content, style = pictures(rng, (33, 40), (33, 40), (34, 37))
    targets = objective.targets(content, style)
    found = portable.loss_and_gradient(image, targets)
    _, gradient = objective.value_and_gradient(image, targets)
    assert agree(found["gradient"], gradient)


def test_weights_are_stored_once(mini_layers):
    _, portable = make(mini_layers)
    portable.signature("loss_and_gradient").get_concrete_function()
    names = [name for name in mini_layers if name <= "block5_conv1"]
    expected = sum(array.size for name in names for array in mini_layers[name])
    assert sum(int(tf.size(variable)) for variable in portable.variables) == expected


def test_extractors_with_other_arithmetic_or_layers_are_refused(mini_layers):
    loss = loss_options.LossConfig()
    rounded = build_extractor(mini_layers, layers=loss.layers, arithmetic="bfloat16")
    with pytest.raises(ValueError, match="built with arithmetic='direct'.*BFloat16ReLU"):
        PortableObjective(rounded, loss)
    shallow = build_extractor(mini_layers, layers=["conv1_1"])
    with pytest.raises(ValueError, match="must give every layer of the config"):
        PortableObjective(shallow, loss)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        ({"style_loss": "sliced"}, "`style_loss` must be one of 'gram', 'wasserstein' here"),
        ({"style_loss": "gram,conv4_1:mean_std"}, "Received: style_loss='mean_std'"),
        (
            {"content_reduction": "self_similarity"},
            "`content_reduction` must be one of 'sum', 'mean'",
        ),
    ],
)
def test_losses_without_a_gradient_in_forward_operations_are_refused(loss, message, mini_layers):
    loss = loss_options.LossConfig(**loss)
    with pytest.raises(ValueError, match=message):
        PortableObjective(build_extractor(mini_layers, layers=loss.layers), loss)


def test_layers_can_have_different_style_losses(mini_layers, rng):
    # The small network's Gram losses are millions of times larger than its Wasserstein losses.
    layers = {"content_layers": "conv2_1", "style_layers": "conv1_1:1,conv2_1:1e-6"}
    objective, portable = make(mini_layers, style_loss="gram,conv1_1:wasserstein", **layers)
    image, content, style = pictures(rng, (33, 40), (33, 40), (34, 37))
    targets = objective.targets(content, style)
    found = portable.loss_and_gradient(image, portable.targets(content, style))
    terms, gradient = objective.terms_and_gradient(image, targets)
    for name, value in terms.layers.items():
        assert float(found["_loss_".join(name.split("/"))]) == pytest.approx(float(value), rel=1e-3)
    assert agree(found["gradient"], gradient, 1e-4)
