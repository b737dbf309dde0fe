"""The transforms of Winograd's algorithm, by Cook and Toom, as NumPy matrices.

`F(4x4, 3x3)`: a patch of 6x6 inputs gives a tile of 4x4 outputs with 36 products, not 144. Also
says how large a tile is, to code that aligns with the tiles. No TensorFlow here.
"""

import numpy as np

TILE = 4
"""Outputs along each side of a tile."""

PATCH = TILE + 2
"""Inputs along each side of the patch from which a tile is computed."""

POINTS = PATCH * PATCH
"""Points at which a kernel is stored, and products for each tile."""


def transform_matrices(points: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the matrices that transform inputs, kernel and products along one axis.

    A convolution is a product of polynomials. A tile's outputs are found from the values of this
    product at the points and at infinity.

    Args:
        points: five different numbers.

    Returns:
        float64 `[6, 6]`, `[6, 3]` and `[4, 6]`: B^T, G and A^T.

    References:
        Lavin & Gray (2016), section 4: B^T, G and A^T.
        Barabasz et al. (2020), "Error Analysis and Improving the Accuracy of Winograd
        Convolution for DNNs": the points determine the rounding error.
    """
    places = np.array(points)
    others = [np.delete(places, i) for i in range(places.size)]
    norms = np.array([np.prod(point - rest) for point, rest in zip(places, others, strict=True)])
    outputs = np.vander(places, TILE, increasing=True).T
    outputs = np.hstack([outputs, [[0.0], [0.0], [0.0], [1.0]]])
    kernel = np.vander(places, 3, increasing=True) / norms[:, np.newaxis]
    kernel = np.vstack([kernel, [0.0, 0.0, 1.0]])
    inputs = np.zeros([PATCH, PATCH])
    inputs[:-1, :-1] = [np.poly(rest)[::-1] for rest in others]
    inputs[-1] = np.poly(places)[::-1]
    return inputs, kernel, outputs
