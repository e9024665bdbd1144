// SPDX-License-Identifier: MIT
// moeclip serve: pictures come by HTTP, verdicts go back.

#include <moeclip/io/file.hpp>

#include "commands.hpp"
#include "serve.hpp"
#include "tiny_model.hpp"

namespace cli {
namespace {

using moeclip::concat;

struct ServeSettings {
  JudgeSettings model;
  ServerOptions server;
  std::string token_file;
  std::int64_t queue = 8, connections = 16, body_megabytes = 32, seconds = 30;
};

bool parse(Words words, ServeSettings& s) {
  Options options("serve",
                  "Judge pictures that come by HTTP: POST /detect with a picture as body gives JSON, or with "
                  "Accept: image/png the overlay. GET / is a page to drop pictures on, /verdicts the last of them, "
                  "/healthz says ok, /metrics is for Prometheus.");
  s.model.declare(options);
  options.value("listen", s.server.listen, "ADDRESS", "HOST:PORT or unix:PATH; port 0: the system chooses");
  options.value("token-file", s.token_file, "FILE",
                "requests need its content as Authorization: Bearer; a must beyond this machine");
  options.value("queue", s.queue, "N", "pictures that wait at most; more get 503 and Retry-After");
  options.value("connections", s.connections, "N", "at a time");
  options.value("body", s.body_megabytes, "MB", "largest picture file");
  options.value("timeout", s.seconds, "S", "for a request to arrive, and for a connection to say nothing");
  options.note(
      "SIGTERM ends it within a second: the picture at work is answered, if that takes no longer, and those that wait "
      "are told to come again (503).");
  if (!options.parse(words)) return false;
  s.model.check(options);
  if (s.queue < 1 || s.queue > 10000 || s.connections < 1 || s.connections > 10000 || s.body_megabytes < 1 ||
      s.body_megabytes > 1024 || s.seconds < 1 || s.seconds > 3600)
    throw UsageError("--queue, --connections, --body and --timeout are counts above 0");
  s.server.connections = static_cast<int>(s.connections);
  s.server.idle_seconds = s.server.request_seconds = static_cast<int>(s.seconds);
  s.server.limits.body = static_cast<std::size_t>(s.body_megabytes) << 20;
  return true;
}

/// The token in a file. Throws format for one that could be guessed.
std::string read_token(const std::string& path) {
  if (path.empty()) return {};
  const auto bytes = moeclip::read_file(path, 4096);
  std::string token(moeclip::as_text(bytes));
  while (!token.empty() && (token.back() == '\n' || token.back() == '\r' || token.back() == ' ')) token.pop_back();
  constexpr std::size_t kShortest = 16;
  if (token.size() < kShortest || token.find_first_of(" \t\r\n") != std::string::npos)
    moeclip::fail(moeclip::ErrorCode::format,
                  concat(path, ": a token is one word of at least ", kShortest, " characters"));
  return token;
}

}  // namespace

int run_serve(Words words) {
  ServeSettings s;
  if (!parse(words, s)) return kOk;
  const std::string token = read_token(s.token_file);
  StopSignal stop;
  Server server(s.server, stop);
  if (!server.is_local() && token.empty())
    throw UsageError(concat(s.server.listen, " can be reached by others: give --token-file"));
  if (s.model.is_toy()) say(kTinyKnows);
  moeclip::Context context({.threads = static_cast<int>(s.model.threads)});
  const Judge judge = make_judge(context, s.model, true);
  const DetectReport report{s.model.class_name, judge.threshold_source, "", true, false, judge.has_verdict()};
  PictureService service(
      context, judge, report,
      {.token = token, .is_local = server.is_local() && !server.is_path(), .queue = s.queue, .is_ending = [&stop] {
         return stop.is_wanted();
       }});
  say(concat("listening at ", server.address()));
  server.run([&](const HttpRequest& head) { return service.refusal(head); },
             [&](const HttpRequest& request) { return service.answer(request); });
  return kOk;
}

}  // namespace cli
