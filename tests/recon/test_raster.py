"""The C++ core against its PyTorch twin (float64), finite differences, gsplat's reference, and itself."""

from __future__ import annotations

import importlib
import inspect
import math

import pytest
import torch
from torch import Tensor

from recon.raster import core, rasterize
from recon.raster.twin import project, rasterize_twin, rotation_matrices, sh_colours

NAMES = ("means", "quats", "scales", "opacities", "sh", "camera_from_world", "background")
WIDTH, HEIGHT = 75, 53  # no multiple of the tile size


def random_scene(seed: int, *, count: int = 300, sh_degree: int = 3) -> tuple[dict[str, Tensor], Tensor]:
    """Gaussians in front of a slightly turned camera, with degenerate ones among them; float64."""
    g = torch.Generator().manual_seed(seed)

    def rand(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=g, dtype=torch.float64)

    focal = 70.0
    z = 1 + 4 * rand(count)
    x, y = ((rand(count) * 1.3 - 0.65) * side / focal * z for side in (WIDTH, HEIGHT))
    scene = {
        "means": torch.stack([x, y, z], -1),
        "quats": rand(count, 4) - 0.5,
        "scales": torch.exp(3 * rand(count, 3) - 4.5),
        "opacities": rand(count),
        "sh": 0.6 * (rand(count, (sh_degree + 1) ** 2, 3) - 0.5),
        "camera_from_world": torch.eye(4, dtype=torch.float64),
        "background": rand(3),
    }
    scene["means"][:10, 2] *= -1  # behind the camera
    scene["means"][10:14, 2] = 0.012  # at the near plane
    scene["scales"][20:24] = 2.0  # larger than the image
    scene["scales"][30:40] = torch.tensor([0.8, 0.004, 0.004], dtype=torch.float64)  # needles
    scene["scales"][40:45, 2] = 1e-7  # flat
    scene["opacities"][50:60] = 1
    scene["opacities"][60:70] = 0
    scene["quats"][70:75] *= 1e3  # not of length 1
    c, s = math.cos(0.1), math.sin(0.1)
    scene["camera_from_world"][:3] = torch.tensor(
        [[c, 0, s, 0.1], [0, 1, 0, -0.05], [-s, 0, c, 0.2]], dtype=torch.float64
    )
    K = torch.tensor(
        [[focal, 0, WIDTH / 2 + 1], [0, 1.05 * focal, HEIGHT / 2 - 2], [0, 0, 1]], dtype=torch.float64
    )
    return scene, K


def run(backend: str, scene: dict[str, Tensor], K: Tensor, degree: int, dtype: torch.dtype):
    """Outputs and gradients of a random linear loss on image, alpha and summed depth."""
    g = torch.Generator().manual_seed(99)
    weights = [torch.rand(HEIGHT, WIDTH, *tail, generator=g, dtype=torch.float64) for tail in ((3,), (), ())]
    inputs = {name: value.to(dtype).clone().requires_grad_() for name, value in scene.items()}
    K = inputs["K"] = K.to(dtype).clone().requires_grad_()
    arguments = [inputs[name] for name in NAMES[:6]]
    if backend == "twin":
        out = rasterize_twin(*arguments, K, WIDTH, HEIGHT, sh_degree=degree, background=inputs["background"])
    else:
        out = core.rasterize_core(
            *arguments, K, WIDTH, HEIGHT, sh_degree=degree, background=inputs["background"], with_depth=True
        )[:3]
    sum((o * w.to(o)).sum() for o, w in zip(out, weights, strict=True) if o is not None).backward()
    return [o.detach() for o in out if o is not None], {name: i.grad for name, i in inputs.items()}


@pytest.fixture
def any_kernels():
    """Puts the default kernels and threads back."""
    name, threads = core.kernels(), core.library().splat_threads()
    yield
    core.select_kernels(name)
    core.set_threads(threads)


def available_kernels() -> list[str]:
    """Instruction sets this machine runs."""
    chosen, found = core.kernels(), []
    for name in ("baseline", "avx2", "avx512"):
        try:
            core.select_kernels(name)
            found.append(name)
        except core.CoreError:
            continue
    core.select_kernels(chosen)
    return found


@pytest.mark.parametrize("kernels", available_kernels())
@pytest.mark.parametrize(("seed", "degree"), [(0, 3), (1, 2), (2, 1), (3, 0), (4, 3)])
def test_core_equals_twin(any_kernels, kernels: str, seed: int, degree: int) -> None:
    """Image and depth to 2e-4, every gradient to 1e-4 (relative, L2), degenerate Gaussians included."""
    core.select_kernels(kernels)
    scene, K = random_scene(seed)
    expected, expected_grads = run("twin", scene, K, degree, torch.float64)
    found, grads = run("core", scene, K, degree, torch.float32)
    for name, a, b in zip(("image", "alpha", "depth"), expected, found, strict=True):
        assert (a - b).abs().max() <= 2e-4, name
    for name in (*NAMES, "K"):
        error = (expected_grads[name] - grads[name]).norm() / expected_grads[name].norm()
        assert error <= 1e-4, f"{name}: {error:.1e}"


def test_no_gaussians_and_none_visible() -> None:
    """An empty scene and one behind the camera show the background and have zero gradients."""
    scene, K = random_scene(0)
    empty = {name: value[:0] if name in NAMES[:5] else value for name, value in scene.items()}
    behind = {**scene, "means": scene["means"] * torch.tensor([1.0, 1.0, 0.0]) - 5}
    for case in (empty, behind):
        (image, alpha, _), grads = run("core", case, K, 3, torch.float32)
        assert torch.equal(image, case["background"].float().expand_as(image))
        assert alpha.abs().max() == 0
        for name in NAMES[:5]:
            assert not grads[name].any()


def test_gradients_by_finite_differences() -> None:
    """Directional derivatives of the twin, so that twin and core cannot share a mistake."""
    scene, K = random_scene(5, count=60)
    g = torch.Generator().manual_seed(1)
    weight = torch.rand(HEIGHT, WIDTH, 3, generator=g, dtype=torch.float64)

    def loss(values: dict[str, Tensor]) -> float:
        arguments = [values[name] for name in (*NAMES[:6], "K")]
        image = rasterize_twin(*arguments, WIDTH, HEIGHT, sh_degree=3, background=values["background"])[0]
        return float((image * weight).sum())

    scene["opacities"].clamp_(0.05, 0.9)
    scene["K"] = K
    inputs = {name: value.clone().requires_grad_() for name, value in scene.items()}
    arguments = [inputs[name] for name in (*NAMES[:6], "K")]
    image = core.rasterize_core(
        *arguments, WIDTH, HEIGHT, sh_degree=3, background=inputs["background"], with_depth=False
    )[0]
    (image * weight.float()).sum().backward()
    for name in (*NAMES, "K"):
        direction = torch.randn(scene[name].shape, generator=g, dtype=torch.float64)
        if name == "camera_from_world":
            direction[3] = 0
        if name == "K":  # fx, fy, cx, cy
            direction *= torch.tensor([[1.0, 0, 1], [0, 1, 1], [0, 0, 0]])
        step = 1e-6
        plus, minus = ({**scene, name: scene[name] + sign * step * direction} for sign in (1, -1))
        expected = (loss(plus) - loss(minus)) / (2 * step)
        found = float((inputs[name].grad * direction).sum())
        # Pairs that cross alpha = 1/255 within the step jump; they are few and small.
        assert found == pytest.approx(expected, rel=2e-2), name


def test_threads_do_not_change_a_bit(any_kernels) -> None:
    """Images and gradients are equal for 1, 2, 3 and 5 threads."""
    scene, K = random_scene(6, count=3000)
    results = []
    for threads in (1, 2, 3, 5):
        core.set_threads(threads)
        results.append(run("core", scene, K, 3, torch.float32))
    for out, grads in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(out, results[0][0], strict=True))
        assert all(torch.equal(grads[name], results[0][1][name]) for name in NAMES)


def test_shifting_the_camera_is_shifting_the_world() -> None:
    """Moving world and camera together changes nothing (SH of degree 0 have no direction)."""
    scene, K = random_scene(7)
    rigid = torch.eye(4, dtype=torch.float64)
    rigid[:3, :3] = rotation_matrices(torch.tensor([[0.9, 0.1, -0.3, 0.2]], dtype=torch.float64))[0]
    rigid[:3, 3] = torch.tensor([0.3, -0.2, 0.5])
    quats = scene["quats"]
    w1, x1, y1, z1 = torch.nn.functional.normalize(
        torch.tensor([0.9, 0.1, -0.3, 0.2], dtype=torch.float64), dim=0
    )
    w, x, y, z = quats.unbind(-1)
    turned = torch.stack(
        [
            w1 * w - x1 * x - y1 * y - z1 * z,
            w1 * x + x1 * w + y1 * z - z1 * y,
            w1 * y - x1 * z + y1 * w + z1 * x,
            w1 * z + x1 * y - y1 * x + z1 * w,
        ],
        -1,
    )
    moved = {
        **scene,
        "means": scene["means"] @ rigid[:3, :3].T + rigid[:3, 3],
        "quats": turned,
        "camera_from_world": scene["camera_from_world"] @ torch.linalg.inv(rigid),
    }
    images = [
        rasterize(*(case[name].float() for name in NAMES[:6]), K.float(), WIDTH, HEIGHT, sh_degree=0).image
        for case in (scene, moved)
    ]
    assert (images[0] - images[1]).abs().mean() < 1e-5


def test_expected_depth_of_a_wall() -> None:
    """An opaque wall of Gaussians at depth 3 has expected depth 3."""
    g = torch.Generator().manual_seed(0)
    n = 4000
    means = torch.cat([torch.rand(n, 2, generator=g) * 6 - 3, torch.full((n, 1), 3.0)], 1)
    K = torch.tensor([[70.0, 0, WIDTH / 2], [0, 70, HEIGHT / 2], [0, 0, 1]])
    shot = rasterize(
        *(means, torch.tensor([[1.0, 0, 0, 0]]).repeat(n, 1), torch.full((n, 3), 0.1), torch.full((n,), 0.8)),
        *(torch.zeros(n, 1, 3), torch.eye(4), K, WIDTH, HEIGHT),
        with_depth=True,
    )
    assert shot.depth is not None
    assert shot.alpha.min() > 0.9
    assert (shot.depth - 3).abs().max() < 1e-4


def test_bad_shapes_are_named() -> None:
    """The message says which argument, and both shapes."""
    scene, K = random_scene(0, count=80)
    arguments = {name: scene[name].float() for name in NAMES[:6]}
    arguments["scales"] = arguments["scales"][:, :2]
    with pytest.raises(ValueError, match=r"expected scales \[80, 3\], found \[80, 2\]"):
        rasterize(*arguments.values(), K.float(), WIDTH, HEIGHT)


def test_twin_against_gsplat() -> None:
    """Projection and colours of the twin equal gsplat's own torch reference."""
    pytest.importorskip("gsplat", reason="gsplat is not installed")
    reference = importlib.import_module("gsplat.cuda._torch_impl")
    covariances = importlib.import_module("gsplat.cuda._torch_impl")._quat_scale_to_covar_preci
    scene, K = random_scene(8)
    view = scene["camera_from_world"]
    covars, _ = covariances(scene["quats"], scene["scales"], True, False)
    radii, means2d, depths, conics, _ = reference._fully_fused_projection(
        scene["means"], covars, view[None], K[None], WIDTH, HEIGHT
    )
    pixels, covariance, z = project(
        *(scene[name] for name in ("means", "quats", "scales", "camera_from_world")), K, WIDTH, HEIGHT
    )
    seen = (radii[0] > 0).all(-1) & (z > 0.1)
    assert seen.sum() > 100
    assert torch.allclose(pixels[seen], means2d[0, seen])
    assert torch.allclose(z[seen], depths[0, seen])
    ours = torch.linalg.inv(covariance[seen])
    ours = torch.stack([ours[:, 0, 0], ours[:, 0, 1], ours[:, 1, 1]], -1)
    assert torch.allclose(ours, conics[0, seen], rtol=1e-5, atol=1e-9)
    directions = scene["means"] - torch.linalg.inv(view)[:3, 3]
    expected = (reference._spherical_harmonics(3, directions, scene["sh"]) + 0.5).clamp_min(0)
    found = sh_colours(3, torch.nn.functional.normalize(directions, dim=-1), scene["sh"])
    assert torch.allclose(found, expected)


def test_cuda_backend_speaks_gsplat(monkeypatch) -> None:
    """The call fits gsplat's real signature, and what it returns is read right (gsplat's kernels need a GPU,
    so its function is played by our twin)."""
    gsplat = pytest.importorskip("gsplat", reason="gsplat is not installed")
    signature = inspect.signature(importlib.import_module("gsplat.rendering").rasterization)

    def played(**arguments):
        bound = signature.bind(**arguments).arguments
        assert bound["viewmats"].shape == (1, 4, 4)
        assert bound["Ks"].shape == (1, 3, 3)
        image, alpha, depth = rasterize_twin(
            *(bound[name] for name in ("means", "quats", "scales", "opacities", "colors")),
            *(bound["viewmats"][0], bound["Ks"][0], bound["width"], bound["height"]),
            sh_degree=bound["sh_degree"],
            background=torch.zeros(3),
        )
        channels = torch.cat([image, depth[..., None]], -1) if bound["render_mode"] == "RGB+D" else image
        count = len(bound["means"])
        info = {"gaussian_ids": torch.arange(7, count)} if bound["packed"] else {}
        radii = torch.ones(1, count, 2, dtype=torch.int32)
        return channels[None], alpha[None, ..., None], {"radii": radii, **info}

    monkeypatch.setattr(gsplat, "rasterization", played)
    from recon.raster.gsplat_backend import rasterize_gsplat

    scene, K = random_scene(9, count=100)
    arguments = [scene[name].float() for name in NAMES[:6]]
    for with_depth in (True, False):
        options = {"sh_degree": 2, "background": scene["background"].float(), "with_depth": with_depth}
        found = rasterize_gsplat(*arguments, K.float(), WIDTH, HEIGHT, **options)
        expected = core.rasterize_core(*arguments, K.float(), WIDTH, HEIGHT, **options)
        assert (found[0] - expected[0]).abs().max() < 2e-4
        assert (found[1] - expected[1]).abs().max() < 2e-4
        assert (found[2] is None) == (expected[2] is None)
        assert found[3]["visible"].shape == (100,)
    monkeypatch.setattr("recon.raster.gsplat_backend.PACKED_FROM", 50)
    packed = rasterize_gsplat(*arguments, K.float(), WIDTH, HEIGHT, **options)
    assert packed[3]["visible"].tolist() == [False] * 7 + [True] * 93


def test_cuda_adam_speaks_gsplat(monkeypatch) -> None:
    """The fused optimiser's call fits gsplat's real signature; what it must do is the plain twin's step."""
    wrapper = pytest.importorskip("gsplat.cuda._wrapper", reason="gsplat is not installed")
    signature = inspect.signature(wrapper.adam)

    def played(*args: object) -> None:
        given = signature.bind(*args).arguments
        assert list(given) == [
            "param",
            "param_grad",
            "exp_avg",
            "exp_avg_sq",
            "valid",
            "lr",
            "b1",
            "b2",
            "eps",
        ]
        assert given["valid"].dtype == torch.bool
        given["exp_avg"].add_(1)

    monkeypatch.setattr(wrapper, "adam", played)
    from recon.raster.gsplat_backend import fused_adam

    first = torch.zeros(5, 3)
    tensors = torch.ones(5, 3), torch.ones(3, 5).T, first, torch.zeros(5, 3), torch.ones(5, dtype=torch.bool)
    fused_adam(*tensors, 1e-3, 0.9, 0.999)
    assert first.sum() == 15


def test_a_million_gaussians_render() -> None:
    """And the core says how much memory it holds for them."""
    g = torch.Generator().manual_seed(0)
    count = 1_000_000
    means = torch.rand(count, 3, generator=g) * torch.tensor([4.0, 3.0, 6.0]) + torch.tensor([-2, -1.5, 2])
    image, alpha, _, info = core.rasterize_core(
        *(means, torch.randn(count, 4, generator=g), torch.full((count, 3), 0.004)),
        *(torch.full((count,), 0.5), torch.rand(count, 1, 3, generator=g), torch.eye(4)),
        *(torch.tensor([[500.0, 0, 320], [0, 500, 180], [0, 0, 1]]), 640, 360),
        sh_degree=0,
        background=torch.zeros(3),
        with_depth=False,
    )
    assert image.isfinite().all()
    assert alpha.mean() > 0.5
    assert info["statistics"]["visible"] > 5e5
    assert 0 < info["statistics"]["bytes"] < 1e9
