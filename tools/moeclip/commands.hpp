// SPDX-License-Identifier: MIT
#pragma once
// The commands, one cmd_*.cpp each, and what they share. A command gets the words after its name and returns an exit
// code. Results go to stdout (output.hpp), everything else to stderr (progress.hpp).

#include <moeclip/base/function_ref.hpp>

#include "options.hpp"
#include "output.hpp"
#include "progress.hpp"

namespace cli {

enum ExitCode {
  kOk = 0,
  kInputFailed = 1,  ///< at least one input could not be used; all others were
  kUsage = 2,        ///< the command line makes no sense; nothing was done
  kFailed = 3,       ///< the command could not do its work: weights, vocabulary, memory, or an output
};

/// A line of the table of commands.
struct Command {
  const char* name;
  const char* help;  ///< what it does, in a few words
  int (*run)(Words words);
  std::vector<std::string> verbs = {};  ///< one of which comes first, where a command has them
};

/// All commands, in the order in which `moeclip help` lists them.
[[nodiscard]] std::span<const Command> commands();

/// Throws UsageError, with the name that was probably meant, if there is none of this name.
[[nodiscard]] const Command& find_command(const std::string& name);

int run_ablate(Words words);
int run_calibrate(Words words);
int run_completion(Words words);
int run_convert(Words words);
int run_dataset(Words words);
int run_decode(Words words);
int run_demo(Words words);
int run_detect(Words words);
int run_doctor(Words words);
int run_eval(Words words);
int run_explain(Words words);
int run_export(Words words);
int run_help(Words words);
int run_inspect(Words words);
int run_learn(Words words);
int run_merge(Words words);
int run_pretrain(Words words);
int run_prompts(Words words);
int run_quantize(Words words);
int run_serve(Words words);
int run_synthesize(Words words);
int run_tokenize(Words words);
int run_trace(Words words);
int run_train(Words words);
int run_version(Words words);

/// Works on one input. If the input is to blame (the work throws moeclip::Error), says why and returns false.
[[nodiscard]] bool attempt(moeclip::function_ref<void()> work);

}  // namespace cli
