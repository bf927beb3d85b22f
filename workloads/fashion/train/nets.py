"""The networks: one block vocabulary for the multi-exit network, the static ones and the teacher.

Plain torch.nn modules and `Residual`, so that workloads/export can walk them.
"""

import pathlib
import sys

import torch.nn as nn

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from export.modules import MultiExit, Residual  # noqa: E402


def conv(i, o, k=3, s=1, act=True):
    layers = [nn.Conv2d(i, o, k, s, k // 2, bias=False), nn.BatchNorm2d(o)]
    return nn.Sequential(*layers, nn.ReLU()) if act else nn.Sequential(*layers)


def res1(c):
    """relu(x + conv(x))"""
    return Residual(conv(c, c, act=False))


def res2(c, inner=None):
    """relu(x + conv(relu(conv(x))))"""
    return Residual(nn.Sequential(conv(c, inner or c), conv(inner or c, c, act=False)))


def mlp(i, hidden, drop=0.0):
    return nn.Sequential(nn.Flatten(), nn.Dropout(drop), nn.Linear(i, hidden), nn.ReLU(), nn.Linear(hidden, 10))
