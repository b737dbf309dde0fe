"""Style in Keras: a layer of features, losses and an augmentation.

    from tf_style.keras import PerceptualLoss, StyleAugmentation

Everything here is serializable: with these names imported, `keras.models.load_model` finds them.
"""

from tf_style.keras.augmentation import StyleAugmentation as StyleAugmentation
from tf_style.keras.features import VGG19Features as VGG19Features
from tf_style.keras.losses import ContentLoss as ContentLoss
from tf_style.keras.losses import PerceptualLoss as PerceptualLoss
from tf_style.keras.losses import StyleLoss as StyleLoss

__all__ = ["ContentLoss", "PerceptualLoss", "StyleAugmentation", "StyleLoss", "VGG19Features"]
