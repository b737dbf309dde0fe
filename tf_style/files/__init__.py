"""Files and folders that appear only when they are complete. No TensorFlow here.

Private to the package.
"""
