// Chooses the kernels for this processor at run time, so that one build serves every machine.
#include <cstring>

#include "core.h"

namespace splat {

#define SPLAT_DECLARE(isa)                                                       \
  namespace isa {                                                                \
  extern const decltype(Kernels::project) project_kernel;                        \
  extern const decltype(Kernels::blend) blend_kernel;                            \
  extern const decltype(Kernels::blend_backward) blend_backward_kernel;          \
  extern const decltype(Kernels::project_backward) project_backward_kernel;      \
  extern const decltype(Kernels::ssim_strip) ssim_kernel;                        \
  }
#define SPLAT_TABLE(isa, lanes)                                                                   \
  Kernels {                                                                                       \
    #isa, lanes, isa::project_kernel, isa::blend_kernel,                       \
        isa::blend_backward_kernel, isa::project_backward_kernel, isa::ssim_kernel                \
  }

SPLAT_DECLARE(baseline)
#if defined(SPLAT_X86_DISPATCH)
SPLAT_DECLARE(avx2)
SPLAT_DECLARE(avx512)
#endif

namespace {

bool runs_here(const char* name) {
  if (!strcmp(name, "baseline")) return true;
#if defined(SPLAT_X86_DISPATCH)
  __builtin_cpu_init();
  if (!strcmp(name, "avx2")) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (!strcmp(name, "avx512"))
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
#endif
  return false;
}

Kernels table(const char* name) {
#if defined(SPLAT_X86_DISPATCH)
  if (!strcmp(name, "avx512")) return SPLAT_TABLE(avx512, 16);
  if (!strcmp(name, "avx2")) return SPLAT_TABLE(avx2, 8);
#endif
  return SPLAT_TABLE(baseline, 8);
}

Kernels& selected() {
  static Kernels chosen = table(runs_here("avx512") ? "avx512" : runs_here("avx2") ? "avx2" : "baseline");
  return chosen;
}

}  // namespace

const Kernels& kernels() { return selected(); }

bool select_kernels(const char* name) {
  if (!runs_here(name)) return false;
  selected() = table(name);
  return true;
}

}  // namespace splat
