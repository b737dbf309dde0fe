"""Style in Keras: a layer of VGG-19 features, losses, and an augmentation layer.

    from tf_style.keras import PerceptualLoss, StyleAugmentation

Everything here is serializable: after this import, `keras.models.load_model` finds the classes.
"""

from tf_style.keras.augmentation import StyleAugmentation as StyleAugmentation
from tf_style.keras.features import KERAS_VGG19 as KERAS_VGG19
from tf_style.keras.features import VGG19Features as VGG19Features
from tf_style.keras.losses import ContentLoss as ContentLoss
from tf_style.keras.losses import PerceptualLoss as PerceptualLoss
from tf_style.keras.losses import StyleLoss as StyleLoss

__all__ = [
    "KERAS_VGG19",
    "ContentLoss",
    "PerceptualLoss",
    "StyleAugmentation",
    "StyleLoss",
    "VGG19Features",
]
