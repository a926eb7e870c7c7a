// A small thread pool. Work is split into tasks whose results do not depend on which thread runs
// them, so that every result is the same for any number of threads.
#pragma once
#include <cstdint>

namespace splat {

using Task = void (*)(void* data, int64_t index, int thread);

// Runs task(data, 0 .. count-1, thread); tasks are handed out in order, the call waits for all.
void run_tasks(int64_t count, Task task, void* data);

// Threads in use (at least 1); set_threads(0) means one per core.
int threads();
void set_threads(int count);

// Calls f(index, thread) for every index in [0, count).
template <class F>
void parallel(int64_t count, F f) {
  run_tasks(
      count, [](void* data, int64_t index, int thread) { (*static_cast<F*>(data))(index, thread); }, &f);
}

// Calls f(begin, end, block, thread) for blocks of `size` items.
template <class F>
void parallel_blocks(int64_t items, int64_t size, F f) {
  parallel((items + size - 1) / size, [&](int64_t block, int thread) {
    const int64_t begin = block * size, end = begin + size < items ? begin + size : items;
    f(begin, end, block, thread);
  });
}

}  // namespace splat
