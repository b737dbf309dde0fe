"""Serves a SavedModel over TensorFlow Serving's REST API; see `tf_style serve --help`.

From the request's bytes to its answer: `app` (HTTP) calls `rest` and `json_arrays` (JSON to
arrays and back), leases a model's version from `store`, and queues the work in `executor`,
whose threads run `model`. Only `model` sees TensorFlow.
"""
