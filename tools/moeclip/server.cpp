// SPDX-License-Identifier: MIT
#include "server.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <ctime>
#include <list>
#include <moeclip/base/error.hpp>
#include <moeclip/base/read_number.hpp>
#include <moeclip/io/file.hpp>
#include <system_error>
#include <thread>

#include "commands.hpp"

#if !defined(_WIN32)
#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#endif

namespace cli {

using moeclip::concat;

#if defined(_WIN32)

Server::Server(const ServerOptions& options, const StopSignal& stop) : options_(options), stop_(stop) {
  moeclip::fail(moeclip::ErrorCode::unsupported, "`moeclip serve` is not there on Windows");
}
Server::~Server() = default;
void Server::run(Screen, Handler) {}

#else

namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void fail_socket(const std::string& address, const char* what) {
  const std::string reason = std::error_code(errno, std::generic_category()).message();
  moeclip::fail(moeclip::ErrorCode::io, concat(address, ": cannot be ", what, ": ", reason));
}

int milliseconds_until(Clock::time_point end) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, 1'000'000));
}

bool is_loopback(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    sockaddr_in in;
    std::memcpy(&in, address, sizeof(in));
    return (ntohl(in.sin_addr.s_addr) >> 24) == 127;
  }
  if (address->sa_family != AF_INET6) return false;
  sockaddr_in6 in;
  std::memcpy(&in, address, sizeof(in));
  return IN6_IS_ADDR_LOOPBACK(&in.sin6_addr) != 0;
}

/// "Sun, 29 Nov 2026 15:22:47 GMT"
std::string http_date() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  char text[40];
  return std::string(text, std::strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &utc));
}

}  // namespace

/// A connection and its thread.
struct Server::Client {
  bool is_served = true;  // false: it is turned away
  std::atomic<bool> is_over{false};
  std::thread thread;
};

Server::Server(const ServerOptions& options, const StopSignal& stop) : options_(options), stop_(stop) {
  if (options.listen.starts_with("unix:")) {
    open_path(options.listen.substr(5));
    return;
  }
  const std::size_t colon = options.listen.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == options.listen.size())
    throw UsageError(concat("--listen wants HOST:PORT or unix:PATH, not '", options.listen, "'"));
  std::string host = options.listen.substr(0, colon);
  if (host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  const std::string port = options.listen.substr(colon + 1);
  std::uint16_t number = 0;
  const auto [end, error] = moeclip::read_number(port.data(), port.data() + port.size(), number);
  if (error != std::errc{} || end != port.data() + port.size())
    throw UsageError(concat("--listen wants a port from 0 to 65535, not '", port, "'"));
  open_port(host, port);
}

void Server::open_path(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path))
    throw UsageError(
        concat("--listen unix:PATH wants a path of at most ", moeclip::counted(sizeof(address.sun_path) - 1, "byte")));
  std::memcpy(address.sun_path, path.data(), path.size());
  const auto* const place = reinterpret_cast<const sockaddr*>(&address);
  socket_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct stat status {};
  const bool is_socket = socket_ >= 0 && ::stat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode);
  const bool is_in_use = is_socket && ::connect(socket_, place, sizeof(address)) == 0;
  if (is_in_use) errno = EADDRINUSE;
  if (is_socket && !is_in_use) ::unlink(path.c_str());  // nobody listens any more
  const mode_t others = ::umask(0077);                  // the socket is for this user, until he says otherwise
  const bool is_open = socket_ >= 0 && !is_in_use && ::bind(socket_, place, sizeof(address)) == 0;
  ::umask(others);
  if (!is_open || ::listen(socket_, SOMAXCONN) != 0) fail_socket(path, "listened at");
  path_ = path;
  address_ = "unix:" + path;
  is_local_ = true;
}

void Server::open_port(const std::string& host, const std::string& port) {
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  if (const int error = ::getaddrinfo(host.c_str(), port.c_str(), &wanted, &found); error != 0)
    moeclip::fail(moeclip::ErrorCode::io, concat(options_.listen, ": is no address: ", ::gai_strerror(error)));
  bool is_open = false;
  for (const addrinfo* place = found; place != nullptr && !is_open; place = place->ai_next) {
    if (socket_ >= 0) ::close(socket_);
    socket_ = ::socket(place->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    ::setsockopt(socket_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    is_local_ = is_loopback(place->ai_addr);
    is_open =
        socket_ >= 0 && ::bind(socket_, place->ai_addr, place->ai_addrlen) == 0 && ::listen(socket_, SOMAXCONN) == 0;
  }
  const int error_of_last = errno;
  ::freeaddrinfo(found);
  errno = error_of_last;
  if (!is_open) fail_socket(options_.listen, "listened at");
  sockaddr_storage own{};
  socklen_t size = sizeof(own);
  ::getsockname(socket_, reinterpret_cast<sockaddr*>(&own), &size);
  char name[NI_MAXHOST], number[NI_MAXSERV];
  ::getnameinfo(reinterpret_cast<const sockaddr*>(&own), size, name, sizeof(name), number, sizeof(number),
                NI_NUMERICHOST | NI_NUMERICSERV);
  address_ = own.ss_family == AF_INET6 ? concat("http://[", name, "]:", number) : concat("http://", name, ":", number);
}

Server::~Server() {
  if (socket_ >= 0) ::close(socket_);
  if (!path_.empty()) ::unlink(path_.c_str());
}

bool Server::send(int connection, std::string_view bytes) const {
  const auto end = Clock::now() + std::chrono::seconds(options_.request_seconds);
  while (!bytes.empty()) {
    const ssize_t count = ::send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count > 0) bytes.remove_prefix(static_cast<std::size_t>(count));
    if (count >= 0 || errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return false;
    pollfd place{connection, POLLOUT, 0};
    if (Clock::now() >= end || ::poll(&place, 1, milliseconds_until(end)) == 0) return false;  // a slow client
  }
  return true;
}

bool Server::answer(int connection, const HttpAnswer& answer, bool keeps_alive, bool has_body) const {
  std::string head = concat("HTTP/1.1 ", answer.status, " ", http_reason(answer.status), "\r\nDate: ", http_date(),
                            "\r\nContent-Type: ", answer.type, "\r\nContent-Length: ", answer.body.size(),
                            "\r\nX-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n");
  for (const auto& [name, value] : answer.headers) head += concat(name, ": ", value, "\r\n");
  head += keeps_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";  // HTTP/1.0 wants to know
  return send(connection, has_body ? head + answer.body : head) && keeps_alive;
}

/// Answers what is not looked at, and ends the connection. What is still coming is read for a while: if it were not,
/// the system would reset the connection, and the answer be lost.
void Server::turn_away(int connection, const HttpAnswer& refusal, bool has_body) const {
  constexpr int kSilence = 1000;  // milliseconds
  answer(connection, refusal, false, has_body);
  ::shutdown(connection, SHUT_WR);
  const auto end = Clock::now() + std::chrono::seconds(std::min(options_.request_seconds, 5));
  std::vector<char> rest(1 << 16);
  while (stop_.wait(connection, std::min(kSilence, milliseconds_until(end))) &&
         ::recv(connection, rest.data(), rest.size(), 0) > 0) {
  }
}

void Server::serve(int connection, Screen screen, Handler handler) const {
  HttpParser parser(options_.limits);
  HttpRequest request;
  const auto refuse = [&](int status, const std::string& reason) {
    turn_away(connection, {status, "text/plain; charset=utf-8", reason + "\n"});
  };
  std::vector<char> piece(1 << 16);
  while (!stop_.is_wanted()) {
    auto end = Clock::now() + std::chrono::seconds(options_.idle_seconds);
    bool is_idle = true;
    while (!parser.next(request)) {
      if (parser.failure() != 0) return refuse(parser.failure(), parser.reason());
      if (const HttpRequest* const head = parser.take_head())
        if (const auto refusal = screen(*head)) return turn_away(connection, *refusal, head->method != "HEAD");
      if (parser.takes_continue() && !send(connection, "HTTP/1.1 100 Continue\r\n\r\n")) return;
      if (is_idle && !parser.is_idle()) {
        is_idle = false;
        end = Clock::now() + std::chrono::seconds(options_.request_seconds);
      }
      if (!stop_.wait(connection, milliseconds_until(end))) {
        if (stop_.is_wanted()) return;
        if (Clock::now() < end) continue;  // a signal
        return is_idle ? void() : refuse(408, "the request took too long");
      }
      const ssize_t count = ::recv(connection, piece.data(), piece.size(), 0);
      if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) return;
      if (count > 0) parser.feed({piece.data(), static_cast<std::size_t>(count)});
    }
    const HttpAnswer reply = handler(request);
    const bool keeps_alive = request.keeps_alive && !stop_.is_wanted();
    if (!answer(connection, reply, keeps_alive, request.method != "HEAD")) return;
  }
}

void Server::run(Screen screen, Handler handler) {
  constexpr std::ptrdiff_t kTurnedAway = 16;  // connections beyond those that are served, which get an answer
  std::list<Client> clients;
  while (!stop_.is_wanted()) {
    if (!stop_.wait(socket_, -1)) continue;
    const int connection = ::accept(socket_, nullptr, nullptr);
    if (connection < 0) {
      if (errno == EMFILE || errno == ENFILE) stop_.wait(-1, 100);  // until some are closed
      continue;
    }
    std::erase_if(clients, [](Client& client) {
      const bool is_over = client.is_over;
      if (is_over) client.thread.join();
      return is_over;
    });
    ::fcntl(connection, F_SETFL, O_NONBLOCK);
    ::fcntl(connection, F_SETFD, FD_CLOEXEC);
    const int on = 1;
    if (path_.empty()) ::setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    const HttpAnswer busy{503, "text/plain; charset=utf-8", "too many connections\n", {{"Retry-After", "1"}}};
    const auto served = std::ranges::count_if(clients, [](const Client& client) { return client.is_served; });
    const bool is_served = served < options_.connections;
    if (!is_served && std::ssize(clients) - served >= kTurnedAway) {
      answer(connection, busy, false);
      ::close(connection);
      continue;
    }
    Client& client = clients.emplace_back();
    client.is_served = is_served;
    const auto talk = [this, connection, screen, handler, busy, &client] {
      try {
        client.is_served ? serve(connection, screen, handler) : turn_away(connection, busy);
      } catch (const std::bad_alloc&) {  // the others go on
      }
      ::close(connection);
      client.is_over = true;
    };
    try {
      client.thread = std::thread(talk);
    } catch (const std::system_error&) {  // the system has no more threads
      clients.pop_back();
      answer(connection, busy, false);
      ::close(connection);
    }
  }
  for (Client& client : clients) client.thread.join();
}

#endif

}  // namespace cli
