"""The PLY of 3D Gaussian splatting (Kerbl et al. 2023): what every splat program reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from recon.errors import FormatError
from recon.scene import replacing
from recon.types import Gaussians

MAX_HEADER = 1 << 16


def _fields(sh_terms: int) -> list[str]:
    rest = [f"f_rest_{i}" for i in range(3 * (sh_terms - 1))]
    dc = [f"f_dc_{i}" for i in range(3)]
    scales, rotations = [f"scale_{i}" for i in range(3)], [f"rot_{i}" for i in range(4)]
    return ["x", "y", "z", "nx", "ny", "nz", *dc, *rest, "opacity", *scales, *rotations]


def write_splat_ply(path: Path, gaussians: Gaussians) -> None:
    """Binary little endian; normals are zero, SH coefficients channel-major, rotations wxyz of length 1."""
    properties = "".join(f"property float {name}\n" for name in _fields(gaussians.sh.shape[1]))
    count = len(gaussians)
    header = f"ply\nformat binary_little_endian 1.0\nelement vertex {count}\n{properties}end_header\n"
    with replacing(path) as part, part.open("wb") as file:
        file.write(header.encode())
        file.write(vertex_table(gaussians).tobytes())


def vertex_table(gaussians: Gaussians) -> np.ndarray:
    """[N] rows with the fields of the file, float32."""
    parts = {name: t.detach().cpu().float().numpy() for name, t in gaussians.tensors().items()}
    n, terms = len(gaussians), parts["sh"].shape[1]
    quats = parts["quats"] / np.maximum(np.linalg.norm(parts["quats"], axis=1, keepdims=True), 1e-12)
    columns = [
        *(parts["means"], np.zeros((n, 3), np.float32), parts["sh"][:, 0]),
        parts["sh"][:, 1:].transpose(0, 2, 1).reshape(n, -1),
        *(parts["logit_opacities"][:, None], parts["log_scales"], quats),
    ]
    table = np.ascontiguousarray(np.concatenate(columns, axis=1).astype("<f4"))
    return table.view([(name, "<f4") for name in _fields(terms)])[:, 0]


@dataclass(frozen=True, repr=False)
class SplatTable:
    """A PLY as it stands in the file."""

    rows: np.ndarray
    """[N] structured, a field for each property."""
    comments: tuple[str, ...]
    """Without the word itself."""
    rest: bytes
    """What follows the vertices."""


def read_splat_ply(path: Path) -> Gaussians:
    """Reads the files of 3DGS and its relatives (with or without normals, SH degree 0 to 3; of a scene that
    moves each Gaussian where it is at its own time)."""
    return gaussians_of(read_table(path).rows)


TYPES = {"float": "<f4", "float32": "<f4", "uchar": "u1", "uint8": "u1"}


def read_table(path: Path) -> SplatTable:
    """The vertices of a PLY of Gaussians, with the properties it has besides theirs."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror}; give the path of a .ply") from error
    end = data.find(b"end_header\n", 0, MAX_HEADER)
    lines = data[: max(end, 0)].decode("ascii", "replace").split("\n")
    if end < 0 or lines[0].strip() != "ply":
        raise FormatError(f"{path} is not a PLY file; expected a 3D Gaussian splatting .ply")
    if "format binary_little_endian 1.0" not in lines:
        raise FormatError(f"{path} is not a binary little-endian PLY; convert it, e.g. with splat-transform")
    vertex = next((i for i, line in enumerate(lines) if line.startswith("element vertex ")), None)
    if vertex is None or any(line.startswith("element") for line in lines[1:vertex]):
        raise FormatError(f"{path} does not begin with vertices; expected a 3D Gaussian splatting .ply")
    count = int(lines[vertex].split()[2])
    fields: list[tuple[str, str]] = []
    for line in lines[vertex + 1 :]:
        if line.startswith("element"):
            break
        if line.startswith("property"):
            kind, name = line.split()[1:3]
            if kind not in TYPES:
                raise FormatError(f"{path}: property {name} is {kind}, expected float")
            fields.append((name, TYPES[kind]))
    names = [name for name, _ in fields]
    rest = sum(name.startswith("f_rest_") for name in names)
    required = _fields(1)
    missing = [name for name in required if name not in names and name not in ("nx", "ny", "nz")]
    if missing or rest not in (0, 9, 24, 45):
        found = f"no {missing[0]!r}" if missing else f"{rest} f_rest values"
        raise FormatError(f"{path} has {found}; expected the properties of 3D Gaussian splatting")
    not_float = [name for name, kind in fields if name in required and kind != "<f4"]
    if not_float:
        raise FormatError(f"{path}: property {not_float[0]} is uchar, expected float")
    row = np.dtype(fields)
    body = memoryview(data)[end + len(b"end_header\n") :]
    if len(body) < count * row.itemsize:
        have = len(body) // row.itemsize
        raise FormatError(f"{path} is cut off: {have} of {count} Gaussians; copy or export it again")
    comments = tuple(line[len("comment ") :] for line in lines if line.startswith("comment "))
    rows = np.frombuffer(body, row, count)
    return SplatTable(rows, comments, bytes(body[count * row.itemsize :]))


def gaussians_of(rows: np.ndarray) -> Gaussians:
    """The Gaussians of a table's rows."""
    rest = sum(name.startswith("f_rest_") for name in rows.dtype.names or ())

    def take(*wanted: str) -> np.ndarray:
        return np.stack([rows[name] for name in wanted], 1)

    sh = np.zeros((len(rows), 1 + rest // 3, 3), np.float32)
    sh[:, 0] = take("f_dc_0", "f_dc_1", "f_dc_2")
    if rest:
        coefficients = take(*(f"f_rest_{i}" for i in range(rest)))
        sh[:, 1:] = coefficients.reshape(len(rows), 3, -1).transpose(0, 2, 1)
    arrays = (
        *(take("x", "y", "z"), take("rot_0", "rot_1", "rot_2", "rot_3")),
        *(take("scale_0", "scale_1", "scale_2"), rows["opacity"], sh),
    )
    return Gaussians(*(torch.tensor(np.ascontiguousarray(a)) for a in arrays))
