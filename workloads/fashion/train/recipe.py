"""The networks of this recipe and their options. MMAC in comments: cumulative, heads included."""

import torch.nn as nn

from nets import MultiExit, conv, mlp, res1, res2

EPOCHS = 40
TEACHER_EPOCHS = 16
SEED = 20
TAIL = 0.0  # share of the fit split's values that an activation range may cut off
TEACHER_OPTIONS = dict(lr=0.1, wd=5e-4, ema=0.995)


def teacher():
    """36 MMAC, one exit, mirrored and shifted like the others but at full resolution."""
    return MultiExit(
        [nn.Sequential(conv(1, 32), conv(32, 64, s=2), res2(64), conv(64, 128, s=2), res2(128))],
        [nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(128, 10))])


def stem():
    return conv(1, 32, 5, 2)                                      # 14x14x32


def head_pool():
    return nn.Sequential(nn.MaxPool2d(2), mlp(1568, 64))           # of 14x14x32


def head_conv():
    return nn.Sequential(conv(32, 32, s=2), mlp(1568, 48))         # of 14x14x32


def head_late():
    return nn.Sequential(conv(64, 48, s=2), mlp(768, 64))          # of 7x7x64


def middle():
    return nn.Sequential(res1(32), conv(32, 64, s=2), res1(64))    # 14x14x32 -> 7x7x64


def fashion_ee():
    return MultiExit(
        [stem(), res1(32), middle(), res2(64), res2(64)],
        [head_pool(), head_conv(), head_late(), head_late(), head_late()],
        pull=[0.2, 0.3, 0.5, 0.7, 1.0])


NETS = {
    "fashion-ee": fashion_ee,
    "fashion-s1": lambda: MultiExit([stem()], [head_pool()]),
    "fashion-s2": lambda: MultiExit([stem()], [head_conv()]),
    "fashion-s3": lambda: MultiExit([nn.Sequential(stem(), res1(32))], [head_conv()]),
    "fashion-s4": lambda: MultiExit([nn.Sequential(stem(), res1(32), middle())], [head_late()]),
    "fashion-s5": lambda: MultiExit([nn.Sequential(stem(), res1(32), middle(), res2(64), res2(64))], [head_late()]),
}
OPTIONS = {}
