// SPDX-License-Identifier: MIT
// moeclip completion: a script that a shell sources, so that it completes commands, options, values and files.

#include "pages.hpp"

namespace cli {

int run_completion(Words words) {
  std::string shell;
  Options options("completion",
                  "Print a script with which a shell completes commands, options, their values and names of files.");
  options.positional("SHELL", shell, "bash, zsh or fish", {std::begin(kShells), std::end(kShells)});
  options.note("bash: source <(moeclip completion bash)");
  options.note("zsh: source <(moeclip completion zsh), behind compinit");
  options.note("fish: moeclip completion fish | source");
  options.note("Packages install these scripts where shells look for them.");
  if (!options.parse(words)) return kOk;
  print(completion_of(shell));
  return kOk;
}

}  // namespace cli
