#include "pool.h"

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace splat {
namespace {

class Pool {
 public:
  explicit Pool(int count) : count_(count) {
    for (int t = 1; t < count; t++) workers_.emplace_back([this, t] { work(t); });
  }
  ~Pool() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      stop_ = true;
    }
    wake_.notify_all();
    for (auto& worker : workers_) worker.join();
  }
  int count() const { return count_; }

  void run(int64_t count, Task task, void* data) {
    std::lock_guard<std::mutex> one_caller(callers_);
    next_.store(0, std::memory_order_relaxed);
    task_ = task, data_ = data, tasks_ = count;
    if (count_ == 1 || count == 1) return drain(0);
    {
      std::lock_guard<std::mutex> lock(mutex_);
      busy_ = count_ - 1;
      generation_++;
    }
    wake_.notify_all();
    drain(0);
    std::unique_lock<std::mutex> lock(mutex_);
    done_.wait(lock, [&] { return busy_ == 0; });
  }

 private:
  void drain(int thread) {
    for (int64_t i; (i = next_.fetch_add(1, std::memory_order_relaxed)) < tasks_;) task_(data_, i, thread);
  }
  void work(int thread) {
    uint64_t seen = 0;
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      wake_.wait(lock, [&] { return stop_ || generation_ != seen; });
      if (stop_) return;
      seen = generation_;
      lock.unlock();
      drain(thread);
      lock.lock();
      if (--busy_ == 0) done_.notify_one();
    }
  }

  const int count_;
  std::vector<std::thread> workers_;
  std::mutex mutex_, callers_;
  std::condition_variable wake_, done_;
  std::atomic<int64_t> next_{0};
  Task task_ = nullptr;
  void* data_ = nullptr;
  int64_t tasks_ = 0;
  uint64_t generation_ = 0;
  int busy_ = 0;
  bool stop_ = false;
};

std::mutex pool_mutex;
std::unique_ptr<Pool> the_pool;

Pool& pool() {
  std::lock_guard<std::mutex> lock(pool_mutex);
  if (!the_pool) {
    const unsigned cores = std::thread::hardware_concurrency();
    the_pool = std::make_unique<Pool>(cores ? static_cast<int>(cores) : 1);
  }
  return *the_pool;
}

}  // namespace

void run_tasks(int64_t count, Task task, void* data) {
  if (count > 0) pool().run(count, task, data);
}

int threads() { return pool().count(); }

void set_threads(int count) {
  std::lock_guard<std::mutex> lock(pool_mutex);
  if (count <= 0) {
    const unsigned cores = std::thread::hardware_concurrency();
    count = cores ? static_cast<int>(cores) : 1;
  }
  if (!the_pool || the_pool->count() != count) the_pool = std::make_unique<Pool>(count);
}

}  // namespace splat
