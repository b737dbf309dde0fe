"""A small SavedModel with signatures of every kind that a server meets; not a test itself."""

import numpy as np
import tensorflow as tf

STRINGS = tf.TensorSpec([None], tf.string, "strings")


class Toy(tf.Module):
    """Functions that run in milliseconds; `offset` tells one version from another."""

    def __init__(self, offset):
        super().__init__()
        self.offset = tf.Variable(offset, trainable=False)

    @tf.function(input_signature=[tf.TensorSpec(None, tf.float32, "x")])
    def half_plus(self, x):
        return {"y": x / 2.0 + self.offset}

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, "tag"),
            tf.TensorSpec([None, 5], tf.int32, "signal"),
            tf.TensorSpec([None, 2, 2], tf.float64, "sensor"),
        ]
    )
    def named(self, tag, signal, sensor):
        return {"tag": tag, "signal": 2 * signal, "sensor": sensor + 0.5}

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.float32, "x"),
            tf.TensorSpec([None], tf.float32, "amount"),
        ]
    )
    def add(self, x, amount=tf.constant([10.0])):  # noqa: B008
        return {"y": x + amount}

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.float32, "x")])
    def total(self, x):
        return {"sum": tf.reduce_sum(x), "rows": tf.shape(x)[0]}

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, "content_bytes"),
            tf.TensorSpec([None], tf.int32, "times"),
        ]
    )
    def invert_png(self, content_bytes, times=tf.constant([1])):  # noqa: B008
        times = tf.broadcast_to(times, tf.shape(content_bytes))

        def one(arguments):
            data, count = arguments
            # From the file's head, before anything is decoded.
            size = tf.io.decode_raw(tf.strings.substr(data, 16, 8), tf.int32, little_endian=False)
            small = tf.debugging.assert_less(
                tf.reduce_prod(size), 1_000_000, message="`content_bytes` must be small."
            )
            with tf.control_dependencies([small]):
                image = tf.io.decode_png(data, channels=3)
            image = tf.where(count % 2 == 1, 255 - image, image)
            return tf.io.encode_png(image)

        return {"png_bytes": tf.map_fn(one, (content_bytes, times), fn_output_signature=tf.string)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32, "steps")])
    def spin(self, steps):
        """Takes about 10 microseconds a step."""

        def step(index, state):
            return index + 1, tf.tanh(state @ state) + 0.1

        _, state = tf.while_loop(
            lambda index, _: index < tf.reduce_max(steps), step, (0, tf.eye(16))
        )
        return {"state": state[0, 0] * tf.ones_like(steps, tf.float32)}

    @tf.function(input_signature=[tf.TensorSpec([1], tf.int32, "size")])
    def grow(self, size):
        return {"zeros": tf.zeros(size)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.bfloat16, "x")])
    def third(self, x):
        return {"y": x / 3, "name_bytes": tf.constant(b"\x00\xff")}

    @tf.function(input_signature=[STRINGS])
    def shout(self, strings):
        return {"loud": tf.strings.upper(strings, encoding="utf-8")}

    @tf.function(input_signature=[STRINGS])
    def quote(self, strings):
        empty = tf.reduce_all(tf.equal(strings, ""))
        said = tf.strings.join(["`strings` must be empty. ", strings[0]])
        with tf.control_dependencies([tf.debugging.Assert(empty, [said])]):
            return {"same": tf.identity(strings)}

    @tf.function(input_signature=[STRINGS])
    def raw(self, strings):
        return {"text": tf.strings.join(["\xff".encode("latin-1"), strings])}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.complex64, "z")])
    def conjugate(self, z):
        return {"conjugate": tf.math.conj(z)}


SIGNATURES = (
    "named", "add", "total", "invert_png", "spin", "shout", "quote", "raw",
    "conjugate", "grow", "third",
)  # fmt: skip


def save(folder, offset=3.0):
    """Writes the SavedModel; `offset` is what `serving_default` adds to half its input."""
    toy = Toy(offset)
    signatures = {name: getattr(toy, name) for name in SIGNATURES}
    tf.saved_model.save(toy, str(folder), {"serving_default": toy.half_plus, **signatures})


def png(rng, height=4, width=3):
    """Returns a random picture: its PNG file, and its pixels `[H, W, 3]` uint8."""
    pixels = rng.integers(0, 256, (height, width, 3), np.uint8)
    return tf.io.encode_png(pixels).numpy(), pixels
