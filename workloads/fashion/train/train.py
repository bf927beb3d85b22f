#!/usr/bin/env python3
"""The recipe: teacher, its answers on a few augmented copies of train, the multi-exit network, the static networks.

    train.py --data DIR --out DIR [--only NAME,NAME] [--epochs N]

DIR of --data is the destination of ../fetch.sh. Trainings run one after another; what --out already holds is kept.
"""

import argparse
import json
import pathlib
import time

import torch

import recipe
from data import augment, load
from loop import accuracy, logits_of, macs_of, train

VERSIONS = 8   # augmented copies of train for which the teacher's logits are kept
BATCH = 256
SEED = recipe.SEED


class Batches:
    """The copy of this epoch, in a seeded order."""

    def __init__(self, copies, y, guides, epoch):
        self.x, self.y = copies[epoch % len(copies)], y
        self.guide = None if guides is None else guides[epoch % len(copies)]
        self.parts = torch.randperm(len(y), generator=torch.Generator().manual_seed(SEED * 1000 + epoch)).split(BATCH)
        if len(self.parts[-1]) < BATCH // 2:
            self.parts = self.parts[:-1]

    def __len__(self):
        return len(self.parts)

    def __iter__(self):
        for i in self.parts:
            yield self.x[i], self.y[i], None if self.guide is None else self.guide[i]


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--data", required=True)
    ap.add_argument("--out", type=pathlib.Path, required=True)
    ap.add_argument("--only", default=",".join(recipe.NETS))
    ap.add_argument("--epochs", type=int, default=recipe.EPOCHS)
    ap.add_argument("--threads", type=int, default=2)
    args = ap.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(args.threads)

    x, y = load(args.data, "train")
    vx, vy = load(args.data, "fit")  # watched, nothing is chosen by it: the last average is what is kept
    check = lambda net: accuracy(net, vx, vy)

    def run(name, net, epochs, batches, **options):
        done = args.out / f"{name}.pt"
        if done.exists():
            net.load_state_dict(torch.load(done))
            return net
        with open(args.out / f"{name}.log", "w", buffering=1) as f:
            def log(line):
                f.write(line + "\n")
                print(name, line, flush=True)
            started, spent = time.time(), time.process_time()
            net = train(net, epochs, batches, check, log, checkpoint=args.out / f"{name}.part.pt", **options)
            log(json.dumps({"name": name, "seconds": round(time.time() - started, 1), "cpu_seconds": round(time.process_time() - spent, 1),
                            "threads": args.threads, "torch": torch.__version__}))
        torch.save(net.state_dict(), done)
        return net

    # fresh augmentation every epoch for the teacher; the others see the copies whose answers are kept
    fresh = lambda epoch: Batches([augment(x, torch.Generator().manual_seed(SEED * 100 + epoch))], y, None, epoch)
    torch.manual_seed(SEED)
    teacher = run("teacher", recipe.teacher(), recipe.TEACHER_EPOCHS, fresh, **recipe.TEACHER_OPTIONS)

    copies = [augment(x, torch.Generator().manual_seed(SEED * 10 + v)) for v in range(VERSIONS)]
    kept = args.out / "answers.pt"
    if kept.exists():
        guides = torch.load(kept)
    else:
        started = time.time()
        teacher.to(memory_format=torch.channels_last)
        guides = [logits_of(teacher, c)[-1].clone() for c in copies]
        torch.save(guides, kept)
        print(f"answers {time.time() - started:.1f} s", flush=True)

    for name in args.only.split(","):
        torch.manual_seed(SEED)
        run(name, recipe.NETS[name](), args.epochs, lambda epoch: Batches(copies, y, guides, epoch), **recipe.OPTIONS.get(name, {}))


if __name__ == "__main__":
    main()
