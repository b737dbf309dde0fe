"""Style in Keras: a layer of features, losses and an augmentation.

    from tf_style.keras import PerceptualLoss, StyleAugmentation

Everything here is serialisable: with these names imported, `keras.models.load_model` finds them.
"""

from tf_style.augmentation import StyleAugmentation as StyleAugmentation
from tf_style.keras_losses import ContentLoss as ContentLoss
from tf_style.keras_losses import PerceptualLoss as PerceptualLoss
from tf_style.keras_losses import StyleLoss as StyleLoss
from tf_style.vgg19_features import VGG19Features as VGG19Features

__all__ = ["ContentLoss", "PerceptualLoss", "StyleAugmentation", "StyleLoss", "VGG19Features"]
