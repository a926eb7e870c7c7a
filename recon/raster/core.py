"""The CPU rasterizer: our C++ core (`recon/raster/cpp/`) behind `torch.autograd`.

Called through ctypes, so one library serves every version of Python and torch. Contexts keep the state
a backward pass needs; they are pooled, so a training loop allocates nothing after its first steps.
"""

from __future__ import annotations

import ctypes
import os
from ctypes import POINTER, c_char_p, c_double, c_float, c_int, c_int64, c_uint8, c_void_p
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

ABI = 3
NEAR_PLANE = 0.01
EPS2D = 0.3
_FLOATS = POINTER(c_float)


class CoreError(RuntimeError):
    """The C++ core is missing, from another version, or ran out of memory."""


@cache
def library() -> ctypes.CDLL:
    """The loaded core; honours SPLATREEL_KERNELS (baseline, avx2, avx512) and SPLATREEL_THREADS."""
    folder = Path(__file__).parent
    found = [path for path in folder.glob("libsplatreel_core.*") if path.suffix in (".so", ".dylib", ".dll")]
    if not found:
        raise CoreError(
            f"the C++ core is not in {folder}; install splatreel with a C++17 compiler at hand "
            "(`pip install .` builds it in about half a minute)"
        )
    lib = ctypes.CDLL(str(found[0]))
    if lib.splat_abi() != ABI:
        raise CoreError(f"{found[0]} was built from another version; run `pip install .` again")
    lib.splat_kernels.restype = c_char_p
    lib.splat_select_kernels.argtypes = [c_char_p]
    lib.splat_create.restype = c_void_p
    lib.splat_free.argtypes = [c_void_p]
    lib.splat_forward.argtypes = [
        *(c_void_p, c_int64, *[_FLOATS] * 5, c_int, c_int, c_int, _FLOATS, _FLOATS, c_int, c_int),
        *(_FLOATS, c_float, c_float, _FLOATS, _FLOATS, _FLOATS),
    ]
    lib.splat_backward.argtypes = [c_void_p, *[_FLOATS] * 10]
    lib.splat_backward_adam.argtypes = [c_void_p, _FLOATS, c_void_p, _FLOATS]
    lib.splat_visible.argtypes = [c_void_p, POINTER(c_uint8)]
    lib.splat_visible.restype = None
    lib.splat_statistics.argtypes = [c_void_p, POINTER(c_double)]
    lib.splat_statistics.restype = None
    lib.splat_loss.argtypes = [
        *(*[_FLOATS] * 4, c_int, c_int, c_float),
        *(_FLOATS, _FLOATS, POINTER(c_double)),
    ]
    if wanted := os.environ.get("SPLATREEL_KERNELS"):
        _select(lib, wanted)
    lib.splat_set_threads(int(os.environ.get("SPLATREEL_THREADS", "0")))
    return lib


def _select(lib: ctypes.CDLL, name: str) -> None:
    if not lib.splat_select_kernels(name.encode()):
        raise CoreError(f"kernels {name!r} do not run on this processor; use baseline, avx2 or avx512")


def set_threads(count: int) -> None:
    """Threads the core uses; 0 means one per core. Results do not depend on it."""
    library().splat_set_threads(count)


def select_kernels(name: str) -> None:
    """Use the kernels of one instruction set: "baseline", "avx2" or "avx512"."""
    _select(library(), name)


def kernels() -> str:
    """The instruction set in use."""
    return library().splat_kernels().decode()


class _Context:
    """One rendering's state in the core."""

    _free: list[_Context] = []  # noqa: RUF012 - a pool shared on purpose

    def __init__(self) -> None:
        self.handle = library().splat_create()
        if not self.handle:
            raise CoreError("out of memory")

    def __del__(self) -> None:
        if getattr(self, "handle", None):
            library().splat_free(self.handle)

    @classmethod
    def take(cls) -> _Context:
        return cls._free.pop() if cls._free else cls()

    def give_back(self) -> None:
        self._free.append(self)

    def statistics(self) -> dict[str, float]:
        out = (c_double * 10)()
        library().splat_statistics(self.handle, out)
        stages = ("project", "sort", "bin", "blend", "blend_backward", "project_backward")
        names = ("visible", "pairs", "evaluated", "bytes", *(f"ms_{name}" for name in stages))
        return dict(zip(names, out, strict=True))

    def visible(self, count: int) -> Tensor:
        out = torch.empty(count, dtype=torch.bool)
        library().splat_visible(self.handle, ctypes.cast(out.data_ptr(), POINTER(c_uint8)))
        return out


def _pointer(tensor: Tensor | None) -> Any:
    return None if tensor is None else ctypes.cast(tensor.data_ptr(), _FLOATS)


def _check(code: int) -> None:
    if code:
        reason = {1: "out of memory", 2: "the splats cover more than 2^31 tiles"}[code]
        raise CoreError(
            f"the rasterizer stopped: {reason}; use fewer or smaller Gaussians or a smaller image"
        )


class _Rasterize(torch.autograd.Function):
    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any,
        means: Tensor,  # [N, 3]
        quats: Tensor,  # [N, 4]
        scales: Tensor,  # [N, 3]
        opacities: Tensor,  # [N]
        sh: Tensor,  # [N, K, 3]
        camera_from_world: Tensor,  # [4, 4]
        background: Tensor,  # [3]
        intrinsics: Tensor,  # [4] fx, fy, cx, cy
        size: tuple[int, int],  # width, height
        sh_degree: int,
        with_depth: bool,
        info: dict[str, Any],
    ) -> tuple[Tensor, Tensor, Tensor]:
        width, height = size
        image, alpha = torch.empty(height, width, 3), torch.empty(height, width)
        depth = torch.empty(height, width) if with_depth else torch.empty(0)
        context = _Context.take()
        code = library().splat_forward(
            *(context.handle, len(means), _pointer(means), _pointer(quats), _pointer(scales)),
            *(_pointer(opacities), _pointer(sh), sh.shape[1], sh_degree, 0, _pointer(camera_from_world)),
            *(_pointer(intrinsics), width, height, _pointer(background), NEAR_PLANE, EPS2D),
            *(_pointer(image), _pointer(alpha), _pointer(depth) if with_depth else None),
        )
        _check(code)
        ctx.save_for_backward(means, quats, scales, opacities, sh, alpha)
        ctx.set_materialize_grads(False)
        ctx.context, ctx.with_depth, ctx.info = context, with_depth, info
        info["statistics"], info["visible"] = context.statistics, context.visible(len(means))
        if not any(ctx.needs_input_grad):
            info["statistics"] = context.statistics()
            context.give_back()
        return image, alpha, depth

    @staticmethod
    def backward(  # type: ignore[override]
        ctx: Any, v_image: Tensor | None, v_alpha: Tensor | None, v_depth: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        means, quats, scales, opacities, sh, alpha = ctx.saved_tensors
        gradients = [torch.empty_like(t) for t in (means, quats, scales, opacities, sh)]
        means2d = torch.empty(len(means), 2)
        camera = torch.empty(16) if ctx.needs_input_grad[5] or ctx.needs_input_grad[7] else None
        v_image, v_alpha, v_depth = (v if v is None else v.contiguous() for v in (v_image, v_alpha, v_depth))
        code = library().splat_backward(
            *(ctx.context.handle, _pointer(v_image), _pointer(v_alpha)),
            *(_pointer(v_depth) if ctx.with_depth else None, *map(_pointer, gradients)),
            *(_pointer(means2d), _pointer(camera)),
        )
        _check(code)
        ctx.info["statistics"] = ctx.context.statistics()
        ctx.context.give_back()
        v_background = None
        if ctx.needs_input_grad[6] and v_image is not None:
            v_background = (v_image * (1 - alpha)[..., None]).sum((0, 1))
        pose, v_intrinsics = (None, None) if camera is None else (torch.zeros(4, 4), camera[12:])
        if camera is not None and pose is not None:
            pose[:3] = camera[:12].view(3, 4)
        return (*gradients, pose, v_background, v_intrinsics, None, None, None, None)


def rasterize_core(
    means: Tensor,  # [N, 3]
    quats: Tensor,  # [N, 4]
    scales: Tensor,  # [N, 3]
    opacities: Tensor,  # [N]
    sh: Tensor,  # [N, K, 3]
    camera_from_world: Tensor,  # [4, 4]
    K: Tensor,  # [3, 3]
    width: int,
    height: int,
    *,
    sh_degree: int,
    background: Tensor,  # [3]
    with_depth: bool,
) -> tuple[Tensor, Tensor, Tensor | None, dict[str, Any]]:
    """Image [H, W, 3], alpha [H, W], depth summed with the blending weights [H, W], and statistics."""
    info: dict[str, Any] = {}
    intrinsics = torch.stack([K[0, 0], K[1, 1], K[0, 2], K[1, 2]]).float()
    tensors = (means, quats, scales, opacities, sh, camera_from_world, background)
    image, alpha, depth = _Rasterize.apply(
        *(t.float().contiguous() for t in tensors), intrinsics, (width, height), sh_degree, with_depth, info
    )  # type: ignore[misc]
    return image, alpha, depth if with_depth else None, info


class _L1Ssim(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, image: Tensor, target: Tensor, weight: float) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        height, width = image.shape[:2]
        gradient = torch.empty_like(image) if ctx.needs_input_grad[0] else None
        out = (c_double * 2)()
        code = library().splat_loss(
            *(_pointer(image), _pointer(target), None, None, height, width, weight),
            *(_pointer(gradient), None, out),
        )
        _check(code)
        ctx.gradient = gradient
        loss, ssim = torch.tensor(out[0]), torch.tensor(out[1])
        ctx.mark_non_differentiable(ssim)
        return loss, ssim

    @staticmethod
    def backward(ctx: Any, v_loss: Tensor, v_ssim: Tensor) -> tuple[Tensor | None, None, None]:  # type: ignore[override]
        return ctx.gradient * v_loss, None, None


def l1_ssim_core(
    image: Tensor,  # [H, W, 3]
    target: Tensor,  # [H, W, 3]
    ssim_weight: float,
) -> tuple[Tensor, Tensor]:
    """(1 - w) L1 + w (1 - SSIM) and the mean SSIM, by the C++ core."""
    return _L1Ssim.apply(image.float().contiguous(), target.float().contiguous(), ssim_weight)  # type: ignore[return-value]
