// SPDX-License-Identifier: MIT
#pragma once
// Processes of a group as threads of one: what is sent waits in a queue.

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <map>
#include <moeclip/base/error.hpp>
#include <moeclip/base/process_group.hpp>
#include <moeclip/base/text.hpp>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace thread_group {

using namespace moeclip;  // NOLINT

/// What is under way between the members of a group.
struct Mail {
  std::mutex mutex;
  std::condition_variable arrived;
  std::map<std::pair<int, int>, std::deque<std::vector<std::byte>>> queues;
  std::set<int> gone;  // members that have failed
};

class Member : public ProcessGroup {
 public:
  Member(Mail& mail, int rank, int size) : mail_(mail), rank_(rank), size_(size) {}
  [[nodiscard]] int rank() const override { return rank_; }
  [[nodiscard]] int size() const override { return size_; }

  void send(int to, std::span<const std::byte> bytes) override {
    const std::lock_guard lock(mail_.mutex);
    mail_.queues[{rank_, to}].emplace_back(bytes.begin(), bytes.end());
    mail_.arrived.notify_all();
  }
  void receive(int from, std::span<std::byte> bytes) override {
    std::unique_lock lock(mail_.mutex);
    auto& queue = mail_.queues[{from, rank_}];
    mail_.arrived.wait(lock, [&] { return !queue.empty() || mail_.gone.contains(from); });
    if (queue.empty()) fail(ErrorCode::io, concat("process ", from, " is gone"));
    if (queue.front().size() != bytes.size())
      fail(ErrorCode::mismatch, concat(queue.front().size(), " bytes came, ", bytes.size(), " were wanted"));
    std::copy(queue.front().begin(), queue.front().end(), bytes.begin());
    queue.pop_front();
  }
  void broadcast(int from, std::span<std::byte> bytes) override {
    if (rank_ != from) return receive(from, bytes);
    for (int to = 0; to < size_; ++to)
      if (to != from) send(to, bytes);
  }

 private:
  Mail& mail_;
  int rank_, size_;
};

/// Runs `work(group)` once for each of `size` members; what each threw, "" for nothing.
template <class Work>
std::vector<std::string> run(int size, Work&& work) {
  Mail mail;
  std::vector<std::string> errors(static_cast<std::size_t>(size));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank)
    threads.emplace_back([&, rank] {
      Member member(mail, rank, size);
      try {
        work(member);
      } catch (const std::exception& error) {
        errors[static_cast<std::size_t>(rank)] = error.what();
        const std::lock_guard lock(mail.mutex);
        mail.gone.insert(rank);
        mail.arrived.notify_all();
      }
    });
  for (std::thread& thread : threads) thread.join();
  return errors;
}

}  // namespace thread_group
