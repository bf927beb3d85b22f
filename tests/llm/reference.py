#!/usr/bin/env python3
"""A language model's logits against PyTorch in f32 on the dequantized weights.

    reference.py run MODEL.gguf IDS OUT.npy [--ctx 512] [--chunks N] [--threads T]
    reference.py compare REF.npy IDS NAME=DUMP... [--ctx 512] [--json]

IDS is a file of token ids parted by white space or commas (`joulebench tokenize --ids`). `run` goes through it in windows of ctx tokens, each from an empty context, as `joulebench perplexity`
and llama.cpp's do, and keeps the logits of the scored positions only: ctx/2 .. ctx-2, those that predict a token of the window's second half but its first (255 a window of 512). A DUMP
holds the same positions of the same windows as raw little-endian f32, (positions, vocabulary), which is what `joulebench perplexity --logits` writes; or it is a .npy.
`compare` prints for each dump its perplexity, how often its argmax is the reference's, the mean and the largest KL(reference || dump) in nats, and the largest difference of a logit
after both rows were centred; and for each dump but the first its paired differences from the first. A dump may hold fewer windows than the reference: the common ones are compared.

Needs torch, numpy and gguf; it is run by hand and by docs/language-models.md's command, not by CI.
"""

import argparse
import json
import pathlib
import re
import sys

import numpy as np


def read_ids(path):
    return [int(t) for t in re.split(r"[\s,\[\]]+", pathlib.Path(path).read_text()) if t]


class Llama:
    """The graph of GGUF's architecture `llama`, every weight dequantized to f32. GGUF keeps Q and K permuted, so that RoPE turns neighbours (2i, 2i+1)."""

    def __init__(self, path):
        import gguf
        import torch

        self.torch = torch
        reader = gguf.GGUFReader(path)
        self.w = {t.name: torch.from_numpy(np.array(gguf.quants.dequantize(t.data, t.tensor_type), dtype=np.float32)) for t in reader.tensors}

        def key(name, default=None):
            field = reader.fields.get(name)
            return default if field is None else field.contents()

        if key("general.architecture") != "llama":
            sys.exit(f"{path}: architecture {key('general.architecture')!r}, not llama")
        self.layers = key("llama.block_count")
        self.heads = key("llama.attention.head_count")
        self.kv_heads = key("llama.attention.head_count_kv", self.heads)
        self.dim = key("llama.embedding_length")
        self.head_dim = key("llama.attention.key_length", self.dim // self.heads)
        self.rope_dim = key("llama.rope.dimension_count", self.head_dim)
        self.base = key("llama.rope.freq_base", 10000.0)
        self.eps = key("llama.attention.layer_norm_rms_epsilon")
        if key("llama.rope.scaling.type", "none") not in ("none", None):
            sys.exit(f"{path}: rope scaling is not in this reference")
        self.factors = self.w.get("rope_freqs.weight")
        self.output = self.w.get("output.weight", self.w["token_embd.weight"])

    def norm(self, x, weight):
        return x * self.torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * weight

    def rope(self, x):  # (heads, seq, head_dim)
        torch, n = self.torch, self.rope_dim
        frequency = 1.0 / self.base ** (torch.arange(0, n, 2, dtype=torch.float64) / n)
        if self.factors is not None:
            frequency = frequency / self.factors.double()
        angle = torch.outer(torch.arange(x.shape[1], dtype=torch.float64), frequency)
        cos, sin = angle.cos().float(), angle.sin().float()
        turned = x.clone()
        turned[..., 0:n:2] = x[..., 0:n:2] * cos - x[..., 1:n:2] * sin
        turned[..., 1:n:2] = x[..., 0:n:2] * sin + x[..., 1:n:2] * cos
        return turned

    def attention(self, h, at):
        torch, seq = self.torch, h.shape[0]
        split = lambda x, heads: x.view(seq, heads, self.head_dim).transpose(0, 1)
        q = self.rope(split(h @ self.w[at + "attn_q.weight"].T, self.heads))
        k = self.rope(split(h @ self.w[at + "attn_k.weight"].T, self.kv_heads)).repeat_interleave(self.heads // self.kv_heads, 0)
        v = split(h @ self.w[at + "attn_v.weight"].T, self.kv_heads).repeat_interleave(self.heads // self.kv_heads, 0)
        scores = q @ k.transpose(1, 2) / self.head_dim**0.5
        scores = scores.masked_fill(torch.ones(seq, seq, dtype=torch.bool).triu(1), float("-inf"))
        mixed = scores.softmax(-1) @ v
        return mixed.transpose(0, 1).reshape(seq, -1) @ self.w[at + "attn_output.weight"].T

    def logits(self, ids, first, last):
        """(last - first, vocabulary) for one window."""
        torch, w = self.torch, self.w
        x = w["token_embd.weight"][torch.tensor(ids)]
        for layer in range(self.layers):
            at = f"blk.{layer}."
            x = x + self.attention(self.norm(x, w[at + "attn_norm.weight"]), at)
            h = self.norm(x, w[at + "ffn_norm.weight"])
            x = x + (torch.nn.functional.silu(h @ w[at + "ffn_gate.weight"].T) * (h @ w[at + "ffn_up.weight"].T)) @ w[at + "ffn_down.weight"].T
        return self.norm(x[first:last], w["output_norm.weight"]) @ self.output.T


def run(args):
    import torch

    torch.set_num_threads(args.threads)
    model, ids = Llama(args.model), read_ids(args.ids)
    windows = min(len(ids) // args.ctx, args.chunks or len(ids))
    first, last = args.ctx // 2, args.ctx - 1
    if windows == 0:
        sys.exit(f"{args.ids}: {len(ids)} tokens are no window of {args.ctx}")
    out = np.lib.format.open_memmap(args.out, mode="w+", dtype=np.float32, shape=(windows * (last - first), model.output.shape[0]))
    with torch.no_grad():
        for i in range(windows):
            out[i * (last - first):(i + 1) * (last - first)] = model.logits(ids[i * args.ctx:(i + 1) * args.ctx], first, last).numpy()
    out.flush()


def load(path, vocabulary):
    if path.endswith(".npy"):
        return np.load(path, mmap_mode="r")
    size = pathlib.Path(path).stat().st_size
    if size == 0 or size % (4 * vocabulary):
        sys.exit(f"{path}: {size} bytes are no rows of {vocabulary} floats")
    return np.memmap(path, dtype="<f4", mode="r", shape=(size // (4 * vocabulary), vocabulary))


def log_softmax(rows):
    rows = rows.astype(np.float64)
    rows -= rows.max(1, keepdims=True)
    return rows - np.log(np.exp(rows).sum(1, keepdims=True))


def compare_one(reference, dump, targets):
    """Figures over the positions that both have; both as (positions, vocabulary). Also the KL of each position, and whether its argmax is the reference's."""
    n = min(len(reference), len(dump))
    nll = nll_ref = apart = 0.0
    kl, same = np.empty(n), np.empty(n)
    for at in range(0, n, 64):
        a, b = np.asarray(reference[at:at + 64][:n - at]), np.asarray(dump[at:at + 64][:n - at])
        if not np.isfinite(b).all():
            sys.exit("a dump holds a logit that is not finite")
        la, lb = log_softmax(a), log_softmax(b)
        t = targets[at:at + len(a)]
        kl[at:at + len(a)] = (np.exp(la) * (la - lb)).sum(1)
        same[at:at + len(a)] = a.argmax(1) == b.argmax(1)
        nll_ref -= la[np.arange(len(t)), t].sum()
        nll -= lb[np.arange(len(t)), t].sum()
        apart = max(apart, np.abs((a - a.mean(1, keepdims=True)) - (b - b.mean(1, keepdims=True))).max())
    figures = {"positions": n, "ppl_reference": float(np.exp(nll_ref / n)), "ppl": float(np.exp(nll / n)), "argmax_agreement": float(same.mean()), "mean_kl": float(kl.mean()),
               "mean_kl_standard_error": float(kl.std() / n**0.5), "max_kl": float(kl.max()), "max_logit_difference": float(apart)}
    return figures, kl, same


def difference(x, y, a_window):
    """Mean of x - y and its standard error over windows: positions of one window hang together."""
    n = min(len(x), len(y))
    d = (x[:n] - y[:n])[:n // a_window * a_window].reshape(-1, a_window).mean(1)
    return float(d.mean()), float(d.std(ddof=1) / len(d)**0.5) if len(d) > 1 else float("inf")


def compare(args):
    reference, ids = np.load(args.ref, mmap_mode="r"), read_ids(args.ids)
    first, last = args.ctx // 2, args.ctx - 1
    targets = np.array([ids[w * args.ctx + i + 1] for w in range(len(ids) // args.ctx) for i in range(first, last)])
    if len(targets) < len(reference):
        sys.exit(f"{args.ids}: ids for {len(targets)} positions; {args.ref} has {len(reference)}: not its ids, or another --ctx")
    figures, kls, sames = {}, [], []
    for spec in args.dumps:
        name, _, path = spec.rpartition("=")
        f, kl, same = compare_one(reference, load(path, reference.shape[1]), targets)
        if kls:
            d, de = difference(kl, kls[0], last - first)
            s, se = difference(same, sames[0], last - first)
            f["minus_first"] = {"mean_kl": d, "mean_kl_standard_error": de, "argmax_agreement": s, "argmax_agreement_standard_error": se}
        figures[name or pathlib.Path(path).stem] = f
        kls.append(kl)
        sames.append(same)
    if args.json:
        print(json.dumps(figures, indent=1))
        return
    print(f"{'':24} {'positions':>9} {'ppl (f32)':>10} {'ppl':>10} {'argmax':>8} {'mean KL':>10} {'+-':>8} {'max KL':>9} {'max |d|':>8}")
    for name, f in figures.items():
        print(f"{name:24} {f['positions']:9} {f['ppl_reference']:10.4f} {f['ppl']:10.4f} {100 * f['argmax_agreement']:7.2f}% {f['mean_kl']:10.3e} {f['mean_kl_standard_error']:8.1e} "
              f"{f['max_kl']:9.2e} {f['max_logit_difference']:8.3f}")
    for name, f in figures.items():
        if "minus_first" in f:
            d = f["minus_first"]
            print(f"{name} less the first: mean KL {d['mean_kl']:+.3e} +- {d['mean_kl_standard_error']:.1e}, argmax {100 * d['argmax_agreement']:+.2f}% +- {100 * d['argmax_agreement_standard_error']:.2f}% "
                  "(standard errors over windows)")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(required=True)
    p = commands.add_parser("run")
    p.add_argument("model")
    p.add_argument("ids")
    p.add_argument("out")
    p.add_argument("--chunks", type=int, default=0)
    p.add_argument("--threads", type=int, default=1)
    p.set_defaults(do=run)
    c = commands.add_parser("compare")
    c.add_argument("ref")
    c.add_argument("ids")
    c.add_argument("dumps", nargs="+")
    c.add_argument("--json", action="store_true")
    c.set_defaults(do=compare)
    for each in (p, c):
        each.add_argument("--ctx", type=int, default=512)
    args = parser.parse_args()
    args.do(args)


if __name__ == "__main__":
    main()
