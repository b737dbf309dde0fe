"""The objective in forward operations only, and its export to LiteRT, ONNX and other runtimes.

Private to the package.
"""
