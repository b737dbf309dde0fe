"""The messages of errors in graphs are plain."""

import pytest
import tensorflow as tf

from tf_style.graphs.messages import plain_message


@pytest.mark.parametrize(
    "text, plain",
    [
        ("Graph execution error:\n\nBad shape: [3]\n\t [[{{node add}}]]", "Bad shape: [3]"),
        ("Bad shape [[{{node a/b}}]] [Op:Add]", "Bad shape"),
        ("{{function_node __inference_f_1}} Bad shape\n\t [[{{node a}}]] [Op:__f_1]", "Bad shape"),
        (
            "2 root error(s) found.\n  (0) INVALID_ARGUMENT: too big\n\t [[{{node x}}]]\n"
            "\t [[y/_1]]\n  (1) INVALID_ARGUMENT: too big\n0 successful operations.",
            "too big",
        ),
        ("", "The model failed."),
    ],
)
def test_messages_have_no_node_names_and_lines_of_code(text, plain):
    assert plain_message(text) == plain


def test_messages_of_eager_calls_have_no_lines_of_code_either(tmp_path):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def function(x):
        checked = tf.debugging.Assert(x[0] > 0.0, ["`x` must be above 0. Received:", x])
        with tf.control_dependencies([checked]):
            return tf.identity(x)

    module = tf.Module()
    module.function = function
    tf.saved_model.save(module, str(tmp_path))
    for each in (function, tf.saved_model.load(str(tmp_path)).function):
        with pytest.raises(tf.errors.InvalidArgumentError, match="Detected at node") as caught:
            each(tf.constant([-1.0]))
        found = plain_message(caught.value.message)
        assert found == "assertion failed: [`x` must be above 0. Received:] [-1]"
