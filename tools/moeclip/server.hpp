// SPDX-License-Identifier: MIT
#pragma once
// A small HTTP server: a thread for each connection, limits on all that a client could make large or slow.

#include <moeclip/base/function_ref.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "http.hpp"
#include "stop.hpp"

namespace cli {

struct HttpAnswer {
  int status = 200;
  std::string type = "application/json", body;
  std::vector<std::pair<std::string, std::string>> headers = {};  ///< besides those about type, length, connection
};

struct ServerOptions {
  std::string listen = "127.0.0.1:8080";  ///< HOST:PORT or unix:PATH
  int connections = 16;                   ///< at a time; more are turned away
  int idle_seconds = 30;                  ///< that a connection may say nothing between requests
  int request_seconds = 30;               ///< in which a request has to arrive, and an answer to be taken
  HttpLimits limits = {};
};

/// Answers requests until the end is asked for.
class Server {
 public:
  /// Called on the threads of connections, several at a time. A HEAD gets the answer of the GET without its body.
  using Handler = moeclip::function_ref<HttpAnswer(const HttpRequest& request)>;
  /// Called when the body of a request is still to come, which it need not if there is an answer already.
  using Screen = moeclip::function_ref<std::optional<HttpAnswer>(const HttpRequest& head)>;

  /// Opens the socket. Throws io, or UsageError for an address that is none.
  Server(const ServerOptions& options, const StopSignal& stop);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Where it listens, with the port that the system chose for port 0.
  [[nodiscard]] const std::string& address() const { return address_; }
  /// Whether nobody but this machine can reach it.
  [[nodiscard]] bool is_local() const { return is_local_; }
  /// Whether it listens at a path.
  [[nodiscard]] bool is_path() const { return !path_.empty(); }

  void run(Screen screen, Handler handler);

 private:
  struct Client;

  void open_path(const std::string& path);
  void open_port(const std::string& host, const std::string& port);
  void serve(int connection, Screen screen, Handler handler) const;
  bool answer(int connection, const HttpAnswer& answer, bool keeps_alive, bool has_body = true) const;
  void turn_away(int connection, const HttpAnswer& answer, bool has_body = true) const;
  bool send(int connection, std::string_view bytes) const;

  ServerOptions options_;
  const StopSignal& stop_;
  int socket_ = -1;
  std::string address_, path_;
  bool is_local_ = false;
};

}  // namespace cli
