// Data the stages of the rasterizer share, and the table of kernels compiled once per instruction set.
//
// Semantics are those of gsplat's `rasterization()` (Ye et al. 2024), classic mode: EWA projection with
// a 0.3 px dilation, alpha = min(0.999, o * exp(-sigma)), pairs with alpha < 1/255 skipped, a pixel
// stops when its transmittance would fall to 1e-4 or below.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <vector>

namespace splat {

constexpr int kTile = 16;          // tiles are kTile x kTile pixels
constexpr int kTilePixels = kTile * kTile;
constexpr int kPadding = 8;        // pairs that may be read past a list's end, by prefetches
constexpr int kPairGrads = 12;     // floats in a pair's gradient slot, see blend.cpp
constexpr int64_t kGaussiansPerBlock = 1024;  // of fixed size, not one per thread: sums and orders then do
                                               // not depend on the threads
constexpr float kMaxAlpha = 0.999f;
constexpr float kMinAlpha = 1.0f / 255.0f;
constexpr float kMinLogit = -5.537334267018537f;  // whose sigmoid is 1/255
constexpr float kLog2MinAlpha = -7.994353436858858f;
constexpr float kMinTransmittance = 1e-4f;
constexpr float kLog2e = 1.4426950408889634f;

// A grow-only, 64-byte aligned, uninitialised buffer.
template <class T>
class Buffer {
 public:
  Buffer() = default;
  Buffer(Buffer&& other) noexcept : data_(other.data_), capacity_(other.capacity_) {
    other.data_ = nullptr, other.capacity_ = 0;
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { std::free(data_); }
  T* reserve(size_t count) {
    if (count > capacity_) {
      std::free(data_);
      data_ = nullptr, capacity_ = 0;
      const size_t wanted = count + count / 4 + 64, bytes = (wanted * sizeof(T) + 63) / 64 * 64;
      data_ = static_cast<T*>(std::aligned_alloc(64, bytes));
      if (!data_) throw std::bad_alloc();
      capacity_ = wanted;
    }
    return data_;
  }
  size_t capacity() const { return capacity_; }
  T* data() const { return data_; }
  T& operator[](size_t i) const { return data_[i]; }
  size_t bytes() const { return capacity_ * sizeof(T); }

 private:
  T* data_ = nullptr;
  size_t capacity_ = 0;
};

// Room for `wanted` items, keeping the first `used`. Not inline: kernels call it (see simd.h).
void grow(Buffer<uint32_t>& buffer, size_t used, size_t wanted);

struct Camera {
  float R[9], t[3];   // camera_from_world, row major
  float centre[3];    // of the camera, in the world
  float fx, fy, cx, cy;
  int width, height, tiles_x, tiles_y;
  float near_plane, eps2d;
};

// What the caller passes in; pointers stay valid until the backward pass is done.
struct Gaussians {
  int64_t count;
  int sh_stride;                // K, coefficients stored per Gaussian
  int sh_degree;                // coefficients used: (degree + 1)^2 <= K
  const float* means;           // [N, 3]
  const float* quats;           // [N, 4] wxyz, any length but zero
  const float* scales;          // [N, 3], logarithms if raw
  const float* opacities;       // [N], logits if raw
  const float* sh;              // [N, K, 3]
  bool raw;
};

// A projected Gaussian, one cache line. The conic is in log2 units:
// log2(alpha) = log2_opacity - (a dx^2 + 2 half_b dx dy + c dy^2).
struct alignas(64) Splat {
  float x, y;                   // centre, pixels
  float a, half_b, c, log2_opacity;
  float colour[4];              // red, green, blue; the fourth channel is the depth
  float half_height;            // of the ellipse where alpha = 1/255, pixels
  float reach;                  // log2(opacity) - log2(1/255): the conic's value on that ellipse
  float discriminant;           // 4 (a c - half_b^2)
  float opacity;
  uint32_t positive;            // bit k: colour channel k was not clamped at 0
  uint32_t unused;
};
static_assert(sizeof(Splat) == 64, "a Splat fills a cache line");

struct Slots {                  // of a Gaussian, one per tile it touches; none when it is not visible
  uint32_t begin, count;        // begin counts from its block's first
};

struct Pair {                   // a Gaussian that touches a tile
  uint32_t splat;
  uint32_t slot;                // where its gradient goes; slots of one Gaussian are consecutive
};

struct Gradients {              // of the loss with respect to the outputs; null = zero
  const float *image, *alpha, *depth;
};

struct ParameterGradients {     // written by the backward pass (never accumulated into)
  float *means, *quats, *scales, *opacities, *sh;
  float* means2d;               // [N, 2] dL/d(pixel position), may be null
};

// One step of the optimiser on raw parameters. Tensors in the order means, quats, scales, opacities, sh.
struct AdamStep {
  float *parameters[5], *first[5], *second[5];  // changed in place
  float step_size[16];          // of mean 3, quaternion 4, scale 3, opacity 1; bias corrections included
  float sh_step_size[2];        // degree 0, above
  float one_minus_beta1, one_minus_beta2;
  float opacity_weight, scale_weight;           // dL/d(opacity), dL/d(scale) of the regularisers
  float noise;                  // strength of the exploration, 0 for none
  uint64_t seed;                // of the noise
  float* pixel_gradients;       // [N, 2] sums of |dL/d(pixel position)| and of views, added to; may be null
};

constexpr int kCameraGrads = 19;  // per block of Gaussians: R (9), t (3), centre (3), fx, fy, cx, cy

// State of one rendering, kept for its backward pass.
struct Context {
  Camera camera;
  Gaussians gaussians;
  float background[3];
  bool with_depth;
  int64_t visible, pairs;
  Buffer<Splat> splats;               // [N], valid where visible
  Buffer<uint64_t> keys, keys_spare;  // [visible] depth bits << 32 | index
  Buffer<Slots> slots;                // [N]
  std::vector<Buffer<uint32_t>> block_tiles;  // per block of Gaussians: the tile of every slot
  Buffer<int64_t> block_pairs;        // [blocks + 1] slots before a block
  Buffer<uint32_t> histogram;         // [parts, tiles]
  Buffer<int64_t> tile_begin;         // [tiles + 1]
  Buffer<int64_t> tile_used;          // [tiles] one past the last pair that blending looked at
  Buffer<Pair> pair_list;             // [pairs + kPadding] by tile, each in depth order
  Buffer<uint32_t> pair_blocks;       // [pairs] blocks of the tile that the splat touches, a bit each
  Buffer<float> transmittance;        // [tiles, 256] final
  Buffer<float> blended;              // [tiles, 256, 4] colour (and depth) without background
  Buffer<float> pair_grads;           // [pairs, kPairGrads]
  Buffer<float> camera_grads;         // [blocks, kCameraGrads]
  int64_t evaluated;                  // pixel slots blended in the last forward pass
  double milliseconds[6];             // project, sort, bin, blend | blend backward, project backward
};

// Kernels work on ranges and know nothing of threads.
struct Kernels {
  const char* name;
  int lanes;
  // Projects a block of Gaussians: writes splats, the keys of the visible ones (and returns how many), gives
  // them slots and lists the tile of every slot.
  int64_t (*project)(Context&, int64_t begin, int64_t end, uint64_t* keys, Buffer<uint32_t>& tiles, int64_t* pairs);
  void (*blend)(Context&, int64_t tile, float* image, float* alpha, float* depth, int64_t* evaluated);
  void (*blend_backward)(Context&, int64_t tile, const Gradients&);
  // Gradients are written to the first (may be null) or used by the second (may be null).
  void (*project_backward)(Context&, int64_t begin, int64_t end, const ParameterGradients*, const AdamStep*,
                           float* camera);
  // The fused L1 + SSIM loss of some rows and at most kSsimStrip floats of a row: see ssim.cpp.
  void (*ssim_strip)(const struct SsimJob&, int64_t row_begin, int64_t row_end, int64_t begin, int count, double* sums);
};

const Kernels& kernels();              // the best this processor runs
bool select_kernels(const char* name); // by name ("baseline", "avx2", "avx512"); false if unknown here

constexpr int kSsimStrip = 384;        // floats

struct SsimJob {
  const float *image, *target;         // [H, W, 3]
  float* gradient;                     // [H, W, 3] dL/d(image), may be null
  int64_t height, width;
  float lambda;                        // loss = (1 - lambda) L1 + lambda (1 - SSIM)
};

}  // namespace splat
