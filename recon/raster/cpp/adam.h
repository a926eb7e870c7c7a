// One Adam step (Kingma and Ba 2015) for one Gaussian, straight from its gradient: the gradient never goes to
// memory, and Gaussians that no pixel saw are left alone (as in "Taming 3DGS", Mallick et al. 2024). Then the
// exploration noise of 3DGS-MCMC (Kheradmand et al. 2024, equation 8).
#pragma once
#include <cmath>

#include "core.h"
#include "simd.h"

namespace splat {
namespace {

// 1 / sqrt(x) to about 2 ulp, for normal x > 0.
SPLAT_INLINE vf reciprocal_sqrt(vf x) {
#if defined(__AVX512F__)
  const vf r = (vf)_mm512_rsqrt14_ps((__m512)x);
#elif defined(__AVX__)
  const vf r = (vf)_mm256_rsqrt_ps((__m256)x);
#else
  return 1.0f / vsqrt(x);
#endif
#if defined(__AVX__)
  return r * (1.5f - 0.5f * x * r * r);
#endif
}

struct Moments {
  vf parameter, first, second;
};
// eps enters as sqrt(v + eps^2) instead of sqrt(v) + eps: the same for eps = 1e-15, and one operation.
SPLAT_INLINE Moments adam_lanes(const AdamStep& a, vf parameter, vf first, vf second, vf gradient, vf step_size) {
  first += (gradient - first) * a.one_minus_beta1;
  second += (gradient * gradient - second) * a.one_minus_beta2;
  return {parameter - step_size * first * reciprocal_sqrt(second + 1e-30f), first, second};
}

// Two independent numbers with a standard normal distribution, from a counter (splitmix64, Box-Muller).
SPLAT_INLINE void normal_pair(uint64_t counter, float* out) {
  uint64_t z = counter * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  z ^= z >> 31;
  const float u = static_cast<float>((z >> 40) + 1) * 0x1p-24f,
              angle = static_cast<float>(z & 0xffffff) * (6.2831853f * 0x1p-24f);
  const float radius = std::sqrt(-2.0f * std::log(u));
  out[0] = radius * std::cos(angle), out[1] = radius * std::sin(angle);
}

// p: mean 3, quaternion 4, log scale 3, logit opacity 1. Moves the mean within its Gaussian, the more the fainter it
// is.
SPLAT_INLINE void explore(const AdamStep& a, uint32_t i, float* p) {
  const float opacity = 1.0f / (1.0f + std::exp(-p[10])), x = 100.0f * (0.005f - opacity);
  if (x < -9.2f) return;  // sigmoid < 1e-4
  const float strength = a.noise / (1.0f + std::exp(-x));
  float n[4];
  normal_pair((a.seed << 32 | i) * 2, n);
  normal_pair((a.seed << 32 | i) * 2 + 1, n + 2);
  const float norm = 1.0f / maxf(std::sqrt(p[3] * p[3] + p[4] * p[4] + p[5] * p[5] + p[6] * p[6]), 1e-12f);
  const float w = p[3] * norm, qx = p[4] * norm, qy = p[5] * norm, qz = p[6] * norm;
  const float R[9] = {1 - 2 * (qy * qy + qz * qz), 2 * (qx * qy - w * qz),      2 * (qx * qz + w * qy),
                      2 * (qx * qy + w * qz),      1 - 2 * (qx * qx + qz * qz), 2 * (qy * qz - w * qx),
                      2 * (qx * qz - w * qy),      2 * (qy * qz + w * qx),      1 - 2 * (qx * qx + qy * qy)};
  for (int k = 0; k < 3; k++) {  // R diag(scale^2) R^T noise
    const float along = R[k] * n[0] + R[3 + k] * n[1] + R[6 + k] * n[2],
                moved = strength * along * std::exp(2 * p[7 + k]);
    for (int r = 0; r < 3; r++) p[r] += R[3 * r + k] * moved;
  }
}

// geometry [16]: gradients of mean 3, quaternion 4, log scale 3, logit opacity 1; sh: `terms` floats.
SPLAT_INLINE void adam_update(const AdamStep& a, int64_t i, const float* geometry, const float* sh, int terms,
                              int stride) {
  alignas(64) float p[16] = {}, m[16] = {}, v[16] = {};
  auto each = [&](auto f) {
    f(0, 3, 0), f(3, 4, 1), f(7, 3, 2), f(10, 1, 3);  // place, width, tensor
  };
  each([&](int at, int width, int tensor) {
    for (int k = 0; k < width; k++) {
      p[at + k] = a.parameters[tensor][width * i + k];
      m[at + k] = a.first[tensor][width * i + k], v[at + k] = a.second[tensor][width * i + k];
    }
  });
  for (int k = 0; k < 16; k += kLanes) {
    const Moments r = adam_lanes(a, load(p + k), load(m + k), load(v + k), load(geometry + k), load(a.step_size + k));
    store(p + k, r.parameter), store(m + k, r.first), store(v + k, r.second);
  }
  if (a.noise > 0) explore(a, static_cast<uint32_t>(i), p);
  each([&](int at, int width, int tensor) {
    for (int k = 0; k < width; k++) {
      a.parameters[tensor][width * i + k] = p[at + k];
      a.first[tensor][width * i + k] = m[at + k], a.second[tensor][width * i + k] = v[at + k];
    }
  });
  float *ps = a.parameters[4] + i * stride, *ms = a.first[4] + i * stride, *vs = a.second[4] + i * stride;
  vf rate = splat1(a.sh_step_size[1]);
  rate[0] = rate[1] = rate[2] = a.sh_step_size[0];
  int k = 0;
  for (; k + kLanes <= terms; k += kLanes, rate = splat1(a.sh_step_size[1])) {
    const Moments r = adam_lanes(a, load(ps + k), load(ms + k), load(vs + k), load(sh + k), rate);
    store(ps + k, r.parameter), store(ms + k, r.first), store(vs + k, r.second);
  }
  if (const int rest = terms - k) {
    const Moments r = adam_lanes(a, load_part(ps + k, rest), load_part(ms + k, rest), load_part(vs + k, rest),
                                 load_part(sh + k, rest), rate);
    store_part(ps + k, r.parameter, rest), store_part(ms + k, r.first, rest), store_part(vs + k, r.second, rest);
  }
}

}  // namespace
}  // namespace splat
