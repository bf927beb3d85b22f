"""Write a container: graph and folded weights, ranges and temperatures from the fit split, provenance."""

import os

import numpy as np
import torch
from gguf import GGUFValueType, GGUFWriter

from . import run as runner
from .walk import walk

RANGED = ("conv", "fc", "add", "avgpool", "gap", "concat", "act")


def export(net, path, *, name, labels, mean, std, license, provenance, fit_images, fit_labels=None, tail=0.0, half=False):
    """Write `net` (a MultiExit, in evaluation mode) to `path`.

    fit_images: uint8 (n, h, w, c), for neither training nor testing; ranges of activations come from them, and with fit_labels
    a temperature per exit. tail: the share of values that a range may cut off at its upper end. half: weights as F16.
    """
    net = net.eval().float().to("cpu")
    graph = walk(net, tuple(fit_images.shape[1:]))
    plain = dict(name=name, labels=labels, mean=mean, std=std, license=license, provenance=provenance, half=half)
    part = f"{path}.part"
    try:
        write(part, graph, {}, {}, **plain)
        model = runner.Model(part)
        ranges, logits = observe(model, fit_images, tail)
        temperature = {}
        if fit_labels is not None:
            temperature = {k: fit_temperature(z, torch.as_tensor(fit_labels)) for k, z in zip(model.exits, logits)}
        write(part, graph, ranges, temperature, **plain)
        os.replace(part, path)
    finally:
        if os.path.exists(part):
            os.remove(part)
    return runner.Model(path)


def observe(model, images, tail):
    """Range of every value that needs one, and the logits."""
    seen = {}

    def watch(name, value):
        flat = value.flatten()
        keep = max(1, int(round(tail * flat.numel())))
        top = flat.max() if tail == 0 else flat.kthvalue(flat.numel() - keep).values
        seen.setdefault(name, []).append((flat.min().item(), top.item()))

    logits = runner.run(model, images, watch=watch)
    # without a tail: the extremes; with one: the mean over batches of each batch's quantile
    upper = max if tail == 0 else (lambda v: sum(v) / len(v))
    ops = {out: op for graph, _, head in model.stages for part in (graph, head or []) for out, op, _, _ in part}
    ranges = {n: (min(a for a, _ in v), upper([b for _, b in v])) for n, v in seen.items() if ops[n] in RANGED}
    return ranges, logits


def fit_temperature(logits, labels):
    """The temperature with the lowest mean negative log-likelihood, by golden section over its logarithm."""
    cost = lambda t: torch.nn.functional.cross_entropy(logits.double() / np.exp(t), labels.long()).item()
    lo, hi, g = np.log(0.1), np.log(10.0), (5 ** 0.5 - 1) / 2
    for _ in range(40):
        a, b = hi - g * (hi - lo), lo + g * (hi - lo)
        lo, hi = (lo, b) if cost(a) < cost(b) else (a, hi)
    return round(float(np.exp((lo + hi) / 2)), 4)


def write(path, graph, ranges, temperature, *, name, labels, mean, std, license, provenance, half):
    w = GGUFWriter(path, "jbcnn")
    array = lambda key, values, kind: w.add_key_value(key, list(values), GGUFValueType.ARRAY, sub_type=kind)
    text, real, whole = GGUFValueType.STRING, GGUFValueType.FLOAT32, GGUFValueType.UINT32
    w.add_string("general.name", name)
    w.add_string("general.license", license)
    w.add_uint32("jb.format", 1)
    w.add_string("jb.provenance", provenance)
    w.add_string("jb.task", "classify")
    array("jb.labels", labels, text)
    array("jb.input.shape", graph.shape, whole)
    array("jb.input.mean", [float(v) for v in mean], real)
    array("jb.input.std", [float(v) for v in std], real)
    w.add_uint32("jb.stages", len(graph.stages))
    for k, stage in enumerate(graph.stages):
        array(f"jb.stage.{k}.graph", stage["graph"], text)
        w.add_string(f"jb.stage.{k}.output", stage["output"])
        if stage["head"]:
            array(f"jb.stage.{k}.head", stage["head"], text)
        if k in temperature:
            w.add_float32(f"jb.exit.{k}.temperature", temperature[k])
    if ranges:
        array("jb.range.names", ranges, text)
        array("jb.range.min", [a for a, _ in ranges.values()], real)
        array("jb.range.max", [b for _, b in ranges.values()], real)
    for key, t in graph.tensors.items():
        w.add_tensor(key, t.astype(np.float16) if half and key.endswith(".weight") else t)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
