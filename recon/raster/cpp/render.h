// The stages of a rendering in order; see core.h for the data.
#pragma once
#include "core.h"

namespace splat {

// Renders; fills `ctx` for a later backward(). Throws std::bad_alloc, or std::length_error when the
// splats touch more than 2^31 tiles in all.
void forward(Context& ctx, float* image, float* alpha, float* depth);

// Gradients to `out`, or at once an Adam step (the other is null). `camera` [16] is
// dL/d(camera_from_world) [3, 4], then dL/d(fx, fy, cx, cy); may be null.
void backward(Context& ctx, const Gradients& v, const ParameterGradients* out, const AdamStep* adam, float* camera);

// Memory that the context holds.
size_t bytes_held(const Context& ctx);

}  // namespace splat
