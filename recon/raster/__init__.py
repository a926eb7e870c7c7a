"""Differentiable Gaussian rasterization on CPU (our core) and CUDA (gsplat)."""

from recon.raster.rasterize import Rendering, rasterize, render

__all__ = ["Rendering", "rasterize", "render"]
