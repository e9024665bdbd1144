// SPDX-License-Identifier: MIT
#include "ablation_report.hpp"

#include <algorithm>
#include <cmath>
#include <moeclip/report/report.hpp>

#include "commands.hpp"
#include "picture_report.hpp"

namespace cli {

using moeclip::concat;
using moeclip::fixed;
using moeclip::index_t;
using moeclip::Interval;
using moeclip::Json;

namespace {

std::string points(double share, int decimals = 1) {
  return std::isfinite(share) ? fixed(100 * share, decimals) : std::string("-");
}

std::string signed_points(double share) { return concat(share >= 0 ? "+" : "", points(share)); }

/// "54.0 +-2.8"; without a deviation if there is none.
std::string spread_text(double mean, double deviation) {
  return std::isfinite(deviation) ? concat(points(mean), " +-", points(deviation)) : points(mean);
}

/// "[-0.3, 0.8]"; "-" if there is no interval.
std::string range_text(const Interval& interval) {
  if (!std::isfinite(interval.low) || !std::isfinite(interval.high)) return "-";
  return concat("[", points(interval.low), ", ", points(interval.high), "]");
}

/// "+0.3 [-0.3, 0.8]", with a star if both intervals leave 0 out.
std::string gain_text(const VariantMetric& metric) {
  if (!std::isfinite(metric.gain.middle)) return "-";
  return concat(signed_points(metric.gain.middle), " ", range_text(metric.gain), metric.is_shown() ? "*" : "");
}

/// A table whose rows have one name each.
std::string plain_text(const moeclip::ReportTable& table) {
  std::string text = concat("\n", table.title, ". ", table.note, "\n");
  const auto add = [&](const std::vector<std::string>& row) {
    text += ablation_line(row[0], {row.begin() + 1, row.end()});
  };
  add(table.head);
  for (const auto& row : table.rows) add(row);
  return text;
}

std::string count_text(double count) { return concat(static_cast<std::int64_t>(std::llround(count))); }

std::string needed_text(const std::optional<index_t>& seeds) {
  return !seeds ? "-" : *seeds == 0 ? "none is enough" : concat(*seeds);
}

/// Rows of the analysis of power: what this experiment shows, and what would show the wanted difference.
moeclip::ReportTable power_table(const AblationComparison& comparison) {
  moeclip::ReportTable table{
      "Power",
      concat("Differences in points with a probability of 80 % to be shown at 95 %; seeds for ",
             points(comparison.options.difference, 2), " points."),
      {"against the baseline", "metric", "shown now", "seeds", "seeds, 4 x pictures", "seeds, 4 x categories", "hours"},
      {}};
  constexpr double kMore = 4, kHour = 3600;
  for (std::size_t v = 0; v < comparison.variants.size(); ++v) {
    const VariantResult& variant = comparison.variants[v];
    for (std::size_t m = 0; m < kMetricCount; ++m) {
      if (!variant.metrics[m].components) continue;
      const auto seeds = seeds_for_difference(comparison, v, m, 1, 1);
      const std::string hours =
          seeds.value_or(0) == 0 ? "-" : fixed(2 * variant.seconds * static_cast<double>(*seeds) / kHour, 2);
      table.rows.push_back({variant.name, kMetricTitles[m], points(shown_difference(comparison, v, m), 2),
                            needed_text(seeds), needed_text(seeds_for_difference(comparison, v, m, kMore, 1)),
                            needed_text(seeds_for_difference(comparison, v, m, 1, static_cast<index_t>(kMore))),
                            hours});
    }
  }
  return table;
}

/// Standard deviations of a difference in one cell, by where they come from.
moeclip::ReportTable components_table(const AblationComparison& comparison) {
  moeclip::ReportTable table{
      "Variance components",
      "Standard deviations, in points, of the difference in one cell: one seed, one category, its pictures.",
      {"against the baseline", "metric", "seed", "category", "pictures", "seed x category"},
      {}};
  for (const VariantResult& variant : comparison.variants)
    for (std::size_t m = 0; m < kMetricCount; ++m)
      if (const auto& found = variant.metrics[m].components)
        table.rows.push_back({variant.name, kMetricTitles[m], points(std::sqrt(found->seed), 2),
                              points(std::sqrt(found->category), 2), points(std::sqrt(found->picture), 2),
                              points(std::sqrt(found->residual), 2)});
  return table;
}

std::string table_text(const moeclip::ReportTable& table) {
  std::string text = concat("\n", table.title, ". ", table.note, "\n");
  const auto line = [](const std::vector<std::string>& cells) {
    return ablation_line(concat(cells[0], ", ", cells[1]), {cells.begin() + 2, cells.end()});
  };
  text += line(table.head);
  for (const auto& row : table.rows) text += line(row);
  return text;
}

/// The analysis of power, or why there is none.
std::string power_text(const AblationComparison& comparison) {
  const moeclip::ReportTable power = power_table(comparison);
  if (power.rows.empty())
    return "\nPower. It cannot be told: that takes two variants, and of each two seeds, on two categories or more.\n";
  return table_text(components_table(comparison)) + table_text(power);
}

Json interval_json(const Interval& interval) { return Json::array().push_back(interval.low).push_back(interval.high); }

Json metric_json(const AblationComparison& comparison, std::size_t v, std::size_t m) {
  const VariantMetric& metric = comparison.variants[v].metrics[m];
  Json values = Json::array();
  for (const double value : metric.values) values.push_back(value);
  Json json = Json::object()
                  .set("mean", metric.mean)
                  .set("std", metric.deviation)
                  .set("interval", interval_json(metric.interval))
                  .set("values", std::move(values))
                  .set("gain_of_first", metric.gain.middle)
                  .set("gain_std", metric.gain_deviation)
                  .set("gain_interval", interval_json(metric.gain))
                  .set("gain_interval_by_t", interval_json(metric.gain_by_t))
                  .set("is_shown", metric.is_shown())
                  .set("wins_of_first", std::ranges::count_if(metric.gains, [](double d) { return d > 0; }));
  if (!metric.components) return json;
  const moeclip::VarianceComponents& found = *metric.components;
  const auto seeds = seeds_for_difference(comparison, v, m, 1, 1);
  return json
      .set("variances", Json::object()
                            .set("seed", found.seed)
                            .set("category", found.category)
                            .set("picture", found.picture)
                            .set("residual", found.residual))
      .set("shown_difference", shown_difference(comparison, v, m))
      .set("seeds_needed", seeds ? Json(*seeds) : Json());
}

/// The categories of a variant, or the means over those of its sets.
Json parts_json(const VariantResult& variant, bool are_means) {
  Json parts = Json::array();
  for (const PartResult& part : variant.parts) {
    if (part.category.empty() != are_means) continue;
    Json json = Json::object(), metrics = Json::object();
    if (!part.set.empty()) json.set("set", part.set);
    if (!are_means) json.set("category", part.category);
    for (std::size_t m = 0; m < kMetricCount; ++m)
      metrics.set(std::string(moeclip::kComparedMetrics[m]),
                  Json::object().set("mean", part.mean[m]).set("std", part.deviation[m]));
    parts.push_back(json.set("metrics", std::move(metrics)));
  }
  return parts;
}

std::vector<std::string> heads() { return {kMetricTitles.begin(), kMetricTitles.end()}; }

/// The variants whose baseline is `name`, but for itself.
std::vector<const VariantResult*> compared_with(const AblationComparison& comparison, const std::string& name) {
  std::vector<const VariantResult*> others;
  for (const VariantResult& variant : comparison.variants)
    if (variant.baseline == name && !variant.is_baseline()) others.push_back(&variant);
  return others;
}

moeclip::ReportSection scores_section(const AblationComparison& comparison) {
  moeclip::ReportTable scores{"Scores", "Percent: mean over seeds and categories, 95 % interval.", {"variant"}, {}};
  for (const char* name : kMetricTitles) scores.head.emplace_back(name);
  scores.head.emplace_back("what it is");
  for (const VariantResult& variant : comparison.variants) {
    std::vector<std::string>& row = scores.rows.emplace_back(std::vector{variant.name});
    for (const VariantMetric& metric : variant.metrics)
      row.push_back(concat(points(metric.mean), " ", range_text(metric.interval)));
    row.push_back(variant.about);
  }
  return {"Scores", "", {}, {std::move(scores)}};
}

/// Each category of several sets, and the means of each set: a table a metric, a column a variant.
moeclip::ReportSection parts_section(const AblationComparison& comparison) {
  moeclip::ReportSection section{"Data sets", "Categories of each set, and their mean. Percent, over seeds.", {}, {}};
  for (std::size_t m = 0; m < kMetricCount; ++m) {
    moeclip::ReportTable table{kMetricTitles[m], "mean and standard deviation over seeds", {"set/category"}, {}};
    for (const VariantResult& variant : comparison.variants) table.head.push_back(variant.name);
    for (std::size_t p = 0; p < comparison.variants.front().parts.size(); ++p) {
      std::vector<std::string>& row = table.rows.emplace_back();
      row.push_back(comparison.variants.front().parts[p].name());
      for (const VariantResult& variant : comparison.variants)
        row.push_back(spread_text(variant.parts[p].mean[m], variant.parts[p].deviation[m]));
    }
    section.tables.push_back(std::move(table));
  }
  return section;
}

/// What one baseline gains over the others, as tables and plots.
moeclip::ReportSection gains_section(const AblationComparison& comparison, const VariantResult& baseline) {
  moeclip::ReportSection section{concat("What ", baseline.name, " gains"), "", {}, {}};
  section.text =
      "Points by which the baseline is better than each variant, on the same seeds and pictures. The interval is of a "
      "bootstrap over seeds and pictures; beside it that of Student's t over seeds. A star means that both leave 0 "
      "out.";
  moeclip::ReportTable gains{"Differences", "in points", {"over"}, {}};
  for (const char* name : kMetricTitles) gains.head.insert(gains.head.end(), {name, "t"});
  const auto others = compared_with(comparison, baseline.name);
  for (const VariantResult* variant : others) {
    std::vector<std::string>& row = gains.rows.emplace_back(std::vector{variant->name});
    for (const VariantMetric& metric : variant->metrics)
      row.insert(row.end(), {gain_text(metric), range_text(metric.gain_by_t)});
  }
  section.tables.push_back(std::move(gains));
  for (std::size_t m = 0; m < kMetricCount; ++m) {
    moeclip::ReportForest forest{kMetricTitles[m], concat("what ", baseline.name, " gains over each"), "points", {}};
    for (const VariantResult* variant : others) {
      const Interval& gain = variant->metrics[m].gain;
      forest.rows.push_back({variant->name, 100 * gain.middle, 100 * gain.low, 100 * gain.high});
    }
    section.forests.push_back(std::move(forest));
  }
  return section;
}

moeclip::ReportTable cost_table(const AblationComparison& comparison) {
  moeclip::ReportTable table{"Cost",
                             "On one thread. Weights as 32-bit floats, the CLIP's included.",
                             {"variant", "s/picture", "MB", "trained parameters", "s/run"},
                             {}};
  for (const VariantResult& variant : comparison.variants)
    table.rows.push_back({variant.name, fixed(variant.judge_seconds, 4), fixed(variant.megabytes, 1),
                          count_text(variant.trained), fixed(variant.seconds, 1)});
  return table;
}

/// How many differences there are, and how many of them are more than chance.
std::string differences_text(const AblationComparison& comparison) {
  std::size_t compared = 0, shown = 0, alone = 0, undefined = 0;
  for (const VariantResult& variant : comparison.variants)
    for (const VariantMetric& metric : variant.metrics) {
      if (variant.is_baseline()) continue;
      const bool is_defined = std::isfinite(metric.gain.low), has_both = std::isfinite(metric.gain_by_t.low);
      undefined += is_defined ? 0u : 1u;
      alone += is_defined && !has_both ? 1u : 0u;
      compared += is_defined && has_both ? 1u : 0u;
      shown += metric.is_shown() ? 1u : 0u;
    }
  std::string text;
  if (compared > 0)
    text += concat(" Of ", moeclip::counted(compared, "difference"), ", ", shown, shown == 1 ? " is" : " are",
                   " more than chance (*): both intervals, of 95 %, leave 0 out. One in twenty or so would by chance.");
  if (alone > 0)
    text += concat(" ", moeclip::counted(alone, "difference"), alone == 1 ? " has" : " have",
                   " the bootstrap's interval alone, and no star: Student's t needs seeds that differ.");
  if (undefined > 0)
    text += concat(" ", moeclip::counted(undefined, "difference"), undefined == 1 ? " is" : " are",
                   " undefined: the metric, or its interval, needs more pictures, good and defective ones with masks.");
  return text;
}

std::string summary_of(const AblationComparison& comparison) {
  return concat(moeclip::counted(comparison.variants.size(), "variant"), " from ",
                moeclip::counted(comparison.seeds, "seed"), ".", differences_text(comparison));
}

/// A number to see first: "12", "categories".
std::pair<std::string, std::string> tile_of(index_t count, std::string_view noun) {
  const std::string text = moeclip::counted(count, noun);
  const std::size_t space = text.find(' ');
  return {text.substr(0, space), text.substr(space + 1)};
}

}  // namespace

std::string ablation_line(const std::string& name, const std::vector<std::string>& cells) {
  constexpr std::size_t kName = 30, kCell = 20;
  std::string line = name;
  line.resize(std::max(kName, line.size() + 1), ' ');
  for (const std::string& cell : cells) line += std::string(cell.size() < kCell ? kCell - cell.size() : 1, ' ') + cell;
  return line + "\n";
}

namespace {

/// Each category of several sets, and the means of each set.
void print_parts(const AblationComparison& comparison) {
  if (comparison.options.sets.empty()) return;
  for (std::size_t p = 0; p < comparison.variants.front().parts.size(); ++p) {
    print(concat("\n", ablation_line(comparison.variants.front().parts[p].name(), heads())));
    for (const VariantResult& variant : comparison.variants) {
      std::vector<std::string> cells;
      for (std::size_t m = 0; m < kMetricCount; ++m)
        cells.push_back(spread_text(variant.parts[p].mean[m], variant.parts[p].deviation[m]));
      print(ablation_line(variant.name, cells));
    }
  }
}

}  // namespace

void print_comparison(const AblationComparison& comparison, bool has_power) {
  print(ablation_line(concat("percent, ", moeclip::counted(comparison.seeds, "seed")), heads()));
  for (const VariantResult& variant : comparison.variants) {
    std::vector<std::string> cells;
    for (const VariantMetric& metric : variant.metrics) cells.push_back(spread_text(metric.mean, metric.deviation));
    print(ablation_line(variant.name, cells));
  }
  for (const VariantResult& baseline : comparison.variants) {
    const auto others = compared_with(comparison, baseline.name);
    if (others.empty()) continue;
    print(concat("\n", ablation_line(concat("what ", baseline.name, " gains over"), heads())));
    for (const VariantResult* variant : others) {
      std::vector<std::string> cells;
      for (const VariantMetric& metric : variant->metrics) cells.push_back(gain_text(metric));
      print(ablation_line(variant->name, cells));
    }
  }
  print_parts(comparison);
  print(plain_text(cost_table(comparison)));
  if (has_power) print(power_text(comparison));
  if (const std::string text = differences_text(comparison); !text.empty()) print(concat("\n", text.substr(1), "\n"));
}

void print_comparison_json(const AblationComparison& comparison) {
  JsonLine json(true);
  json.member("seeds", comparison.seeds);
  json.member("draws", comparison.options.bootstrap.draws);
  json.member("difference", comparison.options.difference);
  json.begin_array("variants");
  for (std::size_t v = 0; v < comparison.variants.size(); ++v) {
    const VariantResult& variant = comparison.variants[v];
    Json metrics = Json::object();
    for (std::size_t m = 0; m < kMetricCount; ++m)
      metrics.set(std::string(moeclip::kComparedMetrics[m]), metric_json(comparison, v, m));
    json.item(Json::object()
                  .set("name", variant.name)
                  .set("about", variant.about)
                  .set("baseline", variant.baseline)
                  .set("seconds", variant.seconds)
                  .set("seconds_per_picture", variant.judge_seconds)
                  .set("megabytes", variant.megabytes)
                  .set("trained_parameters", variant.trained)
                  .set("metrics", std::move(metrics))
                  .set("categories", parts_json(variant, false))
                  .set("sets", parts_json(variant, true)));
  }
  json.end();
  json.finish();
}

void write_comparison(const AblationComparison& comparison, const AblationPage& page) {
  moeclip::Report report;
  report.title = "Comparison of methods";
  report.summary = summary_of(comparison);
  report.tiles = {tile_of(std::ssize(comparison.variants), "variant"), tile_of(comparison.seeds, "seed"),
                  tile_of(comparison.pictures.front(), "picture"), tile_of(comparison.categories.front(), "category")};
  report.tiles[2].second += " judged from each seed";
  report.sections.push_back(scores_section(comparison));
  if (!comparison.options.sets.empty()) report.sections.push_back(parts_section(comparison));
  for (const VariantResult& baseline : comparison.variants)
    if (!compared_with(comparison, baseline.name).empty())
      report.sections.push_back(gains_section(comparison, baseline));
  moeclip::ReportTable components = components_table(comparison), power = power_table(comparison);
  if (!power.rows.empty()) {
    report.sections.push_back(
        {"Power",
         comparison.options.bootstrap.draws_classes
             ? "The claim is about other categories of the kind: they are drawn, too."
             : "The claim is about the categories that were judged: their own differences are no error.",
         {},
         {std::move(power), std::move(components)}});
  }
  report.sections.push_back({"Cost", "", {}, {cost_table(comparison)}});
  moeclip::ReportTable remarks{"How the runs were made", "", {"setting", "value"}, {}};
  for (const std::string& remark : page.remarks) {
    const std::size_t place = remark.find('=');
    remarks.rows.push_back({remark.substr(0, place), remark.substr(place + 1)});
  }
  report.sections.push_back({"Settings", "", {}, {std::move(remarks)}});
  add_provenance(report, "ablate", page.words, page.seconds);
  moeclip::write_report(page.path, report);
}

}  // namespace cli
