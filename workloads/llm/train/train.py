#!/usr/bin/env python3
"""Exits for a language model with a frozen body: translators and gates, from the train split alone.

    train.py MODEL.gguf DATA OUT.gguf [--layers 21,24,27] [--windows 320] [--gate-windows 64] [--log FILE]

DATA is the directory that workloads/llm/data/make.py wrote (train.jsonl.gz, fit.jsonl.gz, calibration.jsonl.gz, test.jsonl.gz). The model's weights are dequantized to f32 and not changed.
1. States: windows of 512 tokens of train run through the body; h behind each exit's layers and behind the last layer are kept.
2. Translators: t = u + M u, u = h / rms(h), M from zero; KL from the full model's distribution to the exit's over the --shortlist most frequent tokens; AdamW, cosine, all exits at once.
3. Gates: sigmoid(b1 + w1 . silu(W0 u + b0)), on other windows of train, for "the exit's argmax (whole vocabulary, rounded translator) is the full model's"; binary cross-entropy; then scale and offset by logistic regression on fit.
4. OUT: matrices in Q8_0, vectors in F32 (docs/model-format.md section 7). All figures below are with the rounded ones.
Deterministic for a given number of threads. Needs torch, numpy, gguf.
"""

import argparse
import gzip
import hashlib
import json
import pathlib
import sys
import time

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "tests" / "llm"))
from reference import Llama  # noqa: E402

SEED, CTX, GATE, PASSES = 20261122, 512, 64, 8


def say(log, text):
    print(text, flush=True)
    log.write(text + "\n")
    log.flush()


def texts(data, split):
    with gzip.open(pathlib.Path(data) / f"{split}.jsonl.gz", "rt", encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    books = sorted({r["id"].split("-")[0] for r in records})
    return [[r["text"] for r in records if r["id"].startswith(book + "-")] for book in books]


def tokens(program, model, text):
    import subprocess
    import tempfile

    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as f:
        f.write(text)
        f.flush()
        out = subprocess.run([program, "tokenize", model, "-f", f.name, "--ids"], check=True, capture_output=True, text=True).stdout
    return np.array([int(t) for t in out.replace(",", " ").split()])


def token_windows(program, model, data, split, n, seed):
    """n windows of CTX ids of a split, as many of each book: train is nearly all speeches, the other splits are half and half. Ids by `joulebench tokenize`: the tokenizer that will be used."""
    rng, parts = np.random.default_rng(seed), []
    books = texts(data, split)
    for records in books:
        rng.shuffle(records)
        ids = tokens(program, model, "\n\n".join(records)[: n * CTX * 6 // len(books) + 20000])  # more than four bytes a token are rare in prose
        count = min(-(-n // len(books)), len(ids) // CTX)
        parts.append(ids[: count * CTX].reshape(count, CTX))
    windows = np.concatenate(parts)
    return windows[rng.permutation(len(windows))[:n]]


class Body(Llama):
    def states(self, windows, layers):
        """h behind each of `layers` and behind the last layer: (len(layers) + 1, positions, dim)."""
        torch, w = self.torch, self.w
        out = [[] for _ in range(len(layers) + 1)]
        for ids in windows:
            x = w["token_embd.weight"][torch.tensor(ids)]
            for layer in range(self.layers):
                at = f"blk.{layer}."
                x = x + self.attention(self.norm(x, w[at + "attn_norm.weight"]), at)
                h = self.norm(x, w[at + "ffn_norm.weight"])
                x = x + (torch.nn.functional.silu(h @ w[at + "ffn_gate.weight"].T) * (h @ w[at + "ffn_up.weight"].T)) @ w[at + "ffn_down.weight"].T
                if layer + 1 in layers:
                    out[layers.index(layer + 1)].append(x.half())
            out[-1].append(x.half())
        return torch.stack([torch.cat(o) for o in out])

    def unit(self, h):
        h = h.float()
        return h * self.torch.rsqrt(h.pow(2).mean(-1, keepdim=True) + self.eps)

    def head(self, t, rows=None):
        y = self.norm(t, self.w["output_norm.weight"])
        return y @ (self.output if rows is None else self.output[rows]).T

    def answers(self, states, maps):
        """argmax over the whole vocabulary of every exit and of the full model: (exits + 1, positions)."""
        torch = self.torch
        out = torch.empty(states.shape[:2], dtype=torch.long)
        for k in range(states.shape[0]):
            for at in range(0, states.shape[1], 512):
                h = states[k, at:at + 512]
                t = h.float() if k == len(maps) else (lambda u: u + u @ maps[k].T)(self.unit(h))
                out[k, at:at + 512] = self.head(t).argmax(-1)
        return out


def q8_0(matrix):
    """As ggml's reference: blocks of 32, scale = max / 127 in f16. Returns bytes and what they stand for."""
    m = matrix.detach().numpy().astype(np.float32)
    blocks = m.reshape(-1, 32)
    d = (np.abs(blocks).max(1, keepdims=True) / 127).astype(np.float32)
    q = np.rint(blocks * np.divide(1, d, out=np.zeros_like(d), where=d > 0)).astype(np.int8)
    d16 = d.astype(np.float16)
    raw = np.concatenate([d16.view(np.uint8), q.view(np.uint8)], axis=1).reshape(m.shape[0], -1)
    return raw, (q * d16.astype(np.float32)).reshape(m.shape)


def train_maps(body, states, args, log):
    torch = body.torch
    n_exits, n, dim = states.shape[0] - 1, states.shape[1], states.shape[2]
    maps = [torch.zeros(dim, dim, requires_grad=True) for _ in range(n_exits)]
    optimizer = torch.optim.AdamW(maps, lr=args.rate, weight_decay=args.decay)
    rows, batch = args.rows, 512
    steps = args.epochs * (n // batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    generator = torch.Generator().manual_seed(SEED)
    began, step = time.time(), 0
    for epoch in range(args.epochs):
        order, total = torch.randperm(n, generator=generator), np.zeros(n_exits)
        for at in range(0, n // batch * batch, batch):
            pick = order[at:at + batch]
            with torch.no_grad():
                p = body.head(states[-1, pick].float(), rows).log_softmax(-1)
            loss = 0
            for k in range(n_exits):
                u = body.unit(states[k, pick])
                q = body.head(u + u @ maps[k].T, rows).log_softmax(-1)
                kl = (p.exp() * (p - q)).sum(-1).mean()
                total[k] += kl.item()
                loss = loss + kl
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            step += 1
            if args.seconds and time.time() - began > args.seconds:
                steps = step
        say(log, f"translators, epoch {epoch + 1}: KL " + " ".join(f"{x / (n // batch):.4f}" for x in total) + f", {time.time() - began:.0f} s")
        if args.seconds and time.time() - began > args.seconds:
            break
    return [m.detach() for m in maps]


def train_gates(body, states, right, args, log):
    torch = body.torch
    n_exits, n, dim = states.shape[0] - 1, states.shape[1], states.shape[2]
    torch.manual_seed(SEED)
    gates = [torch.nn.Sequential(torch.nn.Linear(dim, GATE), torch.nn.SiLU(), torch.nn.Linear(GATE, 1)) for _ in range(n_exits)]
    optimizer = torch.optim.AdamW([p for g in gates for p in g.parameters()], lr=2e-3, weight_decay=0.02)
    generator = torch.Generator().manual_seed(SEED)
    steps = PASSES * (n // 512)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(PASSES):
        order, total = torch.randperm(n, generator=generator), 0.0
        for at in range(0, n // 512 * 512, 512):
            pick = order[at:at + 512]
            loss = sum(torch.nn.functional.binary_cross_entropy_with_logits(gates[k](body.unit(states[k, pick])).squeeze(-1), right[k, pick].float()) for k in range(n_exits))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
    say(log, f"gates: cross-entropy {total / (n // 512) / n_exits:.4f}")
    return gates


def platt(torch, z, y):
    """Scale and offset of z by logistic regression (Platt 1999), by Newton's method."""
    ab = torch.tensor([1.0, 0.0], dtype=torch.float64)
    x = torch.stack([z.double(), torch.ones_like(z.double())], 1)
    for _ in range(30):
        p = torch.sigmoid(x @ ab)
        g, h = x.T @ (p - y.double()), (x * (p * (1 - p))[:, None]).T @ x
        ab = ab - torch.linalg.solve(h + 1e-6 * torch.eye(2, dtype=torch.float64), g)
    return ab.float()


def base_hash(reader, layers):
    tensors = {t.name: t for t in reader.tensors}
    h = hashlib.sha256()
    for l in range(layers):
        h.update(tensors[f"blk.{l}.attn_norm.weight"].data.tobytes())
        h.update(tensors[f"blk.{l}.ffn_norm.weight"].data.tobytes())
    h.update(tensors["output_norm.weight"].data.tobytes())
    return h.hexdigest()


def write(path, model, body, layers, maps, gates, log):
    import gguf

    writer = gguf.GGUFWriter(path, "jb-exits")
    writer.add_string("general.name", "exits for SmolLM2-135M-Instruct")
    writer.add_string("general.license", "Apache-2.0")
    writer.add_string("general.description", "translators and gates trained by workloads/llm/train/train.py on the train split of workloads/llm/data; body frozen")
    writer.add_string("jb.provenance", f"workloads/llm/train/train.py, seed {SEED}: train split of workloads/llm/data (public-domain prose), fit split for the gates' scale")
    writer.add_uint32("jb.format", 1)
    writer.add_array("jb.exits.layers", [int(l) for l in layers])
    writer.add_string("jb.base.norms_sha256", base_hash(gguf.GGUFReader(model), body.layers))
    for k, m in enumerate(maps):
        raw, _ = q8_0(m)
        writer.add_tensor(f"exit.{k}.map.weight", raw, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
        raw, _ = q8_0(gates[k][0].weight)
        writer.add_tensor(f"exit.{k}.gate.0.weight", raw, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
        writer.add_tensor(f"exit.{k}.gate.0.bias", gates[k][0].bias.detach().numpy().astype(np.float32))
        writer.add_tensor(f"exit.{k}.gate.1.weight", gates[k][2].weight.detach().numpy().astype(np.float32).reshape(-1))
        writer.add_tensor(f"exit.{k}.gate.1.bias", gates[k][2].bias.detach().numpy().astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    say(log, f"{path}: {pathlib.Path(path).stat().st_size} bytes")


def gate_values(body, states, gates):
    torch = body.torch
    out = torch.empty(states.shape[0] - 1, states.shape[1])
    for k in range(len(gates)):
        for at in range(0, states.shape[1], 2048):
            out[k, at:at + 2048] = gates[k](body.unit(states[k, at:at + 2048])).squeeze(-1)
    return out


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("model")
    p.add_argument("data")
    p.add_argument("out")
    p.add_argument("--program", default="build/joulebench")
    p.add_argument("--layers", default="21,24,27")
    p.add_argument("--windows", type=int, default=320)
    p.add_argument("--gate-windows", type=int, default=64, help="of train, that the translators do not see")
    p.add_argument("--decay", type=float, default=0.05)
    p.add_argument("--shortlist", type=int, default=8192)
    p.add_argument("--epochs", type=int, default=3)
    p.add_argument("--rate", type=float, default=1e-3)
    p.add_argument("--seconds", type=float, default=0, help="of training translators, at most (checked at the end of an epoch); 0: no limit")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--log", default=str(HERE / "log.txt"))
    args = p.parse_args()
    import torch

    torch.set_num_threads(args.threads)
    torch.manual_seed(SEED)
    began, layers = time.time(), [int(l) for l in args.layers.split(",")]
    body = Body(args.model)
    with open(args.log, "w", encoding="utf-8") as log, torch.no_grad():
        say(log, f"exits behind {layers} of {body.layers} layers, {args.windows} + {args.gate_windows} windows of {CTX} tokens of train, shortlist of {args.shortlist}, {args.epochs} epochs, seed {SEED}, {args.threads} threads, torch {torch.__version__}")
        windows = token_windows(args.program, args.model, args.data, "train", args.windows + args.gate_windows, SEED)
        train, other = body.states(windows[:args.windows], layers), body.states(windows[args.windows:], layers)
        say(log, f"states of {train.shape[1]} + {other.shape[1]} tokens of train: {time.time() - began:.0f} s")
        full = torch.empty(train.shape[1], dtype=torch.long)
        for at in range(0, train.shape[1], 512):
            full[at:at + 512] = body.head(train[-1, at:at + 512].float()).argmax(-1)
        counts = torch.bincount(full, minlength=body.output.shape[0])
        args.rows = torch.argsort(counts, descending=True, stable=True)[: args.shortlist]
        with torch.enable_grad():
            maps = train_maps(body, train, args, log)
        maps = [torch.from_numpy(q8_0(m)[1]) for m in maps]
        answers = body.answers(other, maps)
        right = answers[:-1] == answers[-1]
        say(log, "agreement on the gates' windows of train: " + " ".join(f"{r.float().mean():.4f}" for r in right) + f", {time.time() - began:.0f} s")
        with torch.enable_grad():
            gates = train_gates(body, other, right, args, log)
        for g in gates:
            g[0].weight.copy_(torch.from_numpy(q8_0(g[0].weight)[1]))
        sets = {}
        for split, n in (("fit", 12), ("calibration", 16), ("test", 16)):
            s = body.states(token_windows(args.program, args.model, args.data, split, n, SEED), layers)
            a = body.answers(s, maps)
            sets[split] = (s, a[:-1] == a[-1])
            say(log, f"agreement on {split} ({s.shape[1]} tokens): " + " ".join(f"{r.float().mean():.4f}" for r in sets[split][1]) + f", {time.time() - began:.0f} s")
        z = gate_values(body, sets["fit"][0], gates)
        for k, g in enumerate(gates):
            a, b = platt(torch, z[k], sets["fit"][1][k])
            g[2].weight.mul_(a)
            g[2].bias.mul_(a).add_(b)
        zc, zt = gate_values(body, sets["calibration"][0], gates), gate_values(body, sets["test"][0], gates)
        say(log, "gates: threshold from calibration for an agreement of 99, 98, 95 % of those that leave there; share that leaves and its agreement on test")
        for k, layer in enumerate(layers):
            for target in (0.99, 0.98, 0.95):
                order = torch.argsort(zc[k], descending=True)
                hit = sets["calibration"][1][k][order].float().cumsum(0) / torch.arange(1, len(order) + 1)
                ok = (hit >= target).nonzero()
                if len(ok) == 0:
                    say(log, f"  layer {layer}, {target:.2f}: never")
                    continue
                threshold = zc[k][order[ok[-1, 0]]]
                leaves = zt[k] >= threshold
                say(log, f"  layer {layer}, {target:.2f}: gate >= {torch.sigmoid(threshold):.4f}, {leaves.float().mean():.4f} of test leave, {sets['test'][1][k][leaves].float().mean():.4f} of them agree")
        write(args.out, args.model, body, layers, maps, gates, log)
        say(log, f"{time.time() - began:.0f} s in all")


if __name__ == "__main__":
    main()
