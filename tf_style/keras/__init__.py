"""Style in Keras: a layer of VGG-19 features, losses, an augmentation layer, callbacks.

    from tf_style.keras import PerceptualLoss, StyleAugmentation

Everything here is serializable: after this import, `keras.models.load_model` finds the classes.
"""

from tf_style.keras.augmentation import StyleAugmentation as StyleAugmentation
from tf_style.keras.features import KERAS_VGG19 as KERAS_VGG19
from tf_style.keras.features import VGG19Features as VGG19Features
from tf_style.keras.losses import ContentLoss as ContentLoss
from tf_style.keras.losses import PerceptualLoss as PerceptualLoss
from tf_style.keras.losses import StyleLoss as StyleLoss
from tf_style.keras.progress_callbacks import progress_callbacks as progress_callbacks

__all__ = [
    "KERAS_VGG19",
    "ContentLoss",
    "PerceptualLoss",
    "StyleAugmentation",
    "StyleLoss",
    "VGG19Features",
    "progress_callbacks",
]
