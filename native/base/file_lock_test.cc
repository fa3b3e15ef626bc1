// One owner at a time, also across a fork; nothing stays.
#include "base/file_lock.h"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "test/test.h"

using namespace switchyard;

namespace {

std::string lock_path() { return "/tmp/switchyard-lock-" + std::to_string(getpid()); }

}  // namespace

TEST(a_file_lock_has_one_owner_and_leaves_no_file) {
  std::unique_ptr<FileLock> mine;
  std::unique_ptr<FileLock> other;
  REQUIRE(FileLock::try_lock(lock_path(), &mine).ok() && mine);
  CHECK(FileLock::try_lock(lock_path(), &other).ok() && !other);
  mine.reset();
  CHECK(access(lock_path().c_str(), F_OK) != 0);
  CHECK(FileLock::try_lock(lock_path(), &other).ok() && other);
}

TEST(a_file_lock_of_a_dead_process_is_free) {
  const std::string path = lock_path();
  const pid_t child = fork();
  if (child == 0) {
    std::unique_ptr<FileLock> lock;
    const bool is_mine = FileLock::try_lock(path, &lock).ok() && lock;
    _exit(is_mine ? 0 : 1);
  }
  int status = 1;
  REQUIRE(waitpid(child, &status, 0) == child && status == 0);
  std::unique_ptr<FileLock> lock;
  CHECK(FileLock::try_lock(path, &lock).ok() && lock);
}

TEST(a_file_lock_in_no_folder_is_an_error) {
  std::unique_ptr<FileLock> lock;
  CHECK(FileLock::try_lock("/nowhere/lock", &lock).code() == Code::kIo);
}

TEST(a_file_lock_excludes_threads_that_try_again_and_again) {
  std::atomic<int> num_owners = 0;
  std::atomic<int> num_taken = 0;
  const auto take_often = [&] {
    for (int i = 0; i < 2000; ++i) {
      std::unique_ptr<FileLock> lock;
      CHECK(FileLock::try_lock(lock_path(), &lock).ok());
      if (!lock) continue;
      CHECK(++num_owners == 1);
      ++num_taken;
      --num_owners;
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) threads.emplace_back(take_often);
  for (std::thread& thread : threads) thread.join();
  CHECK(num_taken > 0);
}
