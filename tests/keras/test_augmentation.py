"""The style augmentation: what it changes, what it leaves unchanged, and reproducibility."""

import functools
import json
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_style.keras import StyleAugmentation, style_bank

pytestmark = [
    pytest.mark.usefixtures("mini_network"),
    # 2026-11: keras 3.15 on numpy 2.4.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


@pytest.fixture
def bank(rng):
    return list(rng.integers(0, 256, (3, 20, 16, 3), np.uint8))


@pytest.fixture
def images(rng):
    return rng.uniform(0.2, 0.8, size=(4, 16, 20, 3)).astype("float32")


def make(bank, **options):
    options = {"value_range": (0, 1), "probability": 1.0, "strength": 1.0, "seed": 5, **options}
    return StyleAugmentation(bank, **options)


SEED = tf.constant([3, 4])


def test_it_changes_images_and_stays_in_their_range(bank, images, eagerly):
    new = make(bank)(images, training=True).numpy()
    assert new.shape == images.shape and new.dtype == np.float32
    assert (np.abs(new - images).mean((1, 2, 3)) > 0.01).all()
    assert new.min() >= 0.0 and new.max() <= 1.0


@pytest.mark.parametrize("value_range", [(0, 1), (0, 255), (-1, 1)])
@pytest.mark.parametrize("options", [{"probability": 0.0}, {"strength": 0.0}])
def test_no_probability_or_no_strength_is_identity(options, value_range, bank, images):
    low, high = value_range
    images = images * (high - low) + low
    layer = make(bank, value_range=value_range, **options)
    np.testing.assert_array_equal(layer(images, training=True), images)
    np.testing.assert_array_equal(layer.augment(images, seed=SEED), images)


class Without(keras.Model):
    """A model whose `call` has no `training`."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def call(self, inputs):
        return self.layer(inputs)


class Within(Without):
    """A model whose `training` is False by default."""

    def call(self, inputs, training=False):
        return self.layer(inputs)


def functional(layer):
    inputs = keras.Input((16, 20, 3))
    return keras.Model(inputs, layer(inputs))


def sequential(layer):
    return keras.Sequential([keras.Input((16, 20, 3)), layer])


def through(function, images):
    """Returns the images of a dataset that a function maps."""
    dataset = tf.data.Dataset.from_tensor_slices((images, np.arange(len(images)))).batch(4)
    return next(iter(dataset.map(lambda x, y: (function(x), y))))[0]


def in_fit(model, images, method):
    """Returns the mean difference that the loss sees."""
    model.add(keras.layers.Rescaling(1.0))
    model.compile("sgd", "mae", run_eagerly=True)
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # No weights.
        return method(model)


SITUATIONS = {
    "direct": lambda layer, x: layer(x),
    "direct, True": lambda layer, x: layer(x, training=True),
    "direct, False": lambda layer, x: layer(x, training=False),
    "direct, None": lambda layer, x: layer(x, training=None),
    "map": lambda layer, x: through(layer, x),
    "graph": lambda layer, x: tf.function(layer)(x),
    "Pipeline": lambda layer, x: keras.layers.Pipeline([layer])(x),
    "Pipeline in map": lambda layer, x: through(keras.layers.Pipeline([layer]), x),
    "Sequential": lambda layer, x: sequential(layer)(x),
    "Sequential in map": lambda layer, x: through(sequential(layer), x),
    "Sequential, True": lambda layer, x: sequential(layer)(x, training=True),
    "Sequential, False": lambda layer, x: sequential(layer)(x, training=False),
    "functional": lambda layer, x: functional(layer)(x),
    "functional, predict": lambda layer, x: functional(layer).predict(x, verbose=0),
    "without training": lambda layer, x: Without(layer)(x),
    "without training, predict": lambda layer, x: Without(layer).predict(x, verbose=0),
    "training=False": lambda layer, x: Within(layer)(x),
    "training=False, predict": lambda layer, x: Within(layer).predict(x, verbose=0),
    "predict": lambda layer, x: sequential(layer).predict(x, verbose=0),
    "predict_on_batch": lambda layer, x: sequential(layer).predict_on_batch(x),
    "fit": lambda layer, x: (
        x + in_fit(sequential(layer), x, lambda m: m.fit(x, x, verbose=0).history["loss"][0])
    ),
    "train_on_batch": lambda layer, x: (
        x + in_fit(sequential(layer), x, lambda m: m.train_on_batch(x, x))
    ),
    "evaluate": lambda layer, x: (
        x + in_fit(sequential(layer), x, lambda m: m.evaluate(x, x, verbose=0))
    ),
    "test_on_batch": lambda layer, x: (
        x + in_fit(sequential(layer), x, lambda m: m.test_on_batch(x, x))
    ),
}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_it_acts_exactly_when_keras_own_augmentations_act(situation, bank, images):
    acts = [
        float(np.abs(SITUATIONS[situation](layer, images) - images).mean()) > 1e-3
        for layer in (
            make(bank, steps=0),
            keras.layers.RandomBrightness((0.1, 0.2), value_range=(0, 1), seed=1),
        )
    ]
    assert acts[0] == acts[1]


def test_an_exported_model_acts_as_keras_own_augmentations_unless_told(bank, images, tmp_path):
    spec = tf.TensorSpec((None, 16, 20, 3))
    for layer in (
        make(bank, steps=0),
        keras.layers.RandomBrightness((0.1, 0.2), value_range=(0, 1), seed=1),
    ):
        model = sequential(layer)
        model.export(tmp_path / "acts", verbose=False)
        archive = keras.export.ExportArchive()
        archive.track(model)
        call = functools.partial(model, training=False)
        archive.add_endpoint("serve", call, input_signature=[spec])
        archive.write_out(tmp_path / "rests", verbose=False)
        acting, resting = (tf.saved_model.load(tmp_path / name) for name in ("acts", "rests"))
        assert np.abs(acting.serve(images) - images).mean() > 1e-3
        np.testing.assert_array_equal(resting.serve(images), images)


def test_other_value_ranges_and_pixels_mean_the_same_images(bank, images, eagerly):
    pixels = np.round(images * 255).astype(np.uint8)
    unit = make(bank).augment(pixels / np.float32(255), seed=SEED).numpy()
    for value_range, given in (((0, 255), pixels), ((-1, 1), pixels / np.float32(127.5) - 1)):
        low, high = value_range
        found = make(bank, value_range=value_range).augment(given, seed=SEED)
        np.testing.assert_allclose((found - low) / (high - low), unit, atol=2e-3)


def test_strength_is_the_share_of_the_change_that_is_applied(bank, images, eagerly):
    whole, half = (
        make(bank, strength=strength).augment(images, seed=SEED) for strength in (1.0, 0.5)
    )
    np.testing.assert_allclose(half, (whole + images) / 2, atol=1e-6)
    ranged = make(bank, strength=(0.25, 0.5)).augment(images, seed=SEED)
    change = np.asarray(whole) - images
    shares = ((ranged - images) * change).numpy().sum((1, 2, 3)) / (change**2).sum((1, 2, 3))
    assert ((shares > 0.25) & (shares < 0.5)).all()
    assert np.ptp(shares) > 0.01


def test_each_image_is_restyled_with_the_probability(bank):
    images = np.full((400, 8, 8, 3), 0.5, np.float32)
    new = make(bank, probability=0.3, steps=0)(images, training=True).numpy()
    changed = (new != images).any((1, 2, 3))
    # 400 draws: a standard deviation of 0.023.
    assert abs(changed.mean() - 0.3) < 0.1
    np.testing.assert_array_equal(new[~changed], images[~changed])


def test_shares_add_up_to_1_over_num_mixed_pictures():
    seeds = tf.constant([[1, 2], [3, 4]])
    options = {"num_pictures": 5, "seeds": seeds}
    shares = style_bank.random_shares(2000, num_mixed=3, **options).numpy()
    np.testing.assert_allclose(shares.sum(1), 1.0, rtol=1e-5)
    assert ((shares > 0).sum(1) == 3).all()
    # A flat Dirichlet distribution of three has mean 1/3 and variance 1/18. 3 of 5 are drawn.
    drawn = shares[shares > 0]
    assert drawn.mean() == pytest.approx(1 / 3, rel=1e-5)
    assert drawn.var() == pytest.approx(1 / 18, rel=0.1)
    np.testing.assert_allclose(shares.mean(0), 0.2, atol=0.03)
    single = style_bank.random_shares(100, num_mixed=1, **options).numpy()
    np.testing.assert_allclose(single.max(1), 1.0)


def test_the_same_seed_gives_the_same_sequence(bank, images, eagerly):
    first, again, other = make(bank), make(bank), make(bank, seed=6)
    sequence = [first(images, training=True).numpy() for _ in range(2)]
    assert np.abs(sequence[0] - sequence[1]).max() > 0.01
    for expected in sequence:
        np.testing.assert_array_equal(again(images, training=True), expected)
    assert np.abs(other(images, training=True) - sequence[0]).max() > 0.01
    assert StyleAugmentation(bank, value_range=(0, 1)).get_config()["seed"] is None


def test_numbered_batches_depend_on_their_number_alone(bank, images):
    dataset = tf.data.Dataset.from_tensor_slices((images, np.arange(4))).batch(1).repeat(2)

    def run(**options):
        mapped = dataset.enumerate().map(make(bank).map_enumerated, **options)
        return [(image.numpy(), int(label[0])) for image, label in mapped]

    first = run()
    for (image, label), (expected, number) in zip(run(num_parallel_calls=4), first, strict=True):
        assert label == number
        np.testing.assert_array_equal(image, expected)
    # The second round has other numbers, and so other styles.
    assert np.abs(first[0][0] - first[4][0]).max() > 0.01


def test_labels_and_everything_else_stay_unchanged(bank, images):
    labels, names = np.array([3, 1, 2, 0], np.int64), np.array([b"a", b"b", b"c", b"d"])
    layer = make(bank)
    pairs = tf.data.Dataset.from_tensor_slices((images, labels, names)).batch(4)
    new, label, name = next(iter(pairs.map(layer.map_pair)))
    assert np.abs(new - images).max() > 0.01
    np.testing.assert_array_equal(label, labels)
    np.testing.assert_array_equal(name, names)
    new, label = layer((images, labels), training=True)
    np.testing.assert_array_equal(label, labels)
    mapping = {"images": images, "labels": {"class": labels, "name": names}}
    dicts = tf.data.Dataset.from_tensor_slices(mapping).batch(4)
    acting = functools.partial(layer, training=True)
    for mapped in (dicts.map(acting), dicts.enumerate().map(layer.map_enumerated)):
        found = next(iter(mapped))
        assert np.abs(found["images"] - images).max() > 0.01
        np.testing.assert_array_equal(found["labels"]["class"], labels)
        np.testing.assert_array_equal(found["labels"]["name"], names)


def test_a_dataset_of_images_alone_keeps_its_structure(bank, images):
    dataset = tf.data.Dataset.from_tensor_slices(images).batch(4)
    for function in (make(bank), make(bank).map_pair):
        assert dataset.map(function).element_spec.shape == (None, 16, 20, 3)


def test_unknown_sizes_and_batches_and_single_images_work(bank, rng):
    sizes = [(16, 20), (9, 31), (25, 8)]
    pictures = [rng.uniform(size=(*size, 3)).astype("float32") for size in sizes]
    spec = tf.TensorSpec([None, None, 3], tf.float32)
    singles = tf.data.Dataset.from_generator(lambda: iter(pictures), output_signature=spec)
    for new, old in zip(singles.map(make(bank).map_pair), pictures, strict=True):
        assert new.shape == old.shape
        assert np.abs(new - old).max() > 0.01
    batches = singles.map(make(bank).map_pair).batch(1)
    assert batches.element_spec.shape[1:] == (None, None, 3)
    layer = make(bank)
    any_images = tf.TensorSpec([None, None, None, 3], tf.float32)
    graph = tf.function(lambda x: layer.augment(x, seed=SEED), input_signature=[any_images])
    for picture in pictures:
        batch = picture[None].repeat(2, 0)
        np.testing.assert_allclose(
            graph(tf.constant(batch)), layer.augment(batch, seed=SEED), atol=1e-5
        )
    assert graph(tf.zeros([0, 8, 8, 3])).shape == (0, 8, 8, 3)


def test_gray_images_stay_gray(bank, images, eagerly):
    gray = images[..., :1]
    new = make(bank, grayscale=True).augment(gray, seed=SEED).numpy()
    assert new.shape == gray.shape
    assert np.abs(new - gray).mean() > 0.01
    # The same as a color image with three equal channels and a bank of gray pictures.
    gray_bank = [np.asarray(tf.image.rgb_to_grayscale(picture)).repeat(3, -1) for picture in bank]
    color = make(gray_bank).augment(gray.repeat(3, -1), seed=SEED).numpy()
    np.testing.assert_allclose(new, color.mean(-1, keepdims=True), atol=0.01)


def test_the_bank_may_be_a_folder(picture_file, tmp_path, images, bank):
    paths = [picture_file(f"{name}.png") for name in "ba"]
    (tmp_path / ".hidden").write_text("no picture")
    by_folder, by_paths = make(tmp_path), make(sorted(paths))
    assert by_folder.get_config()["bank"] == by_paths.get_config()["bank"]


@pytest.mark.parametrize("options", [{}, {"grayscale": True, "layers": ["conv2_1"], "size": 10}])
def test_a_layer_made_from_its_config_does_the_same(options, bank, images, eagerly):
    images = images[..., :1] if options else images
    layer = make(
        bank, strength=(0.2, 0.9), value_range=(0, 2), network={"pooling": "max"}, **options
    )
    text = json.dumps(keras.saving.serialize_keras_object(layer))
    again = keras.saving.deserialize_keras_object(json.loads(text))
    assert again.get_config() == layer.get_config()
    np.testing.assert_array_equal(again(images, training=True), layer(images, training=True))


def classifier(layer):
    return keras.Sequential(
        [
            keras.Input((None, None, 3)),
            layer,
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(2),
        ]
    )


def test_a_model_with_it_trains_is_saved_and_exported(bank, images, tmp_path, graph_rewriting):
    model = classifier(make(bank, probability=0.5))
    assert len(model.trainable_weights) == 2
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(images, np.array([0, 1, 0, 1]), verbose=0)
    assert not model.jit_compile
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    expected = model(images, training=False)
    np.testing.assert_array_equal(loaded(images, training=False), expected)
    # The random sequence starts again.
    first = make(bank, probability=0.5)(images, training=True)
    np.testing.assert_array_equal(loaded.layers[0](images, training=True), first)
    archive = keras.export.ExportArchive()
    archive.track(model)
    call = functools.partial(model, training=False)
    spec = tf.TensorSpec((None, None, None, 3))
    archive.add_endpoint("serve", call, input_signature=[spec])
    archive.write_out(tmp_path / "exported", verbose=False)
    exported = tf.saved_model.load(tmp_path / "exported")
    np.testing.assert_allclose(exported.serve(images), expected, rtol=1e-5)


def test_it_gives_the_policys_dtype_and_computes_in_float32(bank, images, eagerly):
    full, half = make(bank), make(bank, dtype="mixed_bfloat16")
    assert half(keras.Input((None, None, 3))).dtype == "bfloat16"
    expected = tf.cast(full(images, training=True), tf.bfloat16)
    np.testing.assert_array_equal(half(images, training=True), expected)
    assert half(images).dtype == tf.bfloat16


def test_no_gradient_passes(bank, images):
    x = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(make(bank)(x, training=True))
    assert tape.gradient(total, x) is None


def test_wrong_arguments_are_named(bank, images, tmp_path):
    with pytest.raises(ValueError, match="`bank` must hold at least one picture. Received: none"):
        make([])
    with pytest.raises(ValueError, match="`bank` must hold at least one picture"):
        make(tmp_path)
    with pytest.raises(NotADirectoryError, match="`bank` must be a folder of pictures"):
        make(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="`bank` must be an existing file"):
        make([tmp_path / "none.png"])
    with pytest.raises(ValueError, match="`bank` must have at least 4 px on each side"):
        make([np.zeros((3, 9, 3), np.uint8)])
    with pytest.raises(ValueError, match="`value_range` must be two numbers"):
        make(bank, value_range=(1, 0))
    with pytest.raises(ValueError, match="`strength` must lie within 0..1"):
        make(bank, strength=1.5)
    with pytest.raises(ValueError, match="`strength` must lie within 0.5..1"):
        make(bank, strength=(0.5, 0.2))
    with pytest.raises(ValueError, match="`probability` must lie within 0..1"):
        make(bank, probability=-0.1)
    with pytest.raises(ValueError, match="`num_mixed` must be at least 1"):
        make(bank, num_mixed=0)
    with pytest.raises(ValueError, match="`size` must be at least 4"):
        make(bank, size=2)
    with pytest.raises(ValueError, match="Did you mean 'conv1_1'"):
        make(bank, layers=["conv1_11"])
    for name in ("num_mixed", "steps", "size", "bank_size"):
        with pytest.raises(TypeError, match=f"`{name}` must be of type int. Received: {name}=8.5"):
            make(bank, **{name: 8.5})


def test_wrong_images_are_named(bank, images):
    layer = make(bank)
    with pytest.raises(ValueError, match=r"`images` must be \[batch.* `grayscale=True`"):
        layer(images[..., :1])
    with pytest.raises(ValueError, match=r"`images` must be \[batch, height, width, 1\]"):
        make(bank, grayscale=True)(images)
    with pytest.raises(ValueError, match=r"`images` must be .* shape=\(16, 20\)"):
        layer(images[0, :, :, 0])
    with pytest.raises(ValueError, match="`images` must have at least 4 px on each side"):
        layer(images[:, :3])
    with pytest.raises(ValueError, match=r"under 'images'. Received: a dict with \['image'\]"):
        layer({"image": images})


def epochs_in_fit(dataset, **options):
    """Returns the mean of all images in each epoch, as `fit` sees them."""

    class Mean(keras.Model):
        def call(self, images):
            return images

    model = Mean()
    model.compile(loss=lambda _, images: tf.reduce_mean(images), run_eagerly=False)
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # No weights.
        return model.fit(dataset, verbose=0, **options).history["loss"]


def test_epochs_differ_and_runs_do_not(bank, images):
    dataset = tf.data.Dataset.from_tensor_slices((images, np.arange(4))).batch(2)

    def run(calls=None, first_epoch=0, seed=5):
        layer = make(bank, steps=0, seed=seed)
        mapped = layer.map_dataset(dataset, first_epoch=first_epoch, num_parallel_calls=calls)
        return epochs_in_fit(mapped, epochs=3, initial_epoch=first_epoch)

    first = run()
    assert np.abs(np.diff([*first, first[0]])).min() > 1e-4
    assert run(calls=4) == first
    assert run(first_epoch=2) == first[2:]
    assert run(seed=6)[0] != first[0]
    with pytest.raises(TypeError, match="`dataset` must be a tf.data.Dataset. Received: a list"):
        make(bank).map_dataset([1, 2])
    with pytest.raises(ValueError, match="`first_epoch` must be at least 0"):
        run(first_epoch=-1)


def test_a_checkpoint_of_the_iterator_restores_its_place(bank, images, tmp_path):
    dataset = tf.data.Dataset.from_tensor_slices(images).batch(1).shuffle(4, seed=1)

    def mapped(**options):
        return make(bank, steps=0).map_dataset(dataset, num_parallel_calls=2, **options)

    epochs = mapped()
    assert len(list(epochs)) == 4
    iterator = iter(epochs)
    next(iterator)
    path = tf.train.Checkpoint(iterator=iterator).write(str(tmp_path / "place"))
    expected, later = list(iterator), list(epochs)
    epochs = mapped(first_epoch=2)
    iterator = iter(epochs)
    tf.train.Checkpoint(iterator=iterator).read(path)
    np.testing.assert_array_equal(list(iterator), expected)
    np.testing.assert_array_equal(list(epochs), later)


def test_integers_are_rounded(bank, rng):
    pixels = rng.integers(0, 256, (4, 32, 32, 3), np.uint8)
    exact, whole = (
        make(bank, value_range=(0, 255), dtype=dtype).augment(pixels, seed=SEED).numpy()
        for dtype in ("float32", "uint8")
    )
    assert whole.dtype == np.uint8
    np.testing.assert_array_equal(whole, np.rint(exact))
    # Rounding is right on average; cutting off would darken by half a level.
    inside = (exact > 0.5) & (exact < 254.5)
    assert abs((whole - exact)[inside].mean()) < 0.03
    layer = make(bank, value_range=(0, 255), dtype="uint8", probability=0.0)
    near = np.float32([[[[0.6, 254.4, 254.6]]]]).repeat(8, 1).repeat(8, 2)
    assert layer(near)[0, 0, 0].numpy().tolist() == [1, 254, 255]


@pytest.mark.parametrize("options", [{"value_range": (0, 1)}, {"value_range": (-1, 255)}])
def test_integers_that_cannot_hold_images_are_refused(options, bank):
    with pytest.raises(ValueError, match="`dtype` must be able to express images"):
        make(bank, dtype="uint8", **options)


def test_the_first_epoch_is_that_of_numbered_batches(bank, images):
    dataset = tf.data.Dataset.from_tensor_slices((images, np.arange(4))).batch(2)
    layer = make(bank, steps=0)
    by_number = dataset.enumerate().map(layer.map_enumerated)
    for found, expected in zip(layer.map_dataset(dataset), by_number, strict=True):
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_array_equal(found[1], expected[1])


def test_a_dataset_of_unknown_or_infinite_length_keeps_its_length(bank, images):
    layer = make(bank, steps=0)
    whole = tf.data.Dataset.from_tensor_slices(images).batch(2)
    for filtered in (whole.filter(lambda _: True), whole.unbatch().filter(lambda _: True).batch(2)):
        assert filtered.cardinality() == tf.data.UNKNOWN_CARDINALITY
        found, expected = list(layer.map_dataset(filtered)), list(layer.map_dataset(whole))
        np.testing.assert_array_equal(found, expected)
    endless = layer.map_dataset(whole.repeat())
    assert endless.cardinality() == tf.data.INFINITE_CARDINALITY
    assert len(list(endless.take(3))) == 3
    assert layer.map_dataset(whole).cardinality() == 2
