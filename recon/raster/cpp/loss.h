// The photometric loss of one view.
#pragma once
#include "core.h"

namespace splat {

struct LossJob {
  const float *image, *target;  // [H, W, 3]
  const float* mask;            // [H, W] weights 0..1 of the pixels, may be null
  const float* colour;          // [3, 4] the frame's colours from those of the scene, may be null
  float* gradient;              // [H, W, 3] dL/d(image), may be null
  float* v_colour;              // [3, 4] dL/d(colour), may be null
  int64_t height, width;
  float lambda;  // loss = (1 - lambda) L1 + lambda (1 - SSIM), means over all pixels
};

// Loss and mean SSIM to out[0..1]. Throws std::bad_alloc.
void photometric_loss(const LossJob& job, double* out);

}  // namespace splat
