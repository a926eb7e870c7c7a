"""One training step inside the C++ core: render, loss, gradients and Adam, without torch in between.

Does what autograd over `rasterize_core` with a plain Adam does (that is its test), but gradients of
parameters never go to memory, and Gaussians that no pixel saw cost nothing.
"""

from __future__ import annotations

import ctypes
from ctypes import c_double, c_float, c_uint64
from dataclasses import dataclass

import torch
from torch import Tensor

from recon.raster import core

NAMES = ("means", "quats", "log_scales", "logit_opacities", "sh")
"""The parameters, in the order in which the core takes them."""


@dataclass(frozen=True)
class AdamRates:
    """Everything an Adam step needs besides gradients and moments."""

    step_sizes: dict[str, float]
    """By parameter, with "sh_rest" for the coefficients above degree 0; bias corrections included."""
    beta1: float
    beta2: float
    opacity_weight: float
    """dL/d(opacity) of the regulariser, for every Gaussian."""
    scale_weight: float
    """dL/d(scale) of the regulariser, for every scale."""
    noise: float = 0.0
    """Strength of the exploration noise (3DGS-MCMC, equation 8)."""
    seed: int = 0
    """Of the noise; one per step, 0..2^32 - 1."""


class _AdamStep(ctypes.Structure):
    _fields_ = (
        *((name, core._FLOATS * 5) for name in ("parameters", "first", "second")),
        ("step_size", c_float * 16),
        ("sh_step_size", c_float * 2),
        *((name, c_float) for name in ("one_minus_beta1", "one_minus_beta2")),
        *((name, c_float) for name in ("opacity_weight", "scale_weight", "noise")),
        ("seed", c_uint64),
        ("pixel_gradients", core._FLOATS),
    )


class CoreStep:
    """Keeps the buffers and the context of the core from step to step."""

    def __init__(self) -> None:
        self._context = core._Context()
        self._image = self._gradient = torch.empty(0, 0, 3)
        self._alpha = torch.empty(0, 0)

    def __call__(
        self,
        parameters: dict[str, Tensor],  # of Gaussians, changed in place
        first: dict[str, Tensor],  # Adam's moments, shaped like the parameters, changed in place
        second: dict[str, Tensor],
        target: Tensor,  # [H, W, 3] 0..1
        camera_from_world: Tensor,  # [4, 4]
        K: Tensor,  # [3, 3]
        *,
        sh_degree: int,
        background: Tensor,  # [3]
        ssim_weight: float,
        rates: AdamRates,
        pixel_gradients: Tensor | None = None,  # [N, 2] sums of |dL/d(pixel position)| and of views, added to
        mask: Tensor | None = None,  # [H, W] 0..1, weights of the pixels
        colour: Tensor | None = None,  # [3, 4] the frame's colours from those of the scene
        camera_gradient: Tensor | None = None,  # [16] of camera_from_world [3, 4], fx, fy, cx, cy; written
        colour_gradient: Tensor | None = None,  # [3, 4] written
    ) -> float:
        """The loss (1 - w) L1 + w (1 - SSIM) before the step. The camera and the colours are not moved."""
        height, width = target.shape[:2]
        if self._image.shape != target.shape:
            self._image, self._gradient = torch.empty_like(target), torch.empty_like(target)
            self._alpha = torch.empty(height, width)
        lib, pointer = core.library(), core._pointer
        given = [parameters[name] for name in NAMES]
        optional = [t for t in (mask, colour, camera_gradient, colour_gradient) if t is not None]
        for tensor in (*given, target, camera_from_world, background, *optional):
            if tensor.dtype != torch.float32 or not tensor.is_contiguous():
                raise ValueError(f"expected contiguous float32, found {tensor.dtype} {list(tensor.shape)}")
        for tensor, shape in ((mask, (height, width)), (colour, (3, 4)), (camera_gradient, (16,))):
            if tensor is not None and tensor.shape != shape:
                raise ValueError(f"expected {shape}, found {list(tensor.shape)}")
        intrinsics = torch.tensor([K[0, 0], K[1, 1], K[0, 2], K[1, 2]])
        raw = 1  # the core takes the exponential of scales and the sigmoid of opacities
        code = lib.splat_forward(
            *(self._context.handle, len(given[0]), *map(pointer, given), given[4].shape[1], sh_degree, raw),
            *(pointer(camera_from_world), pointer(intrinsics), width, height, pointer(background)),
            *(core.NEAR_PLANE, core.EPS2D, pointer(self._image), pointer(self._alpha), None),
        )
        core._check(code)
        out = (c_double * 2)()
        code = lib.splat_loss(
            *(pointer(self._image), pointer(target), pointer(mask), pointer(colour), height, width),
            *(ssim_weight, pointer(self._gradient), pointer(colour_gradient), out),
        )
        core._check(code)
        adam = _structure(parameters, first, second, rates)
        if pixel_gradients is not None:
            adam.pixel_gradients = pointer(pixel_gradients)
        code = lib.splat_backward_adam(
            *(self._context.handle, pointer(self._gradient), ctypes.byref(adam), pointer(camera_gradient))
        )
        core._check(code)
        return out[0]

    def statistics(self) -> dict[str, float]:
        """Of the last step: pairs, bytes held, milliseconds by stage."""
        return self._context.statistics()


def _structure(
    parameters: dict[str, Tensor], first: dict[str, Tensor], second: dict[str, Tensor], rates: AdamRates
) -> _AdamStep:
    sizes = rates.step_sizes
    by_coordinate = [
        *[sizes["means"]] * 3,
        *[sizes["quats"]] * 4,
        *[sizes["log_scales"]] * 3,
        sizes["logit_opacities"],
    ]
    adam = _AdamStep(
        step_size=(c_float * 16)(*by_coordinate),
        sh_step_size=(c_float * 2)(sizes["sh"], sizes["sh_rest"]),
        one_minus_beta1=1 - rates.beta1,
        one_minus_beta2=1 - rates.beta2,
        opacity_weight=rates.opacity_weight,
        scale_weight=rates.scale_weight,
        noise=rates.noise,
        seed=rates.seed,
    )
    for index, name in enumerate(NAMES):
        adam.parameters[index] = core._pointer(parameters[name])
        adam.first[index] = core._pointer(first[name])
        adam.second[index] = core._pointer(second[name])
    return adam
