"""Writing files and folders that appear only when complete. No TensorFlow here.

Private to the package.
"""
