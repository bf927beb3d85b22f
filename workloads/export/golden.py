"""A tiny container and what it must answer, for the tests of the C side.

    python3 -m export.golden DIR        (from workloads/)

writes DIR/export-tiny.gguf and DIR/export-tiny.json, the same every time: weights and inputs come from a linear congruential
sequence, not from a library's generator. Expected logits: f32 arithmetic, and int8 and int4 by section 4 of docs/model-format.md.
"""

import json
import pathlib
import sys

import numpy as np
import torch
import torch.nn as nn

from . import run as runner
from .modules import MultiExit, Residual
from .write import export


class Sequence:
    """x <- x * 6364136223846793005 + 1442695040888963407 (mod 2^64); its upper 32 bits."""

    def __init__(self, seed):
        self.x = seed

    def integers(self, n):
        out = np.empty(n, np.uint32)
        for i in range(n):
            self.x = (self.x * 6364136223846793005 + 1442695040888963407) % 2 ** 64
            out[i] = self.x >> 32
        return out

    def reals(self, shape, lo, hi):
        n = int(np.prod(shape))
        return torch.from_numpy((lo + (hi - lo) * self.integers(n) / 2.0 ** 32).astype(np.float32).reshape(shape))


def conv(i, o, k, s=1, p=0, act=True):
    return nn.Sequential(nn.Conv2d(i, o, k, s, p, bias=False), nn.BatchNorm2d(o), *([nn.ReLU()] if act else []))


def network():
    """Three exits; every operation of the fashion networks, a projected shortcut, odd sizes, pooling with padding."""
    stages = [nn.Sequential(conv(2, 8, (3, 5), (2, 1), (1, 2)), nn.MaxPool2d(3, 2, 1)),
              nn.Sequential(Residual(nn.Sequential(conv(8, 8, 3, 1, 1), conv(8, 8, 3, 1, 1, act=False))),
                            Residual(conv(8, 12, 3, 2, 1, act=False), conv(8, 12, 1, 2, act=False))),
              conv(12, 16, 2)]
    heads = [nn.Sequential(nn.Flatten(), nn.Linear(8 * 3 * 5, 7), nn.ReLU(), nn.Linear(7, 3)),
             nn.Sequential(nn.AvgPool2d(2, 1), nn.Flatten(), nn.Linear(24, 3)),
             nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 3))]
    net = MultiExit(stages, heads)
    seq = Sequence(1)
    with torch.no_grad():
        for name, t in list(net.named_parameters()) + list(net.named_buffers()):
            if name.endswith("num_batches_tracked"):
                continue
            low, high = (0.5, 1.5) if name.endswith("running_var") or (t.ndim == 1 and name.endswith("weight")) else (-0.5, 0.5)
            t.copy_(seq.reals(t.shape, low, high))
    return net.eval()


def main(directory):
    directory = pathlib.Path(directory)
    seq = Sequence(2)
    images = (seq.integers(24 * 11 * 9 * 2) % 256).astype(np.uint8).reshape(24, 11, 9, 2)
    net = network()
    normal = (images / np.float32(255) - np.float32([0.25, 0.5])) / np.float32([0.5, 0.25])
    with torch.no_grad():
        labels = net(torch.from_numpy(normal).permute(0, 3, 1, 2))[-1].argmax(1).numpy()
    labels[::3] = seq.integers(8) % 3  # some are wrong, so that temperatures are finite
    model = export(net, directory / "export-tiny.gguf", name="export-tiny", labels=["left", "right", "\"up\" & <down>"],
                   mean=[0.25, 0.5], std=[0.5, 0.25], license="Apache-2.0", provenance="workloads/export/golden.py",
                   fit_images=images, fit_labels=labels)
    few = images[:4]
    with torch.no_grad():
        direct = torch.stack(net(model.normalise(few)))
    logits = {p: runner.run(model, few, p) for p in ("f32", "int8", "int4")}
    worst = (direct - logits["f32"]).abs().max().item()
    if worst > 1e-4:
        raise SystemExit(f"the container and the PyTorch network differ by {worst}")
    rounded = lambda t: [[[float(f"{v:.6g}") for v in row] for row in exit_] for exit_ in t.tolist()]
    answer = {"shape": [11, 9, 2], "classes": 3, "exits": 3, "macs": runner.macs(model), "temperature": [float(f"{t:.6g}") for t in model.temperature],
              "inputs": few.reshape(4, -1).tolist(), **{f"logits_{p}": rounded(z) for p, z in logits.items()}}
    body = ",\n".join(f" {json.dumps(k)}: {json.dumps(v)}" for k, v in answer.items())
    (directory / "export-tiny.json").write_text("{\n" + body + "\n}\n")
    print(f"worst difference to PyTorch {worst:.2g}")


if __name__ == "__main__":
    main(sys.argv[1])
