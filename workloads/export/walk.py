"""From PyTorch modules with exits to the operations and tensors of docs/model-format.md."""

import numpy as np
import torch
import torch.nn as nn

from .modules import MultiExit, Residual


class Graph:
    """What the container holds, before ranges and temperatures are known."""

    def __init__(self, shape):
        self.shape = shape       # (h, w, c)
        self.stages = []         # of {"graph": [line], "output": name, "head": [line] or None}
        self.tensors = {}        # name -> float32 array in the container's order


def pair(v):
    return tuple(v) if isinstance(v, (tuple, list)) else (v, v)


def key(name, v):
    a, b = pair(v)
    return f"{name}={a}" if a == b else f"{name}={a}x{b}"


def geometry(m):
    words = [key("k", m.kernel_size)]
    if pair(m.stride if m.stride is not None else m.kernel_size) != (1, 1):
        words.append(key("s", m.stride if m.stride is not None else m.kernel_size))
    if pair(m.padding) != (0, 0):
        words.append(key("p", m.padding))
    return words


class Walker:
    """Walks one stage or head. Shapes are (c, h, w) as PyTorch counts them."""

    def __init__(self, graph, prefix, value, shape):
        self.graph, self.prefix = graph, prefix
        self.value, self.shape = value, shape
        self.lines, self.n = [], 0

    def emit(self, op, sources, words=()):
        out = f"{self.prefix}.{self.n}"
        self.n += 1
        self.lines.append(" ".join([out, "=", op, *sources, *words]))
        self.value = out
        return out

    def size(self, m):
        c, h, w = self.shape
        (kh, kw), (sh, sw) = pair(m.kernel_size), pair(m.stride if m.stride is not None else m.kernel_size)
        ph, pw = pair(m.padding)
        return (h + 2 * ph - kh) // sh + 1, (w + 2 * pw - kw) // sw + 1

    def walk(self, modules):
        """A flat list; looks ahead to fold BatchNorm and the activation into what stands before them."""
        i = 0
        while i < len(modules):
            m = modules[i]
            if isinstance(m, nn.Conv2d):
                bn = modules[i + 1] if i + 1 < len(modules) and isinstance(modules[i + 1], nn.BatchNorm2d) else None
                i += bn is not None
                act, i = self.activation(modules, i)
                self.conv(m, bn, act)
            elif isinstance(m, nn.Linear):
                act, i = self.activation(modules, i)
                self.linear(m, act)
            elif isinstance(m, Residual):
                self.residual(m)
            elif isinstance(m, nn.MaxPool2d):
                self.pool("maxpool", m)
            elif isinstance(m, nn.AvgPool2d):
                if pair(m.padding) != (0, 0) and m.count_include_pad:
                    raise ValueError("AvgPool2d: use count_include_pad=False with padding")
                self.pool("avgpool", m)
            elif isinstance(m, nn.AdaptiveAvgPool2d) and pair(m.output_size) == (1, 1):
                self.emit("gap", [self.value])
                self.shape = (self.shape[0], 1, 1)
            elif isinstance(m, (nn.ReLU, nn.ReLU6, nn.Hardswish)):
                self.emit("act", [self.value], [f"act={ACTS[type(m)]}"])
            elif isinstance(m, (nn.Flatten, nn.Dropout, nn.Identity)):
                pass  # fc reads all values of its input in NHWC order; linear() permutes the weights to match
            else:
                raise ValueError(f"{type(m).__name__} is not in the container's vocabulary")
            i += 1

    def activation(self, modules, i):
        if i + 1 < len(modules) and type(modules[i + 1]) in ACTS:
            return ACTS[type(modules[i + 1])], i + 1
        return "none", i

    def conv(self, m, bn, act):
        if m.padding_mode != "zeros" or pair(m.dilation) != (1, 1) or isinstance(m.padding, str):
            raise ValueError("Conv2d: only zero padding given as numbers, and no dilation")
        w = m.weight.detach().double()
        b = torch.zeros(m.out_channels, dtype=torch.double) if m.bias is None else m.bias.detach().double()
        if bn is not None:
            s = bn.weight.detach().double() / torch.sqrt(bn.running_var.double() + bn.eps)
            w = w * s[:, None, None, None]
            b = (b - bn.running_mean.double()) * s + bn.bias.detach().double()
        name = f"{self.prefix}.{self.n}"
        self.tensors(name, w.permute(0, 2, 3, 1), b)
        h, wd = self.size(m)
        words = [f"w={name}", *geometry(m)]
        if m.groups != 1:
            words.append(f"g={m.groups}")
        self.emit("conv", [self.value], words + ([f"act={act}"] if act != "none" else []))
        self.shape = (m.out_channels, h, wd)

    def linear(self, m, act):
        c, h, w = self.shape
        if c * h * w != m.in_features:
            raise ValueError(f"Linear: {m.in_features} inputs, but {c}x{h}x{w} values arrive")
        weight = m.weight.detach().double().reshape(m.out_features, c, h, w).permute(0, 2, 3, 1).reshape(m.out_features, -1)
        bias = torch.zeros(m.out_features, dtype=torch.double) if m.bias is None else m.bias.detach().double()
        name = f"{self.prefix}.{self.n}"
        self.tensors(name, weight, bias)
        self.emit("fc", [self.value], [f"w={name}"] + ([f"act={act}"] if act != "none" else []))
        self.shape = (m.out_features, 1, 1)

    def residual(self, m):
        start, shape = self.value, self.shape
        other = start
        if m.shortcut is not None:
            self.walk(flatten(m.shortcut))
            other = self.value
        self.value, self.shape = start, shape
        self.walk(flatten(m.body))
        self.emit("add", [self.value, other], ["act=relu"])

    def pool(self, op, m):
        if m.ceil_mode:
            raise ValueError(f"{type(m).__name__}: ceil_mode is not in the container's vocabulary")
        h, w = self.size(m)
        self.emit(op, [self.value], geometry(m))
        self.shape = (self.shape[0], h, w)

    def tensors(self, name, weight, bias):
        for part, t in (("weight", weight), ("bias", bias)):
            a = np.ascontiguousarray(t.numpy().astype(np.float32))
            if not np.isfinite(a).all():
                raise ValueError(f"{name}.{part} holds NaN or infinite values")
            self.graph.tensors[f"{name}.{part}"] = a


ACTS = {nn.ReLU: "relu", nn.ReLU6: "relu6", nn.Hardswish: "hswish"}


def flatten(module):
    """The modules in order, Sequentials opened."""
    if isinstance(module, nn.Sequential):
        return [m for child in module for m in flatten(child)]
    return [module]


def walk(net, shape):
    """Graph of a MultiExit in evaluation mode; shape is (h, w, c)."""
    if not isinstance(net, MultiExit):
        raise ValueError("expected a MultiExit")
    graph = Graph(shape)
    value, at = "input", (shape[2], shape[0], shape[1])
    for k, (stage, head, has) in enumerate(zip(net.stages, net.heads, net.has_head)):
        w = Walker(graph, f"s{k}", value, at)
        w.walk(flatten(stage))
        value, at = w.value, w.shape
        lines = None
        if has:
            h = Walker(graph, f"h{k}", value, at)
            h.walk(flatten(head))
            lines = h.lines
        graph.stages.append({"graph": w.lines, "output": value, "head": lines})
    return graph
