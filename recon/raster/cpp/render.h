// The stages of a rendering in order; see core.h for the data.
#pragma once
#include "core.h"

namespace splat {

// Renders; fills `ctx` for a later backward(). Throws std::bad_alloc, or std::length_error when the
// splats touch more than 2^31 tiles in all.
void forward(Context& ctx, float* image, float* alpha, float* depth);

// Gradients to `out`, or at once an Adam step (the other is null). `pose` [3, 4] is
// dL/d(camera_from_world), may be null.
void backward(Context& ctx, const Gradients& v, const ParameterGradients* out, const AdamStep* adam, float* pose);

// Memory that the context holds.
size_t bytes_held(const Context& ctx);

// Loss and mean SSIM to out[0..1]; the gradient where job.gradient is set.
void l1_ssim(const SsimJob& job, double* out);

}  // namespace splat
