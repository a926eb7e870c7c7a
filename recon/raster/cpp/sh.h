// Real spherical harmonics up to degree 3 in the order and with the signs of the 3DGS PLY (Kerbl et al.
// 2023), and their derivatives. Polynomials after Sloan, "Efficient Spherical Harmonic Evaluation", 2013.
#pragma once
#include "simd.h"

namespace splat {
namespace {

// basis[0 .. (degree + 1)^2) at the unit direction (x, y, z).
template <class Real>
SPLAT_INLINE void sh_basis(int degree, Real x, Real y, Real z, Real* basis) {
  basis[0] = Real{} + 0.2820947917738781f;
  if (degree < 1) return;
  const float k1 = 0.48860251190292f;
  basis[1] = -k1 * y, basis[2] = k1 * z, basis[3] = -k1 * x;
  if (degree < 2) return;
  const Real zz = z * z, c1 = x * x - y * y, s1 = 2 * x * y;
  const float k4 = 0.5462742152960395f;
  const Real k5 = -1.092548430592079f * z;
  basis[4] = k4 * s1, basis[5] = k5 * y, basis[6] = 0.9461746957575601f * zz - 0.3153915652525201f;
  basis[7] = k5 * x, basis[8] = k4 * c1;
  if (degree < 3) return;
  const float k9 = -0.5900435899266435f;
  const Real k10 = 1.445305721320277f * z, k11 = -2.285228997322329f * zz + 0.4570457994644658f;
  basis[9] = k9 * (x * s1 + y * c1), basis[10] = k10 * s1, basis[11] = k11 * y;
  basis[12] = z * (1.865881662950577f * zz - 1.119528997770346f);
  basis[13] = k11 * x, basis[14] = k10 * c1, basis[15] = k9 * (x * c1 - y * s1);
}

// Given w[k] = dL/d(basis[k]), the gradient with respect to (x, y, z), not yet tangent to the sphere.
template <class Real>
SPLAT_INLINE void sh_basis_backward(int degree, Real x, Real y, Real z, const Real* w, Real* g) {
  const float k1 = 0.48860251190292f;
  Real gx{}, gy{}, gz{};
  if (degree >= 1) gx = -k1 * w[3], gy = -k1 * w[1], gz = k1 * w[2];
  if (degree >= 2) {
    const float k = 1.092548430592079f, k4 = 0.5462742152960395f;
    gx += 2 * k4 * (y * w[4] + x * w[8]) - k * z * w[7];
    gy += 2 * k4 * (x * w[4] - y * w[8]) - k * z * w[5];
    gz += 2 * 0.9461746957575601f * z * w[6] - k * (y * w[5] + x * w[7]);
  }
  if (degree >= 3) {
    const float k9 = -0.5900435899266435f, k10 = 1.445305721320277f;
    const Real xx = x * x, yy = y * y, zz = z * z;
    const Real k11 = -2.285228997322329f * zz + 0.4570457994644658f, dk11 = -2 * 2.285228997322329f * z;
    gx += 6 * k9 * x * y * w[9] + 2 * k10 * z * (y * w[10] + x * w[14]) + k11 * w[13];
    gx += 3 * k9 * (xx - yy) * w[15];
    gy += 3 * k9 * (xx - yy) * w[9] + 2 * k10 * z * (x * w[10] - y * w[14]) + k11 * w[11];
    gy += -6 * k9 * x * y * w[15];
    gz += k10 * (2 * x * y * w[10] + (xx - yy) * w[14]) + dk11 * (y * w[11] + x * w[13]);
    gz += (3 * 1.865881662950577f * zz - 1.119528997770346f) * w[12];
  }
  g[0] = gx, g[1] = gy, g[2] = gz;
}

}  // namespace
}  // namespace splat
