"""The objective in plain float64 NumPy, with a reverse pass written by hand.

The truth that TensorFlow's results are tested against; it shares no code with tf_style.
"""

import math

import numpy as np

BGR_MEAN = np.array([103.939, 116.779, 123.68])
ORDER = [
    f"block{block}_conv{i}"
    for block, convs in enumerate((2, 2, 4, 4, 4), 1)
    for i in range(1, convs + 1)
]


def convolve(x, kernel, mode="constant"):
    """3x3 cross-correlation of [h, w, in], padded as `np.pad` does, with [3, 3, in, out]."""
    height, width, _ = x.shape
    padded = np.pad(x, ((1, 1), (1, 1), (0, 0)), mode)
    return sum(
        padded[i : i + height, j : j + width] @ kernel[i, j] for i in range(3) for j in range(3)
    )


def convolve_back(dy, kernel):
    """Gradient of `convolve` with respect to x."""
    height, width, _ = dy.shape
    padded = np.zeros((height + 2, width + 2, kernel.shape[2]))
    for i in range(3):
        for j in range(3):
            padded[i : i + height, j : j + width] += dy @ kernel[i, j].T
    return padded[1:-1, 1:-1]


def windows(x):
    height, width, channels = x.shape
    x = x[: height // 2 * 2, : width // 2 * 2]
    return x.reshape(height // 2, 2, width // 2, 2, channels)


def pool(x, kind):
    return windows(x).mean((1, 3)) if kind == "avg" else windows(x).max((1, 3))


def pool_back(dy, x, kind):
    inner = windows(x)
    if kind == "avg":
        share = np.full(inner.shape, 0.25)
    else:
        flat = inner.transpose(0, 2, 4, 1, 3).reshape(-1, 4)
        share = np.zeros_like(flat)
        share[np.arange(len(flat)), flat.argmax(1)] = 1.0
        rows, _, columns, _, channels = inner.shape
        share = share.reshape(rows, columns, channels, 2, 2).transpose(0, 3, 1, 4, 2)
    dx = np.zeros_like(x)
    rows, columns, _ = dy.shape
    dx[: 2 * rows, : 2 * columns] = (share * dy[:, None, :, None]).reshape(
        2 * rows, 2 * columns, -1
    )
    return dx


PADDINGS = {  # (mode of np.pad for the first convolution, for the others)
    "zeros": ("constant", "constant"),
    "replicate": ("edge", "constant"),
    "reflect": ("reflect", "constant"),
    "reflect_all": ("reflect", "reflect"),
}


def forward(image, layers, last, pooling, padding="zeros"):
    """Features of every layer up to `last`, and what each block's first layer read."""
    x = image[0][..., ::-1].astype(np.float64) * 255.0 - BGR_MEAN
    features, before_pool, previous = {}, {}, None
    for name in ORDER[: ORDER.index(last) + 1]:
        if previous and previous[5] != name[5]:
            before_pool[name] = x
            x = pool(x, pooling)
        kernel, bias = (np.asarray(array, np.float64) for array in layers[name])
        mode = PADDINGS[padding][previous is not None]
        x = np.maximum(convolve(x, kernel, mode) + bias, 0.0)
        features[name] = x
        previous = name
    return features, before_pool


def gram(features):
    rows = features.reshape(-1, features.shape[-1])
    return rows.T @ rows / len(rows)


def objective(image, content, style, layers, *, content_layer, style_layers, alpha, beta, pooling):
    """Returns (content loss, [E_l], total, d total / d image) as the paper writes them."""
    last = max([content_layer, *style_layers], key=ORDER.index)
    features, before_pool = forward(image, layers, last, pooling)
    content_features, _ = forward(content, layers, last, pooling)
    style_features, _ = forward(style, layers, last, pooling)

    by_feature = {name: np.zeros_like(array) for name, array in features.items()}
    difference = features[content_layer] - content_features[content_layer]
    content_loss = 0.5 * (difference**2).sum()
    by_feature[content_layer] += alpha * difference
    style_losses = []
    for name in style_layers:
        filters = features[name].shape[-1]
        positions = features[name].shape[0] * features[name].shape[1]
        gap = gram(features[name]) - gram(style_features[name])
        style_losses.append((gap**2).sum() / (4 * filters**2))
        slope = features[name] @ gap / (filters**2 * positions)
        by_feature[name] += beta / len(style_layers) * slope
    total = alpha * content_loss + beta * np.mean(style_losses)

    upstream = np.zeros_like(features[last])
    for name in reversed(list(features)):
        upstream = (upstream + by_feature[name]) * (features[name] > 0)
        upstream = convolve_back(upstream, np.asarray(layers[name][0], np.float64))
        if name in before_pool:
            upstream = pool_back(upstream, before_pool[name], pooling)
    gradient = (upstream * 255.0)[..., ::-1][None]
    return content_loss, style_losses, total, gradient


def root_trace(matrix, num_steps=None):
    """Trace of the square root by the eigenvalues; with `num_steps`, of what Newton-Schulz's
    iteration makes of each eigenvalue in so many steps."""
    values = np.linalg.eigvalsh(matrix)
    if num_steps is None:
        return np.sqrt(np.maximum(values, 0.0)).sum()
    norm, total = np.sqrt((matrix**2).sum()), 0.0
    for value in values:
        y, z = value / norm, 1.0
        for _ in range(num_steps):
            y, z = y * (3 - y * z) / 2, z * (3 - y * z) / 2
        total += y * np.sqrt(norm)
    return total


def gaussian(features):
    """Mean and covariance, with 1e-4 on its diagonal, of [h, w, c]."""
    rows = features.reshape(-1, features.shape[-1])
    centered = rows - rows.mean(0)
    return rows.mean(0), centered.T @ centered / len(rows) + 1e-4 * np.eye(rows.shape[1])


def wasserstein(features, style_features, num_steps=None):
    """Squared Wasserstein-2 distance of the Gaussians of two layers, over the channels."""
    (mean, covariance), (style_mean, style_covariance) = map(gaussian, (features, style_features))
    values, vectors = np.linalg.eigh(style_covariance)
    root = vectors @ np.diag(np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    between = np.trace(covariance) + np.trace(style_covariance)
    between -= 2 * root_trace(root @ covariance @ root, num_steps)
    return (((mean - style_mean) ** 2).sum() + between) / len(mean)


def gram_loss(features, style_features):
    gap = gram(features) - gram(style_features)
    return (gap**2).sum() / (4 * features.shape[-1] ** 2)


def variation(image, form):
    """Total variation of [1, h, w, c], pixel by pixel."""
    x = image[0].astype(np.float64)
    height, width, channels = x.shape
    rows, columns = range(height), range(width)
    if form == "mean_square":
        down = sum(((x[i + 1, j] - x[i, j]) ** 2).sum() for i in rows[:-1] for j in columns)
        right = sum(((x[i, j + 1] - x[i, j]) ** 2).sum() for i in rows for j in columns[:-1])
        return down / ((height - 1) * width * channels) + right / (height * (width - 1) * channels)
    if form == "sum_square":
        return 0.5 * sum(
            ((x[i + 1, j] - x[i, j]) ** 2).sum() + ((x[i, j + 1] - x[i, j]) ** 2).sum()
            for i in rows[:-1]
            for j in columns[:-1]
        )

    def at(i, j):
        return x[min(max(i, 0), height - 1), min(max(j, 0), width - 1)]

    straight = sum(
        ((at(i + 1, j) - at(i, j)) ** 2).sum() + ((at(i, j + 1) - at(i, j)) ** 2).sum()
        for i in rows
        for j in columns
    )
    diagonal = sum(
        ((at(i, j) - at(i - 1, j - 1)) ** 2).sum() + ((at(i, j - 1) - at(i - 1, j)) ** 2).sum()
        for i in range(height + 1)
        for j in range(width + 1)
    )
    straight /= height * width * channels
    diagonal /= (height + 1) * (width + 1) * channels
    return 2 * (straight / 3 + diagonal / 12)


def total_loss(image, content, style, layers, options):
    """The weighted total loss of any config, given as `StyleConfig.to_dict()`."""
    names = [*options["content_layers"], *options["style_layers"]]
    last = max(names, key=ORDER.index)
    features, content_features, style_features = (
        forward(picture, layers, last, options["pooling"], options["padding"])[0]
        for picture in (image, content, style)
    )
    is_relative = options["relative_losses"]
    content_loss = style_loss = 0.0
    for name, weight in options["content_layers"].items():
        squares = (features[name] - content_features[name]) ** 2
        mean = options["content_reduction"] == "mean"
        loss = squares.mean() if mean else 0.5 * squares.sum()
        if is_relative:
            deviations = (content_features[name] - content_features[name].mean()) ** 2
            loss /= deviations.mean() if mean else 0.5 * deviations.sum()
        content_loss += weight * loss
    for name, weight in options["style_layers"].items():
        pair = features[name], style_features[name]
        gram_like = options["style_loss"] == "gram"
        loss = gram_loss(*pair) if gram_like else wasserstein(*pair, 12)
        if is_relative:  # By the loss of features that are 0.
            rows = style_features[name].reshape(-1, style_features[name].shape[-1])
            if gram_like:
                loss /= gram_loss(0.0 * features[name], style_features[name])
            else:
                mean, covariance = gaussian(rows[np.newaxis])
                loss /= ((mean**2).sum() + np.trace(covariance)) / len(mean)
        style_loss += weight * loss
    content_loss = content_loss ** options["content_power"] / options["content_power"]
    strength = options["style_strength"] ** (2 if is_relative else 1)
    total = options["content_weight"] * content_loss
    total += strength * options["style_weight"] * style_loss
    if options["tv_weight"]:
        loss = variation(image, options["tv_form"])
        total += (
            options["tv_weight"]
            * loss
            / (variation(style, options["tv_form"]) if is_relative else 1.0)
        )
    return total


def content_loss(name, x, y, weights):
    """A content loss of [h, w, c] pair by pair; weights of the positions, flat, have mean 1."""
    x, y = (features.reshape(-1, features.shape[-1]) for features in (x, y))
    count, channels = x.shape
    if name == "sum":
        return 0.5 * sum(w * ((a - b) ** 2).sum() for w, a, b in zip(weights, x, y, strict=True))
    if name == "mean":
        return content_loss("sum", x, y, weights) * 2 / (count * channels)
    total, shares = 0.0, weights / count
    for j in range(count):
        columns = []
        for rows in (x, y):
            norms = np.sqrt((rows**2).sum(1))
            column = np.array([1 - rows[i] @ rows[j] / (norms[i] * norms[j]) for i in range(count)])
            columns.append(column / (shares * column).sum())
        total += shares[j] * (shares * np.abs(columns[0] - columns[1])).sum()
    return total


def _mmd(kernel, x, y, shares_x, shares_y):
    """MMD^2 by all pairs of rows."""

    def mean(a, b, shares_a, shares_b):
        return sum(
            shares_a[i] * shares_b[j] * kernel(a[i], b[j])
            for i in range(len(a))
            for j in range(len(b))
        )

    within = mean(x, x, shares_x, shares_x) + mean(y, y, shares_y, shares_y)
    return within - 2 * mean(x, y, shares_x, shares_y)


def gaussian_kernel(x, y, bandwidth):
    return np.exp(-((x - y) ** 2).sum() / (2 * bandwidth**2))


def bandwidth(rows, shares):
    """Root of the mean squared distance of all pairs, rounded to a power of 2, at least 2**-4."""
    squares = _mmd(lambda a, b: ((a - b) ** 2).sum(), rows, 0 * rows[:1], shares, np.zeros(1))
    return 2.0 ** np.round(np.log2(max(squares, 2.0**-8)) / 2)


def quantile_table(values, shares, num_bins):
    """Means of the sorted values, the largest first, over equal shares of their weight."""
    order = np.argsort(-values, kind="stable")
    values, ends = values[order], np.cumsum(shares[order])
    begins = ends - shares[order]
    table = np.zeros(num_bins)
    for k in range(num_bins):
        for value, begin, end in zip(values, begins, ends, strict=True):
            overlap = min(end, (k + 1) / num_bins) - max(begin, k / num_bins)
            table[k] += num_bins * max(overlap, 0.0) * value
    return table


def layer_style_loss(name, x, y, weights_x, weights_y, *, frequencies, directions, num_bins):
    """A style loss of [h, w, c] by loops; weights of the positions, flat, have mean 1."""
    x, y = (features.reshape(-1, features.shape[-1]) for features in (x, y))
    pairs = [(x, weights_x / len(x)), (y, weights_y / len(y))]
    channels = x.shape[1]
    if name in ("histogram", "sliced"):
        lines = np.eye(channels) if name == "histogram" else directions
        tables = [
            np.array([quantile_table(rows @ line, shares, num_bins) for line in lines])
            for rows, shares in pairs
        ]
        return ((tables[0] - tables[1]) ** 2).mean()
    if name.startswith("mmd"):
        scale = bandwidth(*pairs[1])
        kernel, factor = {
            "mmd_linear": (lambda a, b: a @ b, channels),
            "mmd_polynomial": (lambda a, b: (a @ b) ** 2, 4 * channels**2),
            "mmd_gaussian": (lambda a, b: np.cos((a - b) @ frequencies / scale).mean(), 1),
        }[name]
        return _mmd(kernel, x, y, pairs[0][1], pairs[1][1]) / factor
    means = [sum(s * row for s, row in zip(shares, rows, strict=True)) for rows, shares in pairs]
    seconds = [
        sum(s * np.outer(row, row) for s, row in zip(shares, rows, strict=True))
        for rows, shares in pairs
    ]
    covariances = [b - np.outer(a, a) for a, b in zip(means, seconds, strict=True)]
    if name == "gram":
        return ((seconds[0] - seconds[1]) ** 2).sum() / (4 * channels**2)
    if name == "covariance":
        return ((covariances[0] - covariances[1]) ** 2).sum() / (4 * channels**2)
    covariances = [covariance + 1e-4 * np.eye(channels) for covariance in covariances]
    between_means = ((means[0] - means[1]) ** 2).sum()
    if name == "mean_std":
        deviations = [np.sqrt(np.diag(covariance)) for covariance in covariances]
        return (between_means + ((deviations[0] - deviations[1]) ** 2).sum()) / channels
    assert name == "wasserstein", name
    values, vectors = np.linalg.eigh(covariances[1])
    root = vectors @ np.diag(np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    traces = np.trace(covariances[0]) + np.trace(covariances[1])
    traces -= 2 * root_trace(root @ covariances[0] @ root, 12)
    return (between_means + traces) / channels


def cosine_transform(size):
    """DCT-II as its definition says, entry by entry."""
    matrix = np.zeros((size, size))
    for k in range(size):
        factor = math.sqrt((1 if k == 0 else 2) / size)
        for n in range(size):
            matrix[k, n] = factor * math.cos(math.pi * (2 * n + 1) * k / (2 * size))
    return matrix
