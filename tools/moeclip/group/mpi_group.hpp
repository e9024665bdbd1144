// SPDX-License-Identifier: MIT
#pragma once
// A group of processes over MPI, for programs of one's own as well: it wants nothing but <mpi.h>, and nothing of the
// library wants it. All calls come from one thread.

#if !defined(OMPI_SKIP_MPICXX)
#define OMPI_SKIP_MPICXX 1  // the C++ interface of MPI 2, which nobody uses
#endif
#if !defined(MPICH_SKIP_MPICXX)
#define MPICH_SKIP_MPICXX 1
#endif
#include <mpi.h>

#include <chrono>
#include <moeclip/base/error.hpp>
#include <moeclip/base/process_group.hpp>
#include <moeclip/base/text.hpp>
#include <string>
#include <thread>

namespace cli {

class MpiGroup : public moeclip::ProcessGroup {
 public:
  /// The processes of `world`, after MPI_Init_thread. Errors of MPI become moeclip::Error.
  explicit MpiGroup(MPI_Comm world = MPI_COMM_WORLD) {
    check(MPI_Comm_dup(world, &all_));  // messages of others do not meet ours
    check(MPI_Comm_set_errhandler(all_, MPI_ERRORS_RETURN));
    check(MPI_Comm_rank(all_, &rank_));
    check(MPI_Comm_size(all_, &size_));
  }
  ~MpiGroup() override { MPI_Comm_free(&all_); }

  [[nodiscard]] int rank() const override { return rank_; }
  [[nodiscard]] int size() const override { return size_; }

  void send(int to, std::span<const std::byte> bytes) override {
    in_pieces(bytes.size(), [&](std::size_t at, int count, MPI_Request* request) {
      return MPI_Isend(bytes.data() + at, count, MPI_BYTE, to, kTag, all_, request);
    });
  }
  void receive(int from, std::span<std::byte> bytes) override {
    in_pieces(bytes.size(), [&](std::size_t at, int count, MPI_Request* request) {
      return MPI_Irecv(bytes.data() + at, count, MPI_BYTE, from, kTag, all_, request);
    });
  }
  void broadcast(int from, std::span<std::byte> bytes) override {
    in_pieces(bytes.size(), [&](std::size_t at, int count, MPI_Request* request) {
      return MPI_Ibcast(bytes.data() + at, count, MPI_BYTE, from, all_, request);
    });
  }

 private:
  static constexpr int kTag = 0;
  static constexpr std::size_t kPiece = std::size_t{1} << 30;  // MPI counts in int

  static void check(int code) {
    if (code == MPI_SUCCESS) return;
    char text[MPI_MAX_ERROR_STRING] = "";
    int length = 0;
    MPI_Error_string(code, text, &length);
    moeclip::fail(moeclip::ErrorCode::io,
                  moeclip::concat("MPI: ", std::string_view(text, static_cast<std::size_t>(length)),
                                  "; another process may be gone"));
  }

  template <class Start>
  static void in_pieces(std::size_t size, const Start& start) {
    for (std::size_t at = 0; at < size; at += kPiece) {
      MPI_Request request = MPI_REQUEST_NULL;
      check(start(at, static_cast<int>(std::min(kPiece, size - at)), &request));
      wait(request);
    }
  }

  /// Asks again and again, soon less often: a process that waits for another one leaves it the processor.
  static void wait(MPI_Request& request) {
    constexpr int kEager = 2000;  // times: some hundred microseconds
    constexpr std::chrono::microseconds kNap{50};
    for (int tries = 0;; ++tries) {
      int is_done = 0;
      check(MPI_Test(&request, &is_done, MPI_STATUS_IGNORE));
      if (is_done != 0) return;
      if (tries > kEager) std::this_thread::sleep_for(kNap);
    }
  }

  MPI_Comm all_ = MPI_COMM_NULL;
  int rank_ = 0, size_ = 1;
};

}  // namespace cli
