"""Image to VGG input, against Keras' own preprocessing."""

import keras
import numpy as np

from tf_style.network import preprocessing


def test_vgg_input_agrees_with_keras(rng):
    image = rng.uniform(size=(1, 3, 4, 3)).astype("float32")
    expected = keras.applications.vgg19.preprocess_input(image * 255.0)
    np.testing.assert_allclose(preprocessing.to_vgg_input(image), expected, atol=1e-4)
