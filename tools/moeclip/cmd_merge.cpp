// SPDX-License-Identifier: MIT
// moeclip merge: the states of all shards of an evaluation in, its table out, as if one process had judged everything.

#include <chrono>

#include "commands.hpp"
#include "eval_report.hpp"

namespace cli {

using moeclip::concat;

namespace {

/// Files as they are; of a folder, the shards in it.
std::vector<std::string> states_of(const std::vector<std::string>& arguments) {
  std::vector<std::string> states;
  for (const std::string& argument : arguments) {
    if (!moeclip::is_directory(argument)) {
      states.push_back(argument);
      continue;
    }
    const std::size_t before = states.size();
    for (const std::string& path : moeclip::list_files(argument)) {
      const std::string name = moeclip::file_name(path);
      if (name.starts_with("shard-") && name.ends_with(".safetensors")) states.push_back(path);
    }
    if (states.size() == before)
      moeclip::fail(moeclip::ErrorCode::missing, concat(argument, ": there are no shards in this folder"));
  }
  return states;
}

}  // namespace

int run_merge(Words words) {
  std::vector<std::string> arguments;
  std::string out;
  EvalReportSettings report;
  double threshold = 0.5;
  bool is_json = false, is_forced = false;
  Options options("merge",
                  "Put the shards of an evaluation together (`moeclip eval --shard I/N`): the same table and files, to "
                  "the byte, as one process would have given.");
  options.positionals("STATE|DIR", arguments, 1, "states of all shards, or the folder that they are in");
  options.value("out", out, "DIR", "write results.json, pictures.jsonl and the whole state there");
  options.value("threshold", threshold, "T", "picture score from which verdicts are counted as defective");
  options.value("report", report.path, "FILE.html", "write a report with curves, all in one file");
  options.value("ablation", report.ablation, "FILE", "in the report: what `moeclip ablate --json` printed");
  options.flag("json", is_json, "one JSON object");
  options.flag("force", is_forced, "replace files in DIR");
  if (!options.parse(words)) return kOk;
  if (!(threshold >= 0 && threshold <= 1)) throw UsageError("--threshold lies between 0 and 1");
  report.finish(is_forced);
  if (!out.empty())
    for (const std::string& name : {state_name({}), std::string(kPicturesFile), std::string(kResultsFile)})
      expect_free_name(moeclip::join_path(out, name), is_forced);
  if (!out.empty()) prepare_folder(out);
  const auto begin = std::chrono::steady_clock::now();
  moeclip::EvaluationRun run = moeclip::merge_shards(states_of(arguments));
  if (run.isa.find('+') != std::string::npos)
    inform(concat("the shards ran with ", run.isa, " instructions: last bits may differ from a run of one kind"));
  const moeclip::RunResults results = moeclip::results_of(run);
  FinishedEval finished{nullptr, nullptr, nullptr, run, results, static_cast<float>(threshold)};
  finished.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  publish_evaluation(finished, {out, report, words, is_json});
  return run.failures() == 0 ? kOk : kInputFailed;
}

}  // namespace cli
