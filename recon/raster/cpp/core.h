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

namespace splat {

constexpr int kTile = 16;          // tiles are kTile x kTile pixels
constexpr int kTilePixels = kTile * kTile;
constexpr int kPairGrads = 12;     // floats in a pair's gradient slot, see blend.cpp
constexpr float kMaxAlpha = 0.999f;
constexpr float kMinAlpha = 1.0f / 255.0f;
constexpr float kLog2MinAlpha = -7.994353436858858f;
constexpr float kMinTransmittance = 1e-4f;
constexpr float kLog2e = 1.4426950408889634f;

// A grow-only, 64-byte aligned, uninitialised buffer.
template <class T>
class Buffer {
 public:
  Buffer() = default;
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
  T* data() const { return data_; }
  T& operator[](size_t i) const { return data_[i]; }
  size_t bytes() const { return capacity_ * sizeof(T); }

 private:
  T* data_ = nullptr;
  size_t capacity_ = 0;
};

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
  const float* scales;          // [N, 3]
  const float* opacities;       // [N]
  const float* sh;              // [N, K, 3]
};

// A projected Gaussian, one cache line. The conic is in log2 units:
// log2(alpha) = log2_opacity - (a dx^2 + b dx dy + c dy^2).
struct alignas(64) Splat {
  float x, y;                   // centre, pixels
  float a, b, c, log2_opacity;
  float colour[4];              // red, green, blue; the fourth channel is the depth
  float half_height;            // of the ellipse where alpha = 1/255, pixels
  float reach;                  // log2(opacity) - log2(1/255): the conic's value on that ellipse
  float discriminant;           // 4 a c - b^2
  float opacity;
  uint32_t positive;            // bit k: colour channel k was not clamped at 0
  uint32_t unused;
};
static_assert(sizeof(Splat) == 64, "a Splat fills a cache line");

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

constexpr int kPoseGrads = 15;  // per block of Gaussians: R (9), t (3), centre (3)

// State of one rendering, kept for its backward pass.
struct Context {
  Camera camera;
  Gaussians gaussians;
  float background[3];
  bool with_depth;
  int64_t visible, pairs;
  Buffer<Splat> splats;               // [N], valid where visible
  Buffer<uint64_t> keys, keys_spare;  // [visible] depth bits << 32 | index
  Buffer<uint32_t> slot_begin;        // [N] first slot and number of slots of a Gaussian
  Buffer<uint32_t> slot_count;
  Buffer<uint32_t> histogram;         // [blocks, tiles]
  Buffer<int64_t> tile_begin;         // [tiles + 1]
  Buffer<int64_t> tile_used;          // [tiles] one past the last pair that blending looked at
  Buffer<Pair> pair_list;             // [pairs] by tile, each in depth order
  Buffer<float> transmittance;        // [tiles, 256] final
  Buffer<float> blended;              // [tiles, 256, 4] colour (and depth) without background
  Buffer<float> pair_grads;           // [pairs, kPairGrads]
  Buffer<float> pose_grads;           // [blocks, kPoseGrads]
  int64_t evaluated;                  // pixel slots blended in the last forward pass
  double milliseconds[6];             // project, sort, bin, blend | blend backward, project backward
};

// Kernels work on ranges and know nothing of threads.
struct Kernels {
  const char* name;
  int lanes;
  // Projects Gaussians [begin, end); writes keys of the visible ones to `keys`, returns how many.
  int64_t (*project)(Context&, int64_t begin, int64_t end, uint64_t* keys);
  // Lists the tiles a splat touches, returns how many (tiles may be null to count only).
  int64_t (*tiles)(const Splat&, const Camera&, uint32_t* tiles);
  void (*blend)(Context&, int64_t tile, float* image, float* alpha, float* depth, int64_t* evaluated);
  void (*blend_backward)(Context&, int64_t tile, const Gradients&);
  void (*project_backward)(Context&, int64_t begin, int64_t end, const ParameterGradients&, float* pose);
  // Three passes over image rows of the fused L1 + SSIM loss, see ssim.cpp.
  void (*ssim_pass)(int pass, const struct SsimJob&, int64_t row);
};

const Kernels& kernels();              // the best this processor runs
bool select_kernels(const char* name); // by name ("baseline", "avx2", "avx512"); false if unknown here

struct SsimJob {
  const float *image, *target;         // [H, W, 3]
  float* gradient;                     // [H, W, 3] dL/d(image), may be null
  float* scratch;                      // [8, H, W * 3]
  double* sums;                        // [H, 2] per row: sum |difference|, sum SSIM
  int64_t height, width;
  float lambda;                        // loss = (1 - lambda) L1 + lambda (1 - SSIM)
};

}  // namespace splat
