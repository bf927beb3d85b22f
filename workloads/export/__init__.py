"""Write joulebench model containers (docs/model-format.md) from PyTorch modules with exits, and run what was written.

    from export import MultiExit, Residual, export
    export(net, "net.gguf", name=..., labels=..., mean=..., std=..., license=..., provenance=..., fit_images=..., fit_labels=...)
"""

from .modules import MultiExit, Residual  # noqa: F401


def export(*args, **kwargs):
    from .write import export as run  # imported late: the modules alone need no gguf
    return run(*args, **kwargs)
