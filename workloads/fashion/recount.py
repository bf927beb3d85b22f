#!/usr/bin/env python3
"""Recount outside C: PyTorch on the weights as exported.

    recount.py [--model FILE] [--dump CSV] [--precision f32|int8|int4] [--statics FILE ...] [--images DIR]

Prints the accuracy of every exit on the test split (OWN SPLIT, see data/README.md). With --dump, compares the predictions of
`joulebench run ... --dump CSV` (one line an image: index,label,prediction,exit,confidences) with PyTorch's at the same exit, and
ends with 1 if fewer than --agree of them are the same. With --statics, prints what adapting by one max-softmax threshold costs against
the convex hull of the static networks and of the network's own exits, with a paired-bootstrap interval.
"""

import argparse
import csv
import gzip
import pathlib
import sys

import numpy as np
import torch

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from export import run as runner  # noqa: E402


def read_idx(path):
    with gzip.open(path) as f:
        raw = f.read()
    dims = [int.from_bytes(raw[4 + 4 * i:8 + 4 * i], "big") for i in range(raw[3])]
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * len(dims)).reshape(dims)


def load(directory, split):
    images = read_idx(directory / f"{split}-images-idx3-ubyte.gz")
    return images[..., None], read_idx(directory / f"{split}-labels-idx1-ubyte.gz").astype(np.int64)


def compare(path, logits, labels):
    """Share of the rows whose prediction is PyTorch's at the row's exit; their accuracy."""
    with open(path) as f:
        rows = list(csv.DictReader(line for line in f if not line.startswith("#")))
    index, label, said, where = (np.array([int(r[k]) for r in rows]) for k in ("index", "label", "prediction", "exit"))
    if (labels[index] != label).any():
        sys.exit(f"{path}: labels differ from the test split's")
    ours = logits.argmax(-1)[where, index]
    return len(rows), (ours == said).mean(), (said == label).mean()


def confidences(model, logits):
    t = torch.tensor(model.temperature)[:, None, None]
    return torch.softmax(logits / t, -1).amax(-1).numpy()


def leave(confidence, threshold):
    """The exit of every sample for one threshold on all exits but the last."""
    sure = confidence >= threshold
    sure[-1] = True
    return sure.argmax(0)


def calibrate(confidence, right, costs, losses):
    """For each loss: the lowest threshold from which on, upwards, calibration accuracy never falls further than that."""
    chosen = {}
    grid = np.concatenate([np.arange(0.999, 0.99, -0.001), np.arange(0.99, 0.20, -0.005)])
    full = right[-1].mean()
    n = np.arange(right.shape[1])
    for loss in losses:
        best = 1.0
        for g in grid:
            if right[leave(confidence, g), n].mean() < full - loss / 100 - 1e-12:
                break
            best = g
        chosen[loss] = best
    return chosen


def hull_cost(costs, values, at):
    """Cost at which the upper hull of (cost, accuracy) reaches accuracy `at`; the cheapest best point if it never does."""
    order = np.argsort(costs)
    top, points = -1.0, []
    for c, v in zip(costs[order], values[order]):
        if v <= top:
            continue
        top = v
        while len(points) > 1 and (points[-1][1] - points[-2][1]) * (c - points[-1][0]) <= (v - points[-1][1]) * (points[-1][0] - points[-2][0]):
            points.pop()
        points.append((c, v))
    if at <= points[0][1]:
        return points[0][0]
    if at >= points[-1][1]:
        return points[-1][0]
    for (c0, v0), (c1, v1) in zip(points, points[1:]):
        if at <= v1:
            return c0 + (c1 - c0) * (at - v0) / (v1 - v0)


def ratios(points, right, adaptive_right, adaptive_cost, resamples, seed=1):
    """Hull cost / adaptive mean cost, and its 95 % interval when images are drawn again, the same for all networks."""
    one = lambda w: hull_cost(points, right @ w, adaptive_right @ w) / (adaptive_cost @ w)
    n = right.shape[1]
    rng = np.random.default_rng(seed)
    drawn = [one(rng.multinomial(n, np.full(n, 1 / n)) / n) for _ in range(resamples)]
    return one(np.full(n, 1 / n)), *np.percentile(drawn, [2.5, 97.5])


def against_hull(args, model, precision, test_logits):
    costs = np.array(runner.macs(model), float)
    judged = {}
    for split in ("calibration", "test"):
        images, labels = load(args.images, split)
        logits = test_logits if split == "test" else runner.run(model, images, precision)
        judged[split] = (confidences(model, logits), (logits.argmax(-1).numpy() == labels).astype(float))
    chosen = calibrate(*judged["calibration"], costs, args.losses)
    confidence, right = judged["test"]
    points = [float(c) for c in runner.macs(model, alone=True)]  # a fixed exit does not run the heads before it
    full = points[-1]
    rows, names = list(right), [f"{model.name} exit {k}" for k in range(len(costs))]
    images, labels = load(args.images, "test")
    for path in args.statics:
        other = runner.Model(path)
        points.append(float(runner.macs(other)[-1]))
        rows.append((runner.run(other, images, precision)[-1].argmax(-1).numpy() == labels).astype(float))
        names.append(other.name)
    points, rows = np.array(points), np.array(rows)
    for k in np.argsort(points):
        print(f"  {names[k]:22s} {points[k] / 1e6:7.3f} MMAC  {100 * rows[k].mean():.2f} %")
    n = np.arange(right.shape[1])
    print("  loss allowed | threshold | accuracy | loss | mean MMAC | fewer than full | hull / adaptive [95 %] | share of exits")
    for loss, threshold in chosen.items():
        where = leave(confidence, threshold)
        a, c = right[where, n], costs[where]
        r, lo, hi = ratios(points, rows, a, c, args.resamples)
        share = " ".join(f"{100 * (where == k).mean():.0f}" for k in range(len(costs)))
        print(f"  {loss:12.2f} | {threshold:9.3f} | {100 * a.mean():8.2f} | {100 * (a.mean() - right[-1].mean()):+.2f} | {c.mean() / 1e6:9.3f} | "
              f"{full / c.mean():15.2f} | {r:.2f} [{lo:.2f}, {hi:.2f}] | {share}")


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--model", type=pathlib.Path, default=HERE / "models" / "fashion-ee.gguf")
    ap.add_argument("--images", type=pathlib.Path, default=HERE / "data")
    ap.add_argument("--dump", type=pathlib.Path)
    ap.add_argument("--precision", default="f32", choices=("f32", "int8", "int4"))
    ap.add_argument("--statics", type=pathlib.Path, nargs="*", default=[])
    ap.add_argument("--losses", type=float, nargs="*", default=[0.0, 0.1, 0.25, 0.5, 1.0])
    ap.add_argument("--resamples", type=int, default=1000)
    ap.add_argument("--agree", type=float, default=0.999)
    args = ap.parse_args()
    model = runner.Model(args.model)
    images, labels = load(args.images, "test")
    logits = runner.run(model, images, args.precision)
    for k, (z, alone, cost) in enumerate(zip(logits, runner.macs(model, alone=True), runner.macs(model))):
        print(f"{model.name} {args.precision} exit {k}: {alone / 1e6:.3f} MMAC alone, {cost / 1e6:.3f} with the heads before it, {100 * (z.argmax(-1).numpy() == labels).mean():.2f} % of {len(labels)} (own split)")
    if args.statics:
        against_hull(args, model, args.precision, logits)
    if args.dump:
        n, same, accuracy = compare(args.dump, logits.numpy(), labels)
        print(f"{args.dump}: {n} rows, accuracy {100 * accuracy:.2f} %, {100 * same:.3f} % of the predictions are PyTorch's")
        if same < args.agree:
            sys.exit(1)


if __name__ == "__main__":
    main()
