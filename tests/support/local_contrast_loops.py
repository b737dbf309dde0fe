"""Raised contrasts of a photograph, by loops in float64."""

import numpy as np


def contrast_in_loops(image, contrast):
    """Returns an image, `[h, w, 3]`, as `with_local_contrast` should."""
    image = np.float64(image)
    height, width, _ = image.shape
    rows, columns = height // 8, width // 8
    cells = np.array(
        [
            [image[8 * y : 8 * y + 8, 8 * x : 8 * x + 8].mean((0, 1)) for x in range(columns)]
            for y in range(rows)
        ]
    )
    wide = continued(continued(cells, 0), 1)
    difference = np.zeros_like(cells)
    weights = np.array([0.25, 0.5, 0.25])
    for y in range(rows):
        for x in range(columns):
            nearby = wide[y + 3 : y + 6, x + 3 : x + 6]
            difference[y, x] = np.einsum("yxc,y,x->c", nearby, weights, weights)
    difference -= mean_in_loops(wide)[4:-4, 4:-4]
    largest = np.zeros((rows, columns, 1))
    for y in range(rows):
        for x in range(columns):
            largest[y, x] = (difference[around(y), around(x)] ** 2).mean(-1).max()
    gain = np.maximum(1.0, contrast / np.sqrt(mean_in_loops(largest) + 0.05**2))
    change, found = (gain - 1.0) * difference, image.copy()
    for y in range(height):
        for x in range(width):
            found[y, x] += between(change, (y - 3.5) / 8.0, (x - 3.5) / 8.0)
    return found


def around(place):
    return slice(max(0, place - 2), place + 3)


def mean_in_loops(cells):
    for _ in range(2):
        cells = np.array(
            [
                [cells[around(y), around(x)].mean((0, 1)) for x in range(cells.shape[1])]
                for y in range(cells.shape[0])
            ]
        )
    return cells


def continued(cells, axis):
    """Goes on by 4 cells at both ends, turned by 180 degrees about the last ones."""
    cells = np.moveaxis(cells, axis, 0)
    last = len(cells) - 1
    before = [2 * cells[0] - cells[min(n, last)] for n in range(4, 0, -1)]
    after = [2 * cells[last] - cells[max(last - n, 0)] for n in range(1, 5)]
    return np.moveaxis(np.array([*before, *cells, *after]), 0, axis)


def between(cells, y, x):
    """Returns the bilinear value at a place, which is held within the cells."""
    y = min(max(y, 0.0), cells.shape[0] - 1.0)
    x = min(max(x, 0.0), cells.shape[1] - 1.0)
    top, left = int(y), int(x)
    bottom, right = min(top + 1, cells.shape[0] - 1), min(left + 1, cells.shape[1] - 1)
    upper = cells[top, left] * (left + 1 - x) + cells[top, right] * (x - left)
    lower = cells[bottom, left] * (left + 1 - x) + cells[bottom, right] * (x - left)
    return upper * (top + 1 - y) + lower * (y - top)
