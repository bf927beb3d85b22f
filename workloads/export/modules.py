"""Modules that workloads/export can walk, besides those of torch.nn."""

import torch.nn as nn
import torch.nn.functional as F


class Residual(nn.Module):
    """relu(shortcut(x) + body(x)); the shortcut is the identity unless given."""

    def __init__(self, body, shortcut=None):
        super().__init__()
        self.body = body
        self.shortcut = shortcut

    def forward(self, x):
        return F.relu(self.body(x) + (x if self.shortcut is None else self.shortcut(x)))


class MultiExit(nn.Module):
    """Stages one after another; behind stage k the head k, or None. forward() returns the logits of every exit.

    pull[k] scales the gradient that head k sends into the trunk (1: all of it). It is a matter of training only.
    """

    def __init__(self, stages, heads, pull=None):
        super().__init__()
        assert len(stages) == len(heads) and heads[-1] is not None
        self.stages = nn.ModuleList(stages)
        self.heads = nn.ModuleList([nn.Identity() if h is None else h for h in heads])
        self.has_head = [h is not None for h in heads]
        self.pull = pull or [1.0] * len(stages)

    def forward(self, x):
        logits = []
        for stage, head, has, pull in zip(self.stages, self.heads, self.has_head, self.pull):
            x = stage(x)
            if not has:
                continue
            seen = x if pull == 1.0 or not self.training else x * pull + x.detach() * (1 - pull)
            logits.append(head(seen))
        return logits
