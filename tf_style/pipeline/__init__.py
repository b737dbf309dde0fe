"""Stylizes many pictures with `tf.data`: from picture files to PNG files or TFRecords.

    from tf_style.pipeline import read_pictures, stylizer, write_pngs

An element is a dict: "name" (string scalar), "content" and "style" (float32 `[1, H, W, 3]`, RGB
0..1, any sizes), "alpha" (float32 `[1, H, W, 1]`, 0..1, the content's, all 1 if it is opaque), and,
once stylized, "image" (float32 `[1, H, W, 3]`, RGB 0..1).
"""

from tf_style.pipeline.files import read_tfrecords as read_tfrecords
from tf_style.pipeline.files import write_pngs as write_pngs
from tf_style.pipeline.files import write_tfrecords as write_tfrecords
from tf_style.pipeline.pictures import read_pictures as read_pictures
from tf_style.pipeline.pictures import stylized_on as stylized_on
from tf_style.pipeline.pictures import stylizer as stylizer

__all__ = [
    "read_pictures",
    "read_tfrecords",
    "stylized_on",
    "stylizer",
    "write_pngs",
    "write_tfrecords",
]
