// Vectors of float for the kernels: 16 lanes with AVX-512, 8 otherwise (the compiler splits them into
// what the processor has: one AVX register, two SSE or NEON ones).
//
// Everything here has internal linkage: each kernel file is compiled once per instruction set, and an
// inline function shared between those builds could be linked from the wrong one.
#pragma once
#include <cstdint>
#include <cstring>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define SPLAT_INLINE static inline __attribute__((always_inline))

namespace splat {
namespace {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#else
constexpr int kLanes = 8;
#endif

typedef float vf __attribute__((vector_size(kLanes * 4)));
typedef int32_t vi __attribute__((vector_size(kLanes * 4)));

SPLAT_INLINE float minf(float a, float b) { return a < b ? a : b; }
SPLAT_INLINE float maxf(float a, float b) { return a > b ? a : b; }
SPLAT_INLINE int mini(int a, int b) { return a < b ? a : b; }
SPLAT_INLINE int maxi(int a, int b) { return a > b ? a : b; }

SPLAT_INLINE vf splat1(float x) { return vf{} + x; }
SPLAT_INLINE vf vmin(vf a, vf b) { return a < b ? a : b; }
SPLAT_INLINE vf load(const float* p) {
  vf v;
  memcpy(&v, p, sizeof v);
  return v;
}
SPLAT_INLINE void store(float* p, vf v) { memcpy(p, &v, sizeof v); }

// Masks: a bit per lane.
#if defined(__AVX512F__)
typedef __mmask16 vmask;
SPLAT_INLINE vmask ge(vf a, vf b) { return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_GE_OQ); }
SPLAT_INLINE vmask gt(vf a, vf b) { return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_GT_OQ); }
SPLAT_INLINE vf keep(vmask m, vf a) { return (vf)_mm512_maskz_mov_ps(m, (__m512)a); }
SPLAT_INLINE vf choose(vmask m, vf a, vf b) { return (vf)_mm512_mask_blend_ps(m, (__m512)b, (__m512)a); }
SPLAT_INLINE unsigned bits(vmask m) { return m; }
#else
typedef vi vmask;
SPLAT_INLINE vmask ge(vf a, vf b) { return a >= b; }
SPLAT_INLINE vmask gt(vf a, vf b) { return a > b; }
SPLAT_INLINE vf keep(vmask m, vf a) { return (vf)((vi)a & m); }
SPLAT_INLINE vf choose(vmask m, vf a, vf b) { return m ? a : b; }
SPLAT_INLINE unsigned bits(vmask m) {
#if defined(__AVX__)
  return (unsigned)_mm256_movemask_ps((__m256)m);
#elif defined(__SSE2__)
  __m128 half[2];
  memcpy(half, &m, sizeof half);
  return (unsigned)(_mm_movemask_ps(half[0]) | _mm_movemask_ps(half[1]) << 4);
#else
  unsigned r = 0;
  for (int i = 0; i < kLanes; i++) r |= (m[i] & 1u) << i;
  return r;
#endif
}
#endif

// Bits of the lanes whose sign bit is set.
SPLAT_INLINE unsigned sign_bits(vf x) {
#if defined(__AVX512F__)
  return _mm512_movepi32_mask((__m512i)x);
#else
  return bits((vi)x >> 31);
#endif
}

// -|x|
SPLAT_INLINE vf negative(vf x) { return (vf)((vi)x | (vi{} + INT32_MIN)); }
SPLAT_INLINE vf absolute(vf x) { return (vf)((vi)x & (vi{} + INT32_MAX)); }

// sqrt of every lane.
SPLAT_INLINE vf vsqrt(vf x) {
#if defined(__AVX512F__)
  return (vf)_mm512_sqrt_ps((__m512)x);
#elif defined(__AVX__)
  return (vf)_mm256_sqrt_ps((__m256)x);
#else
  for (int i = 0; i < kLanes; i++) x[i] = __builtin_sqrtf(x[i]);
  return x;
#endif
}

// 1 / x to about 1 ulp.
SPLAT_INLINE vf reciprocal(vf x) {
#if defined(__AVX512F__)
  vf r = (vf)_mm512_rcp14_ps((__m512)x);
  return r * (2.0f - x * r);
#elif defined(__AVX__)
  vf r = (vf)_mm256_rcp_ps((__m256)x);
  return r * (2.0f - x * r);
#else
  return 1.0f / x;
#endif
}

// 2^x for x in [-126, 126], relative error about 2e-7: range reduction and a polynomial on [-1/2, 1/2].
SPLAT_INLINE vf exp2_fast(vf x) {
#if defined(__AVX512F__)
  const vf n = (vf)_mm512_roundscale_ps((__m512)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const vf f = x - n;
#else
  // Adding 1.5 * 2^23 leaves the rounded value in the low bits. With -ffast-math a compiler folds the
  // pair away and silently returns powers of two: never build with it.
  const vf magic = splat1(12582912.0f);
  const vf shifted = x + magic;
  const vf f = x - (shifted - magic);
#endif
  vf y = splat1(1.3398874e-3f);
  y = y * f + 9.6184373e-3f;
  y = y * f + 5.5503273e-2f;
  y = y * f + 2.4022651e-1f;
  y = y * f + 6.9314718e-1f;
  y = y * f + 1.0f;
#if defined(__AVX512F__)
  return (vf)_mm512_scalef_ps((__m512)y, (__m512)n);
#else
  return (vf)((vi)y + ((vi)shifted << 23));
#endif
}

// Sums of the lanes of four vectors, written to out[0..3].
SPLAT_INLINE void sum_lanes(vf a, vf b, vf c, vf d, float* out) {
#if defined(__AVX__)
#if defined(__AVX512F__)
  auto fold = [](vf v) {
    return _mm256_add_ps(_mm512_castps512_ps256((__m512)v), _mm512_extractf32x8_ps((__m512)v, 1));
  };
  const __m256 a8 = fold(a), b8 = fold(b), c8 = fold(c), d8 = fold(d);
#else
  const __m256 a8 = (__m256)a, b8 = (__m256)b, c8 = (__m256)c, d8 = (__m256)d;
#endif
  const __m256 h = _mm256_hadd_ps(_mm256_hadd_ps(a8, b8), _mm256_hadd_ps(c8, d8));
  _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1)));
#else
  float s[4] = {0, 0, 0, 0};
  for (int i = 0; i < kLanes; i++) s[0] += a[i], s[1] += b[i], s[2] += c[i], s[3] += d[i];
  memcpy(out, s, sizeof s);
#endif
}

}  // namespace
}  // namespace splat
