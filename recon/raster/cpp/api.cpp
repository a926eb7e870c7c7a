// The C ABI that recon/raster/core.py calls through ctypes. No Python and no torch in here: one library
// serves every version of both. Functions that can fail return 0 or an error code.
#include <cstring>
#include <new>
#include <stdexcept>

#include "loss.h"
#include "pool.h"
#include "render.h"

using namespace splat;

namespace {

constexpr int kOk = 0, kNoMemory = 1, kTooManyPairs = 2;

template <class F>
int guarded(F f) {
  try {
    f();
    return kOk;
  } catch (const std::length_error&) {
    return kTooManyPairs;
  } catch (...) {
    return kNoMemory;
  }
}

}  // namespace

extern "C" {

#define SPLAT_EXPORT __attribute__((visibility("default")))

SPLAT_EXPORT int splat_abi() { return 3; }
SPLAT_EXPORT const char* splat_kernels() { return kernels().name; }
SPLAT_EXPORT int splat_select_kernels(const char* name) { return select_kernels(name) ? 1 : 0; }
SPLAT_EXPORT int splat_threads() { return threads(); }
SPLAT_EXPORT void splat_set_threads(int count) { set_threads(count); }

SPLAT_EXPORT Context* splat_create() { return new (std::nothrow) Context(); }
SPLAT_EXPORT void splat_free(Context* ctx) { delete ctx; }

// camera_from_world: [3, 4] or the first three rows of [4, 4]; intrinsics: fx, fy, cx, cy.
SPLAT_EXPORT int splat_forward(Context* ctx, int64_t count, const float* means, const float* quats,
                               const float* scales, const float* opacities, const float* sh, int sh_stride,
                               int sh_degree, int raw, const float* camera_from_world, const float* intrinsics, int width,
                               int height, const float* background, float near_plane, float eps2d, float* image,
                               float* alpha, float* depth) {
  return guarded([&] {
    ctx->gaussians = {count, sh_stride, sh_degree, means, quats, scales, opacities, sh, raw != 0};
    Camera& c = ctx->camera;
    for (int r = 0; r < 3; r++) {
      for (int k = 0; k < 3; k++) c.R[3 * r + k] = camera_from_world[4 * r + k];
      c.t[r] = camera_from_world[4 * r + 3];
    }
    for (int k = 0; k < 3; k++) c.centre[k] = -(c.R[k] * c.t[0] + c.R[3 + k] * c.t[1] + c.R[6 + k] * c.t[2]);
    c.fx = intrinsics[0], c.fy = intrinsics[1], c.cx = intrinsics[2], c.cy = intrinsics[3];
    c.width = width, c.height = height, c.near_plane = near_plane, c.eps2d = eps2d;
    memcpy(ctx->background, background, sizeof ctx->background);
    forward(*ctx, image, alpha, depth);
  });
}

// v_camera [16]: of camera_from_world [3, 4], then of the intrinsics; may be null, here and below.
SPLAT_EXPORT int splat_backward(Context* ctx, const float* v_image, const float* v_alpha, const float* v_depth,
                                float* v_means, float* v_quats, float* v_scales, float* v_opacities, float* v_sh,
                                float* v_means2d, float* v_camera) {
  return guarded([&] {
    const ParameterGradients out = {v_means, v_quats, v_scales, v_opacities, v_sh, v_means2d};
    backward(*ctx, {v_image, v_alpha, v_depth}, &out, nullptr, v_camera);
  });
}

// Backward and optimiser in one: moves the parameters that the forward pass was given (raw ones).
SPLAT_EXPORT int splat_backward_adam(Context* ctx, const float* v_image, const AdamStep* adam, float* v_camera) {
  return guarded([&] { backward(*ctx, {v_image, nullptr, nullptr}, nullptr, adam, v_camera); });
}

// Which Gaussians touched a tile in the last forward pass: visible[i] = 0 or 1.
SPLAT_EXPORT void splat_visible(const Context* ctx, uint8_t* visible) {
  for (int64_t i = 0; i < ctx->gaussians.count; i++) visible[i] = ctx->slots[i].count > 0;
}

// visible Gaussians, pairs, pixel slots blended, bytes held, then the milliseconds of the six stages.
SPLAT_EXPORT void splat_statistics(const Context* ctx, double* out) {
  out[0] = static_cast<double>(ctx->visible);
  out[1] = static_cast<double>(ctx->pairs);
  out[2] = static_cast<double>(ctx->evaluated);
  out[3] = static_cast<double>(bytes_held(*ctx));
  for (int k = 0; k < 6; k++) out[4 + k] = ctx->milliseconds[k];
}

// out: loss, mean SSIM. All but image and target may be null; see LossJob.
SPLAT_EXPORT int splat_loss(const float* image, const float* target, const float* mask, const float* colour, int height,
                            int width, float lambda, float* gradient, float* v_colour, double* out) {
  return guarded([&] {
    photometric_loss({image, target, mask, colour, gradient, v_colour, height, width, lambda}, out);
  });
}

}  // extern "C"
