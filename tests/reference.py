"""The objective in plain float64 NumPy, with a reverse pass written by hand.

The truth that TensorFlow's results are tested against; it shares no code with tf_style.
"""

import numpy as np

BGR_MEAN = np.array([103.939, 116.779, 123.68])
ORDER = [
    f"block{block}_conv{i}"
    for block, convs in enumerate((2, 2, 4, 4, 4), 1)
    for i in range(1, convs + 1)
]


def convolve(x, kernel):
    """Zero-padded 3x3 cross-correlation of [h, w, in] with [3, 3, in, out]."""
    height, width, _ = x.shape
    padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
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


def forward(image, layers, last, pooling):
    """Features of every layer up to `last`, and what each block's first layer read."""
    x = image[0][..., ::-1].astype(np.float64) * 255.0 - BGR_MEAN
    features, before_pool, previous = {}, {}, None
    for name in ORDER[: ORDER.index(last) + 1]:
        if previous and previous[5] != name[5]:
            before_pool[name] = x
            x = pool(x, pooling)
        kernel, bias = (np.asarray(array, np.float64) for array in layers[name])
        x = np.maximum(convolve(x, kernel) + bias, 0.0)
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
