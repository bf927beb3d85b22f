#!/usr/bin/env python3
"""Writes tests/runtime/blocks.gguf, the known answers of test_blocks.c: by the `gguf` package (pip install gguf numpy), which shares no code with joulebench.

For each type: tensor NAME of random blocks, and NAME.f32, what gguf dequantizes them to. For each type that is written: narrow.NAME, what gguf quantizes narrow.f32 to.
"""
import sys

import gguf
import numpy as np

T = gguf.GGMLQuantizationType
SCALES = {T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0], T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208], T.F16: [0], T.BF16: [0]}  # where 16-bit floats lie


def finite(blocks, at, mask):
    """No NaN, no infinity: a bit of an exponent of ones is cleared."""
    field = np.ascontiguousarray(blocks[:, at:at + 2]).view(np.uint16)
    field[(field & mask) == mask] &= np.uint16(0xBFFF)
    blocks[:, at:at + 2] = field.view(np.uint8)


def main():
    rng = np.random.default_rng(6)
    w = gguf.GGUFWriter(sys.argv[1], "none")
    for t, at in SCALES.items():
        values, size = gguf.GGML_QUANT_SIZES[t]
        n_blocks = 4 if values == 256 else 8 if values == 32 else 128
        blocks = rng.integers(0, 256, (n_blocks, size), dtype=np.uint8)
        for a in at:
            finite(blocks, a, 0x7F80 if t == T.BF16 else 0x7C00)
        rows = blocks.reshape(2, -1)
        real = gguf.quants.dequantize(rows, t).astype(np.float32).reshape(2, -1)
        assert np.isfinite(real).all()
        if t == T.F16:
            w.add_tensor("f16", rows.view(np.float16))
        else:
            w.add_tensor(t.name.lower(), rows, raw_dtype=t)
        w.add_tensor(t.name.lower() + ".f32", real)
    x = rng.standard_normal((2, 256)).astype(np.float32)
    x[0, 32:64] = 0
    x[0, 64:96] *= 1e-7      # f16 subnormal scale
    x[0, 96:128] *= 1e-20    # f16 scale 0
    x[0, 128:160] = np.arange(-16, 16) * 127 / 16  # ties of q8_0
    x[0, 160] = 60000
    x[1, 0:32] = -np.abs(x[1, 0:32])
    w.add_tensor("narrow.f32", x)
    for t in (T.Q8_0, T.Q4_0):
        w.add_tensor("narrow." + t.name.lower(), gguf.quants.quantize(x, t), raw_dtype=t)
    w.add_tensor("narrow.f16", x.astype(np.float16))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


main()
