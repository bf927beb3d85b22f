"""Read a container back and run it as docs/model-format.md says: in f32, int8 and int4. Independent of the C code.

Values are (n, c, h, w) tensors. Slow and plain on purpose: integer sums are taken in double precision, where they are exact.
"""

import numpy as np
import torch
import torch.nn.functional as F
from gguf import GGUFReader


class Model:
    """A container in memory. `exits` are the stages that have a head."""

    def __init__(self, path):
        reader = GGUFReader(path)
        field = lambda k, d=None: reader.fields[k].contents() if k in reader.fields else d
        if field("general.architecture") != "jbcnn" or field("jb.format") != 1:
            raise ValueError(f"{path}: not a jbcnn container of format 1")
        self.name = field("general.name")
        self.labels = field("jb.labels")
        self.shape = field("jb.input.shape")
        self.mean, self.std = (np.float32(field(f"jb.input.{k}")) for k in ("mean", "std"))
        self.stages, self.exits, self.temperature = [], [], []
        for k in range(field("jb.stages")):
            head = field(f"jb.stage.{k}.head")
            parse = lambda lines: [parse_line(s) for s in lines]
            self.stages.append((parse(field(f"jb.stage.{k}.graph")), field(f"jb.stage.{k}.output"), head and parse(head)))
            if head:
                self.exits.append(k)
                self.temperature.append(field(f"jb.exit.{k}.temperature", 1.0))
        # min and max as IEEE single precision
        self.range = {n: (np.float32(a), np.float32(b)) for n, a, b in
                      zip(field("jb.range.names", []), field("jb.range.min", []), field("jb.range.max", []))}
        self.tensors = {t.name: torch.from_numpy(np.array(t.data, np.float32)) for t in reader.tensors}

    def normalise(self, images):
        """uint8 (n, h, w, c) -> f32 (n, c, h, w)."""
        x = torch.from_numpy((np.float32(images) / np.float32(255) - self.mean) / self.std)
        return x.permute(0, 3, 1, 2).contiguous()


def parse_line(line):
    words = line.split(" ")
    keys = dict(w.split("=", 1) for w in words[3:] if "=" in w)
    return words[0], words[2], [w for w in words[3:] if "=" not in w], keys


def two(keys, name, default):
    a = [int(v) for v in keys.get(name, str(default)).split("x")]
    return (a[0], a[-1])


def activate(x, act):
    return {"none": lambda v: v, "relu": F.relu, "relu6": F.relu6, "hswish": F.hardswish}[act](x)


def window(keys):
    return two(keys, "k", 1), two(keys, "s", 1), two(keys, "p", 0)


def nhwc(x):
    return x.permute(0, 2, 3, 1).flatten(1)


class Real:
    """f32 arithmetic."""

    def __init__(self, model):
        self.m = model

    def input(self, images):
        return self.m.normalise(images)

    def apply(self, op, out, inputs, keys, is_logits, fused):
        x, act = inputs[0], keys.get("act", "none")
        if op in ("conv", "fc"):
            w, b = self.m.tensors[keys["w"] + ".weight"], self.m.tensors[keys["w"] + ".bias"]
            if op == "fc":
                return activate(F.linear(nhwc(x), w, b), act)[:, :, None, None]
            _, s, p = window(keys)
            return activate(F.conv2d(x, w.permute(0, 3, 1, 2), b, s, p, groups=int(keys.get("g", 1))), act)
        if op == "add":
            return activate(x + inputs[1], act)
        return pooled(op, x, inputs, keys)

    def logits(self, x):
        return x.flatten(1)


def pooled(op, x, inputs, keys):
    k, s, p = window(keys)
    if op == "maxpool":
        return F.max_pool2d(x, k, s, p)
    if op == "avgpool":
        return F.avg_pool2d(x, k, s, p, count_include_pad=False)
    if op == "gap":
        return x.mean((2, 3), keepdim=True)
    if op == "concat":
        return torch.cat([x, inputs[1]], 1)
    if op == "act":
        return activate(x, keys["act"])
    raise ValueError(f"unknown operation {op}")


class Quantised:
    """A value: integers minus their zero point (as double), the scale, and the zero point."""

    def __init__(self, q, scale, zero):
        self.q, self.scale, self.zero = q, scale, zero


class Integer:
    """8-bit activations; weights of 8 or 4 bits (section 4). A reduction of less than one group of 32 keeps 8 bits."""

    def __init__(self, model, bits):
        self.m, self.bits, self.packed = model, bits, {}

    def params(self, lo, hi):
        f = np.float32
        lo, hi = min(f(lo), f(0)), max(f(hi), f(0))
        scale = f((hi - lo) / f(255)) if hi > lo else f(1)
        return scale, int(np.clip(np.rint(-lo / scale), 0, 255))

    def input(self, images):
        m = self.m
        scale, zero = self.params(((0 - m.mean) / m.std).min(), ((1 - m.mean) / m.std).max())
        x = m.normalise(images) / torch.tensor(scale)
        return Quantised((torch.round(x) + zero).clamp(0, 255).double() - zero, scale, zero)

    def weights(self, name):
        """Integer weights (out, ...) as double, and the scale per output channel."""
        if name not in self.packed:
            w = self.m.tensors[name + ".weight"]
            self.packed[name] = quantise8(w) if self.bits == 8 or w[0].numel() < 32 else quantise4(w)
        return self.packed[name]

    def store(self, real_over_scale, scale, zero, relu):
        q = (torch.round(real_over_scale) + zero).clamp(zero if relu else 0, 255)
        return Quantised(q.double() - zero, scale, zero)

    def accumulate(self, op, x, keys):
        w, s_w = self.weights(keys["w"])
        b = self.m.tensors[keys["w"] + ".bias"]
        s = torch.tensor(x.scale) * s_w
        b = torch.round(b / s).double()
        if op == "fc":
            return (nhwc(x.q) @ w.T + b)[:, :, None, None].float(), s
        _, st, p = window(keys)
        return F.conv2d(x.q, w.permute(0, 3, 1, 2), b, st, p, groups=int(keys.get("g", 1))).float(), s

    def apply(self, op, out, inputs, keys, is_logits, fused):
        x, act = inputs[0], keys.get("act", "none")
        if act not in ("none", "relu"):
            raise ValueError(f"int8: {act} is not simulated")
        if op in ("conv", "fc"):
            acc, s = self.accumulate(op, x, keys)
            s = s[None, :, None, None]
            if is_logits:
                return acc * s
            if fused:  # the add that follows scales it
                return Quantised(acc, s, 0)
            scale, zero = self.params(*self.m.range[out])
            return self.store(acc * (s / torch.tensor(scale)), scale, zero, act == "relu")
        if op == "maxpool":
            return Quantised(pooled(op, x.q, None, keys), x.scale, x.zero)
        if op == "act":
            return Quantised(F.relu(x.q), x.scale, x.zero)
        scale, zero = self.params(*self.m.range[out])
        term = lambda v: v.q.float() * (torch.as_tensor(v.scale) / torch.tensor(scale))
        if op == "add":
            return self.store(term(inputs[0]) + term(inputs[1]), scale, zero, act == "relu")
        if op == "concat":
            return self.store(torch.cat([term(v) for v in inputs], 1), scale, zero, False)
        k, st, p = window(keys) if op == "avgpool" else (x.q.shape[2:], 1, 0)
        total = lambda v: F.avg_pool2d(v, k, st, p, divisor_override=1)
        n = total(torch.ones_like(x.q[:1, :1])).float()
        return self.store(total(x.q).float() * (torch.tensor(x.scale / scale) / n), scale, zero, False)

    def logits(self, x):
        return x.flatten(1)


def quantise8(w):
    flat = w.reshape(w.shape[0], -1)
    top = flat.abs().amax(1)
    s = torch.where(top > 0, top / 127, torch.ones_like(top))
    return torch.round(flat / s[:, None]).clamp(-127, 127).reshape(w.shape).double(), s


def quantise4(w, group=32):
    flat = w.reshape(w.shape[0], -1)
    n = flat.shape[1]
    full = F.pad(flat, (0, -n % group)).reshape(len(flat), -1, group)
    top = full.abs().amax(2)
    best = top.amax(1)
    s = torch.where(best > 0, best / 105, torch.ones_like(best))
    mul = torch.ceil(top / (7 * s[:, None])).clamp(1, 15)
    q = torch.round(full / (s[:, None] * mul)[:, :, None]).clamp(-7, 7) * mul[:, :, None]
    return q.reshape(len(flat), -1)[:, :n].reshape(w.shape).double(), s


def fused_convs(lines):
    """Names of conv results that only the add right behind them reads."""
    reads = {}
    for _, _, inputs, _ in lines:
        for name in inputs:
            reads[name] = reads.get(name, 0) + 1
    return {a[0] for a, b in zip(lines, lines[1:])
            if a[1] == "conv" and b[1] == "add" and a[0] in b[2] and reads[a[0]] == 1 and a[3].get("act", "none") == "none"}


def run(model, images, precision="f32", batch=250, watch=None):
    """Logits (exits, n, classes) of uint8 images (n, h, w, c). watch(name, value) sees every value of a batch in f32."""
    engine = Real(model) if precision == "f32" else Integer(model, {"int8": 8, "int4": 4}[precision])
    parts = []
    with torch.no_grad():
        for i in range(0, len(images), batch):
            parts.append(torch.stack(run_batch(model, engine, images[i:i + batch], watch)))
    return torch.cat(parts, 1)


def run_batch(model, engine, images, watch):
    logits, values = [], {"input": engine.input(images)}
    for graph, output, head in model.stages:
        for part, is_head in ((graph, False), (head or [], True)):
            fused = fused_convs(part) - {output}
            for out, op, inputs, keys in part:
                last = is_head and out == part[-1][0]
                values[out] = engine.apply(op, out, [values[n] for n in inputs], keys, last, out in fused)
                if watch and not last:
                    watch(out, values[out])
            if is_head and part:
                logits.append(engine.logits(values[part[-1][0]]))
        values = {output: values[output]}
    return logits


def macs(model, alone=False):
    """Cumulative MACs at each exit, the heads passed on the way included; alone: with that exit's head only."""
    total, marks = 0, []
    shape = {"input": tuple(model.shape)}
    for graph, _, head in model.stages:
        for part in (graph, head or []):
            trunk = total
            for out, op, inputs, keys in part:
                h, w, c = shape[inputs[0]]
                if op in ("conv", "maxpool", "avgpool"):
                    k, s, p = window(keys)
                    h, w = (h + 2 * p[0] - k[0]) // s[0] + 1, (w + 2 * p[1] - k[1]) // s[1] + 1
                if op in ("conv", "fc"):
                    t = model.tensors[keys["w"] + ".weight"]
                    total += t.numel() * (h * w if op == "conv" else 1)
                    c = t.shape[0]
                if op in ("fc", "gap"):
                    h = w = 1
                if op == "concat":
                    c += shape[inputs[1]][2]
                shape[out] = (h, w, c)
        if head:
            marks.append(total)
            total = trunk if alone else total
    return marks
