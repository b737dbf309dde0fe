"""Image to VGG input, against Keras' own preprocessing."""

import keras
import numpy as np

from tf_style import preprocessing


def test_vgg_input_is_that_of_keras(rng):
    image = rng.uniform(size=(1, 3, 4, 3)).astype("float32")
    expected = keras.applications.vgg19.preprocess_input(image * 255.0)
    np.testing.assert_allclose(preprocessing.to_vgg_input(image), expected, atol=1e-4)


def test_from_vgg_input_is_the_inverse(rng):
    image = rng.uniform(size=(1, 3, 4, 3)).astype("float32")
    back = preprocessing.from_vgg_input(preprocessing.to_vgg_input(image))
    np.testing.assert_allclose(back, image, atol=1e-6)
