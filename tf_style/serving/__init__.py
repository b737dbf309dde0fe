"""Serves a SavedModel over TensorFlow Serving's REST API; see `tf_style serve --help`.

`app` (HTTP) passes a request to `service`. That uses `rest` and `json_arrays` (JSON to arrays and
back), leases a version of the model from `store`, and queues a job in `executor`, whose threads
run `model`. Only `model` imports TensorFlow. Private to the package.
"""
