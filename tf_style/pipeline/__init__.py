"""Stylizes many pictures with `tf.data`: from picture files to PNG files or TFRecords.

    from tf_style.pipeline import read_pictures, stylizer, write_pngs

An element is a dict: "name" (string scalar), "content" and "style" (float32 `[1, H, W, 3]`, RGB
0..1, any sizes), "alpha" (float32 `[1, H, W, 1]`, 0..1, the content's, all 1 if it is opaque), and,
once stylized, "image" (float32 `[1, H, W, 3]`, RGB 0..1). With `on_error="skip"` there is "error"
(string scalar), too: empty, or why the element has no pixels. Functions that write leave such an
element out and name it.
"""

from tf_style.pipeline.files import Written as Written
from tf_style.pipeline.files import finished_names as finished_names
from tf_style.pipeline.files import read_tfrecords as read_tfrecords
from tf_style.pipeline.files import write_pngs as write_pngs
from tf_style.pipeline.files import write_tfrecords as write_tfrecords
from tf_style.pipeline.pictures import stylized_on as stylized_on
from tf_style.pipeline.pictures import stylizer as stylizer
from tf_style.pipeline.reading import decode_pictures as decode_pictures
from tf_style.pipeline.reading import read_pictures as read_pictures

__all__ = [
    "Written",
    "decode_pictures",
    "finished_names",
    "read_pictures",
    "read_tfrecords",
    "stylized_on",
    "stylizer",
    "write_pngs",
    "write_tfrecords",
]
