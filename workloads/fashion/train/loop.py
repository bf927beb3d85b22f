"""One training loop for every network of this recipe."""

import copy
import json
import math
import time

import torch
import torch.nn.functional as F

from data import normalise


def macs_of(net, shape=(1, 1, 28, 28)):
    """Cumulative MACs at each exit, the heads passed on the way included."""
    count = [0]

    def hook(m, _, out):
        if isinstance(m, torch.nn.Conv2d):
            count[0] += out[0].numel() * m.in_channels // m.groups * m.kernel_size[0] * m.kernel_size[1]
        elif isinstance(m, torch.nn.Linear):
            count[0] += m.in_features * m.out_features

    hooks = [m.register_forward_hook(hook) for m in net.modules()]
    marks = []
    ends = [h.register_forward_hook(lambda *_: marks.append(count[0])) for h, has in zip(net.heads, net.has_head) if has]
    was, _ = net.training, net.eval()
    with torch.no_grad():
        net(torch.zeros(shape))
    net.train(was)
    for h in hooks + ends:
        h.remove()
    return marks


def logits_of(net, x, batch=500, bf16=True):
    """(exits, n, classes) for uint8 images."""
    net.eval()
    parts = []
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        for i in range(0, len(x), batch):
            xb = normalise(x[i:i + batch]).to(memory_format=torch.channels_last)
            parts.append(torch.stack([z.float() for z in net(xb)]))
    return torch.cat(parts, 1)


def accuracy(net, x, y, bf16=True):
    return [100 * (z.argmax(1) == y).float().mean().item() for z in logits_of(net, x, bf16=bf16)]


def soft_ce(z, q):
    return -(q * F.log_softmax(z, 1)).sum(1).mean()


def train(net, epochs, batches, check, log, lr=0.1, wd=5e-4, ema=0.998, exit_weights=None, own=0.25, soft=0.6, tau=2.0,
          smooth=0.05, checkpoint=None):
    """batches(epoch) yields (uint8 images, labels, teacher logits or None). Returns the averaged network.

    Every exit: (1 - soft) smoothed CE + soft KL at temperature tau. The target of the KL is the teacher's; an earlier exit
    mixes in `own` parts of this network's own last exit (self-distillation). Without a teacher the last exit has CE only.
    """
    net = net.to(memory_format=torch.channels_last)
    mean = copy.deepcopy(net).eval()
    params = [p for p in net.parameters() if p.requires_grad]
    opt = torch.optim.SGD([{"params": [p for p in params if p.ndim > 1], "weight_decay": wd},
                           {"params": [p for p in params if p.ndim == 1], "weight_decay": 0.0}], lr=lr, momentum=0.9, nesterov=True)
    source = [t for t in list(net.parameters()) + list(net.buffers()) if t.is_floating_point()]
    target = [t for t in list(mean.parameters()) + list(mean.buffers()) if t.is_floating_point()]
    macs = macs_of(net)
    log(json.dumps({"macs": macs, "parameters": sum(p.numel() for p in params), "epochs": epochs, "lr": lr, "wd": wd, "ema": ema,
                    "soft": soft, "own": own, "tau": tau, "smooth": smooth, "exit_weights": exit_weights, "pull": net.pull}))
    started = time.time()
    for epoch in range(epochs):
        net.train()
        total, n, step = 0.0, 0, 0
        todo = batches(epoch)
        for x, y, teacher in todo:
            t = (epoch + step / len(todo)) / epochs
            rate = lr * min(1.0, (t + 1e-3) / 0.1) * 0.5 * (1 + math.cos(math.pi * max(0.0, t - 0.1) / 0.9))
            for group in opt.param_groups:
                group["lr"] = max(rate, lr * 1e-3)
            with torch.autocast("cpu", torch.bfloat16):
                out = net(normalise(x).to(memory_format=torch.channels_last))
            out = [z.float() for z in out]
            hard = F.one_hot(y, out[0].shape[1]).float() * (1 - smooth) + smooth / out[0].shape[1]
            guide = None if teacher is None else F.softmax(teacher / tau, 1)
            last = F.softmax(out[-1].detach() / tau, 1)
            loss = 0.0
            for k, z in enumerate(out):
                final = k == len(out) - 1
                q = guide if final else last if guide is None else (1 - own) * guide + own * last
                part = soft_ce(z, hard) if q is None else (1 - soft) * soft_ce(z, hard) + soft * tau * soft_ce(z / tau, q)
                loss = loss + part * (1.0 if exit_weights is None else exit_weights[k])
            opt.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(params, 5.0)
            opt.step()
            done = epoch * len(todo) + step
            with torch.no_grad():
                torch._foreach_lerp_(target, source, 1 - min(ema, (done + 1) / (done + 10)))
            total, n, step = total + loss.item() * len(y), n + len(y), step + 1
        line = {"epoch": epoch, "seconds": round(time.time() - started, 1), "loss": round(total / n, 4)}
        if epoch % 5 == 4 or epoch >= epochs - 2:
            line["accuracy"] = [round(a, 2) for a in check(mean)]
            if checkpoint:
                torch.save(mean.state_dict(), checkpoint)
        log(json.dumps(line))
    return mean
