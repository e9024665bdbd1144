// SPDX-License-Identifier: MIT
// moeclip, the command line tool: finds the command, runs it, and turns what went wrong into a message and an exit
// code.

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <moeclip/base/error.hpp>
#include <moeclip/base/text.hpp>
#include <new>
#include <span>
#include <string>
#include <vector>

#include "../program_words.hpp"
#include "commands.hpp"
#include "group.hpp"

#if !defined(_WIN32)
#include <unistd.h>
#endif

namespace cli {

using moeclip::concat;

namespace {

constexpr const char* kDatasetVerbs[] = {"scan", "check"};

// Made before anything runs, so that want of memory is met by what says so.
constexpr Command kCommands[] = {
    {"detect", "look for defects in pictures", run_detect},
    {"serve", "judge pictures that come by HTTP", run_serve},
    {"explain", "say and draw why the model says so", run_explain},
    {"export", "put CLIP, adapter, words and good pictures into one file, for `detect --model`", run_export},
    {"learn", "remember good pictures of a part, for `detect --good`", run_learn},
    {"demo", "show the method on pictures that it draws, with a model that comes with it", run_demo},
    {"eval", "judge data sets and print the metrics of every class", run_eval},
    {"merge", "put the shards of an evaluation together", run_merge},
    {"calibrate", "find the threshold that gives as few false alarms as you like", run_calibrate},
    {"quantize", "round a CLIP to bf16 or int8, if its maps and scores stay", run_quantize},
    {"train", "train an adapter on pictures with labels and masks", run_train},
    {"dataset", "list what is in a folder of pictures, and check that it is whole", run_dataset, kDatasetVerbs},
    {"prompts", "show the sentences about a class, their tokens and anchors", run_prompts},
    {"convert", "turn an adapter into the official .pth or back", run_convert},
    {"inspect", "say what a weight, tokenizer or image file holds", run_inspect},
    {"decode", "write the pixels of an image as the model would see them", run_decode},
    {"pretrain", "train a tiny CLIP from nothing on synthetic pictures", run_pretrain},
    {"ablate", "train variants of the method and say which parts carry it", run_ablate},
    {"synthesize", "draw a data set of good and defective parts with exact masks", run_synthesize},
    {"tokenize", "print the token ids of texts", run_tokenize},
    {"trace", "write every intermediate of the model on recorded inputs", run_trace},
    {"doctor", "say what this machine and this installation can do", run_doctor},
    {"completion", "print what completes command lines in bash, zsh or fish", run_completion},
    {"help", "explain a command, or write man pages", run_help},
    {"version", "print the version", run_version},
};

bool is_command(const std::string& name) {
  return std::ranges::any_of(kCommands, [&](const Command& command) { return name == command.name; });
}

int run_command(const std::string& name, Words words) {
  if (name == "--help" || name == "-h") return run_help({});
  return find_command(name == "--version" ? "version" : name).run(words);
}

#if !defined(_WIN32)

/// Says why, and ends the process, in what a handler of signals may do.
template <std::size_t size>
[[noreturn]] void end_in_handler(const char (&message)[size]) {
  clear_at_once();
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, message, size - 1);
  ::_exit(kFailed);
}

/// Of commands that have nothing to keep; others take these signals themselves.
extern "C" void end_on_request(int) { end_in_handler("moeclip: stopped by a signal; nothing is half-written\n"); }

/// A file that is mapped has become shorter, and what was to be read of it is nowhere: no error can be thrown from
/// here.
extern "C" void end_on_lost_file(int) {
  end_in_handler("moeclip: a file became shorter while it was read; put it back whole and start again\n");
}

void take_signals() {
  std::signal(SIGPIPE, SIG_IGN);  // a reader that stops shall not end a command that writes files, too, in between
  std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow any more is an output that cannot be written
  std::signal(SIGBUS, end_on_lost_file);
  std::signal(SIGINT, end_on_request);
  std::signal(SIGTERM, end_on_request);
  if (std::signal(SIGHUP, end_on_request) == SIG_IGN) std::signal(SIGHUP, SIG_IGN);  // as nohup wants it
}

#else

void take_signals() {}

#endif

/// Runs the command and makes sure that what it printed has arrived. Throws std::bad_alloc.
int run_or_explain(int argc, char** argv) {
  std::string name;
  try {
    const std::vector<std::string> all = words_of_program(argc, argv);
    const Words words = all;
    if (!all.empty()) name = all[0];
    if (words.empty()) throw UsageError("a command is missing");
    const int code = run_command(name, words.subspan(1));
    finish_output();
    leave_group();
    return code;
  } catch (const UsageError& error) {
    const bool is_known = is_command(name);
    say(is_known ? concat(name, ": ", error.what()) : error.what());
    say(is_known ? concat("`moeclip ", name, " --help` explains it") : "`moeclip help` lists the commands");
    return kUsage;
  } catch (const ClosedOutput&) {
    return kFailed;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    say(error.what());
    return kFailed;
  }
}

/// The same; where memory is short it is said without taking any.
int run_or_fail(int argc, char** argv) {
  try {
    return run_or_explain(argc, argv);
  } catch (const std::bad_alloc&) {
    clear_at_once();
    std::fputs("moeclip: out of memory\n", stderr);
    return kFailed;
  }
}

int run(int argc, char** argv) {
  const int code = run_or_fail(argc, argv);
  if (code != kOk) abandon_group(code);  // nothing, if it was left
  return code;
}

}  // namespace

std::span<const Command> commands() { return kCommands; }

const Command& find_command(const std::string& name) {
  std::vector<std::string> names;
  for (const Command& command : kCommands) {
    if (name == command.name) return command;
    names.emplace_back(command.name);
  }
  const std::size_t letters = std::min(name.find_first_not_of('-'), name.size());
  const std::string meant = nearest(name.substr(letters), names);
  throw UsageError(
      concat("there is no command '", name, "'", meant.empty() ? "" : concat("; did you mean '", meant, "'?")));
}

bool attempt(moeclip::function_ref<void()> work) {
  try {
    work();
    return true;
  } catch (const moeclip::Error& error) {
    say(error.what());
    return false;
  }
}

}  // namespace cli

int main(int argc, char** argv) {
  cli::take_signals();
  return cli::run(argc, argv);
}
