"""3DGS PLY files: a header check that costs one read, and the arrays for writing other formats."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from viewer.errors import ViewerError

if TYPE_CHECKING:
    import numpy as np

MAX_HEADER = 64 * 1024
"""A 3DGS header has about 1.5 KB; anything longer than this is not one."""
SIZES = {"char": 1, "uchar": 1, "int8": 1, "uint8": 1, "short": 2, "ushort": 2, "int16": 2, "uint16": 2}
SIZES |= {"int": 4, "uint": 4, "int32": 4, "uint32": 4, "float": 4, "float32": 4, "double": 8, "float64": 8}
DEGREE_OF_REST = {0: 0, 9: 1, 24: 2, 45: 3}
"""Spherical-harmonics degree by the number of f_rest properties."""


@dataclass(frozen=True)
class Element:
    """One element of the header."""

    name: str
    count: int
    properties: tuple[tuple[str, str], ...]
    """(type, name), in file order."""

    @property
    def stride(self) -> int:
        """Bytes per row."""
        return sum(SIZES[kind] for kind, _ in self.properties)


@dataclass(frozen=True)
class Header:
    """What the text at the start of a binary PLY promises."""

    elements: tuple[Element, ...]
    data_offset: int
    """Bytes before the first row."""

    @property
    def vertex(self) -> Element:
        return next(element for element in self.elements if element.name == "vertex")

    @property
    def bytes_expected(self) -> int:
        """Size of the whole file."""
        return self.data_offset + sum(element.stride * element.count for element in self.elements)


@dataclass(frozen=True, repr=False)
class Splats:
    """Gaussians as a PLY holds them."""

    means: np.ndarray  # [N, 3] float32 world
    quats: np.ndarray  # [N, 4] float32 wxyz, not necessarily unit
    log_scales: np.ndarray  # [N, 3] float32
    logit_opacities: np.ndarray  # [N] float32
    sh: np.ndarray  # [N, K, 3] float32, K in {1, 4, 9, 16}

    def __len__(self) -> int:
        return len(self.means)

    def select(
        self,
        keep: np.ndarray,  # [N] bool
    ) -> Splats:
        """Some of them."""
        parts = (self.means, self.quats, self.log_scales, self.logit_opacities, self.sh)
        return Splats(*(part[keep] for part in parts))

    def __repr__(self) -> str:
        return f"Splats({len(self)}, {self.sh.shape[1]} SH coefficients)"


def read_header(path: Path) -> Header:
    """Header of a binary little-endian PLY; an error when the file is something else."""
    with path.open("rb") as stream:
        text = stream.read(MAX_HEADER)
    end = text.find(b"end_header")
    end = text.find(b"\n", end) + 1 if end >= 0 else 0
    if not text.startswith(b"ply") or end <= 0:
        raise ViewerError(f"{path} is not a PLY file (no header found); expected a 3DGS splat file")
    elements: list[Element] = []
    for line in text[:end].decode("latin-1").splitlines():
        words = line.split()
        if words[:1] == ["format"] and words[1:2] != ["binary_little_endian"]:
            raise ViewerError(f"{path} is a {' '.join(words[1:])} PLY; expected binary_little_endian")
        if words[:1] == ["element"] and len(words) == 3 and words[2].isdigit():
            elements.append(Element(words[1], int(words[2]), ()))
        elif words[:1] == ["property"] and elements:
            if len(words) != 3 or words[1] not in SIZES:
                raise ViewerError(f"{path} has a property {line!r}; expected plain numbers as in 3DGS files")
            last = elements[-1]
            elements[-1] = Element(last.name, last.count, (*last.properties, (words[1], words[2])))
    if not any(element.name == "vertex" for element in elements):
        raise ViewerError(f"{path} has no element 'vertex'; expected a 3DGS splat file")
    return Header(tuple(elements), end)


def select(
    path: Path,
    keep: np.ndarray,  # [N] bool
) -> bytes:
    """The bytes of a 3DGS PLY with some of its rows left out, whatever its properties."""
    import numpy as np

    header = read_header(path)
    vertex = header.vertex
    with path.open("rb") as stream:
        text = stream.read(header.data_offset).decode("latin-1")
        rows = np.fromfile(stream, np.uint8, vertex.count * vertex.stride).reshape(vertex.count, -1)
        rest = stream.read()  # motions, say
    text = text.replace(f"element vertex {vertex.count}", f"element vertex {int(keep.sum())}", 1)
    return text.encode("latin-1") + rows[keep].tobytes() + rest


def read(path: Path) -> Splats:
    """All Gaussians of an (uncompressed) 3DGS PLY."""
    import numpy as np

    try:
        header, size = read_header(path), path.stat().st_size
    except OSError as error:
        raise ViewerError(f"could not read {path}: {error.strerror or error}") from error
    if size < header.bytes_expected:
        raise ViewerError(
            f"{path} is cut short: {size} of {header.bytes_expected} bytes are there; make or copy it again"
        )
    vertex = header.vertex
    if header.elements[0] is not vertex:
        raise ViewerError(f"{path} is a compressed PLY; expected the plain 3DGS layout (x, y, z, f_dc_0 …)")
    codes = {
        "float": "<f4",
        "float32": "<f4",
        "double": "<f8",
        "float64": "<f8",
        "uchar": "u1",
        "uint8": "u1",
    }
    try:
        layout = np.dtype([(name, codes[kind]) for kind, name in vertex.properties])
        rows = np.fromfile(path, layout, vertex.count, offset=header.data_offset)
        rest = sum(name.startswith("f_rest_") for _, name in vertex.properties)
        k = (DEGREE_OF_REST[rest] + 1) ** 2

        def columns(*names: str) -> np.ndarray:
            return np.stack([rows[name].astype(np.float32) for name in names], -1)

        dc = columns("f_dc_0", "f_dc_1", "f_dc_2")[:, None, :]  # [N, 1, 3]
        sh = dc
        if rest:  # stored channel-major: all red coefficients, then green, then blue
            higher = columns(*[f"f_rest_{i}" for i in range(rest)]).reshape(-1, 3, k - 1)
            sh = np.concatenate([dc, higher.transpose(0, 2, 1)], 1)
        return Splats(
            columns("x", "y", "z"),
            columns("rot_0", "rot_1", "rot_2", "rot_3"),
            columns("scale_0", "scale_1", "scale_2"),
            rows["opacity"].astype(np.float32),
            sh,
        )
    except (KeyError, ValueError) as error:
        raise ViewerError(f"{path} lacks {error}; expected the properties of a 3DGS splat file") from error
