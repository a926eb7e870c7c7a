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
#define SPLAT_INLINE_MEMBER inline __attribute__((always_inline))

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
// a < b ? a : b and a > b ? a : b; compilers make a comparison and a blend of the plain form.
#if defined(__AVX512F__)
SPLAT_INLINE vf vmin(vf a, vf b) { return (vf)_mm512_min_ps((__m512)a, (__m512)b); }
SPLAT_INLINE vf vmax(vf a, vf b) { return (vf)_mm512_max_ps((__m512)a, (__m512)b); }
#elif defined(__AVX__)
SPLAT_INLINE vf vmin(vf a, vf b) { return (vf)_mm256_min_ps((__m256)a, (__m256)b); }
SPLAT_INLINE vf vmax(vf a, vf b) { return (vf)_mm256_max_ps((__m256)a, (__m256)b); }
#else
SPLAT_INLINE vf vmin(vf a, vf b) { return a < b ? a : b; }
SPLAT_INLINE vf vmax(vf a, vf b) { return a > b ? a : b; }
#endif
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
SPLAT_INLINE vmask without(vmask a, vmask b) { return (vmask)(a & ~b); }
SPLAT_INLINE vi with_bit(vi a, vmask m, int bit) {
  return (vi)_mm512_mask_or_epi32((__m512i)a, m, (__m512i)a, _mm512_set1_epi32(bit));
}
#else
typedef vi vmask;
SPLAT_INLINE vi with_bit(vi a, vmask m, int bit) { return a | (m & bit); }
SPLAT_INLINE vmask without(vmask a, vmask b) { return a & ~b; }
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

// -|x| in lanes of the mask.
SPLAT_INLINE vf negative_where(vmask m, vf x) {
#if defined(__AVX512F__)
  return choose(m, negative(x), x);
#else
  return (vf)((vi)x | (m & INT32_MIN));
#endif
}

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

// Half as many lanes, of double.
constexpr int kWide = kLanes / 2;
typedef double vd __attribute__((vector_size(kWide * 8)));
typedef int64_t vl __attribute__((vector_size(kWide * 8)));
typedef float vhalf __attribute__((vector_size(kWide * 4)));

SPLAT_INLINE vd widen(const float* p) {
  vhalf v;
  memcpy(&v, p, sizeof v);
  return __builtin_convertvector(v, vd);
}
SPLAT_INLINE void narrow(float* p, vd v) {
  const vhalf f = __builtin_convertvector(v, vhalf);
  memcpy(p, &f, sizeof f);
}
SPLAT_INLINE vd vsqrt(vd x) {
#if defined(__AVX512F__)
  return (vd)_mm512_sqrt_pd((__m512d)x);
#elif defined(__AVX__)
  return (vd)_mm256_sqrt_pd((__m256d)x);
#else
  for (int i = 0; i < kWide; i++) x[i] = __builtin_sqrt(x[i]);
  return x;
#endif
}
SPLAT_INLINE vd vmin(vd a, vd b) { return a < b ? a : b; }
SPLAT_INLINE vd vmax(vd a, vd b) { return a > b ? a : b; }
// Where the comparison `mask` holds (all bits set), else zero.
SPLAT_INLINE vd keep(vl mask, vd a) { return (vd)((vl)a & mask); }

// The first `count` lanes from memory, zero in the others.
SPLAT_INLINE vf load_part(const float* p, int count) {
#if defined(__AVX512F__)
  return (vf)_mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), p);
#else
  vf v{};
  for (int i = 0; i < count; i++) v[i] = p[i];
  return v;
#endif
}
SPLAT_INLINE void store_part(float* p, vf v, int count) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << count) - 1), (__m512)v);
#else
  for (int i = 0; i < count; i++) p[i] = v[i];
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

// log2(x) for normal x > 0, to about 1e-7; polynomial of Cephes' logf.
SPLAT_INLINE vf log2_fast(vf x) {
  const vi shifted = (vi)x - 0x3f3504f3;  // sqrt(1/2)
  const vi exponent = shifted >> 23;
  const vf f = (vf)((vi)x - (exponent << 23)) - 1.0f, f2 = f * f;
  vf y = splat1(7.0376836292e-2f);
  y = y * f - 1.1514610310e-1f;
  y = y * f + 1.1676998740e-1f;
  y = y * f - 1.2420140846e-1f;
  y = y * f + 1.4249322787e-1f;
  y = y * f - 1.6668057665e-1f;
  y = y * f + 2.0000714765e-1f;
  y = y * f - 2.4999993993e-1f;
  y = y * f + 3.3333331174e-1f;
  y = y * f * f2 - 0.5f * f2;
  return (f + y) * 1.4426950408889634f + __builtin_convertvector(exponent, vf);
}

// e^x, clamped to what a normal float holds.
SPLAT_INLINE vf exp_fast(vf x) {
  return exp2_fast(vmin(vmax(x * 1.4426950408889634f, splat1(-126.0f)), splat1(126.0f)));
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

// Sum of the lanes.
SPLAT_INLINE float sum_lanes(vf v) {
#if defined(__AVX512F__)
  return _mm512_reduce_add_ps((__m512)v);
#elif defined(__AVX__)
  __m128 s = _mm_add_ps(_mm256_castps256_ps128((__m256)v), _mm256_extractf128_ps((__m256)v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_shuffle_ps(s, s, 1)));
#else
  float s = 0;
  for (int i = 0; i < kLanes; i++) s += v[i];
  return s;
#endif
}

}  // namespace
}  // namespace splat
