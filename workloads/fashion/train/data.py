"""Fashion-MNIST splits as tensors, and whole-tensor augmentation."""

import gzip
import pathlib

import numpy as np
import torch

MEAN, STD = 0.286, 0.353
VALIDATION = 5000  # the last images of train


def read_idx(path):
    with gzip.open(path) as f:
        raw = f.read()
    dims = [int.from_bytes(raw[4 + 4 * i:8 + 4 * i], "big") for i in range(raw[3])]
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * len(dims)).reshape(dims)


def load(directory, split):
    """uint8 images (n, 1, 28, 28) and int64 labels (n)."""
    d = pathlib.Path(directory)
    part = "train" if split in ("fitting", "validation") else split
    x = torch.from_numpy(read_idx(d / f"{part}-images-idx3-ubyte.gz").copy())[:, None]
    y = torch.from_numpy(read_idx(d / f"{part}-labels-idx1-ubyte.gz").astype(np.int64))
    if split == "fitting":
        return x[:-VALIDATION], y[:-VALIDATION]
    if split == "validation":
        return x[-VALIDATION:], y[-VALIDATION:]
    return x, y


def normalise(x):
    return (x.float() / 255 - MEAN) / STD


def augment(x, generator, shift=2, erase=0.5):
    """Random mirror, shift by up to +-shift (zeros enter), and with probability `erase` a random grey box."""
    n, _, h, w = x.shape
    padded = torch.zeros(n, h + 2 * shift, w + 2 * shift, dtype=x.dtype)
    padded[:, shift:shift + h, shift:shift + w] = x[:, 0]
    draw = lambda lo, hi: torch.randint(lo, hi, (n, 1), generator=generator)
    rows = torch.arange(h)[None] + draw(0, 2 * shift + 1)
    cols = torch.arange(w)[None]
    cols = torch.where(draw(0, 2).bool(), w - 1 - cols, cols) + draw(0, 2 * shift + 1)
    out = padded[torch.arange(n)[:, None, None], rows[:, :, None], cols[:, None, :]]
    top, left, high, wide = draw(-4, h), draw(-4, w), draw(4, 13), draw(4, 13)
    on = torch.rand((n, 1), generator=generator) < erase
    r, c = torch.arange(h)[None], torch.arange(w)[None]
    box = ((r >= top) & (r < top + high) & on)[:, :, None] & ((c >= left) & (c < left + wide))[:, None, :]
    grey = torch.randint(0, 256, (n, 1, 1), generator=generator, dtype=torch.uint8).expand(-1, h, w)
    return torch.where(box, grey, out)[:, None]
