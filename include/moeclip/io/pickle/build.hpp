// SPDX-License-Identifier: MIT
#pragma once
// What the calls in a pickle stand for. The opcode REDUCE names a function and its arguments; here each permitted name
// is a fixed rule that checks the kind and number of its arguments and yields a node. Nothing is looked up or called.

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "../naming.hpp"
#include "graph.hpp"
#include "literals.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

class PickleBuilder {
 public:
  explicit PickleBuilder(PickleGraph& graph) : graph_(graph) {}

  /// The value of `callable(*arguments)`.
  PickleRef reduce(PickleRef callable, PickleRef arguments, int depth = 0) {
    expect(callable, PickleKind::global, "REDUCE: what is called");
    expect(arguments, PickleKind::tuple, "REDUCE: the arguments");
    switch (graph_[callable].global.name) {
      case PickleName::ordered_dict: return ordered_dict(arguments);
      case PickleName::counter: return only_argument(arguments, PickleKind::dict, "collections.Counter");
      case PickleName::set: return only_argument(arguments, PickleKind::list, "set");
      case PickleName::encode: return encode(arguments);
      case PickleName::size: return only_argument(arguments, PickleKind::tuple, "torch.Size");
      case PickleName::device: return device(arguments);
      case PickleName::rebuild_tensor: return tensor(arguments, 4, 4);
      case PickleName::rebuild_tensor_v2: return tensor(arguments, 6, 7);
      case PickleName::rebuild_tensor_v3: return typed_tensor(arguments);
      case PickleName::rebuild_parameter: return parameter(arguments);
      case PickleName::rebuild_from_type: return from_type(arguments, depth);
      case PickleName::build_list: return only_argument(arguments, PickleKind::list, "a TorchScript list");
      case PickleName::restore_type_tag: return tagged(arguments);
      default: refuse(concat("REDUCE: ", in_quotes(graph_[callable].text), " cannot be called"));
    }
  }

  /// The storage that a persistent id stands for: ("storage", class, key, location, elements[, legacy view]).
  PickleRef storage(PickleRef id) {
    expect(id, PickleKind::tuple, "a persistent id");
    const auto args = arguments<4, 6>(id, "a persistent id");
    expect(args[0], PickleKind::text, "persistent id: the type");
    if (graph_[args[0]].text == "module")
      fail(ErrorCode::unsupported, concat(graph_.source(),
                                          ": holds a whole pickled model, which would have to be run; "
                                          "save its state_dict() instead"));
    if (graph_[args[0]].text != "storage" || graph_[id].count < 5)
      refuse(concat("a persistent id of the unknown type ", in_quotes(graph_[args[0]].text)));
    expect(args[1], PickleKind::global, "persistent id: the storage class");
    expect(args[2], PickleKind::text, "persistent id: the storage key");
    expect(args[3], PickleKind::text, "persistent id: the location");
    const std::int64_t count = natural(args[4], "persistent id: the size");
    const PickleRef made = add_storage(graph_[args[1]].global, graph_[args[2]].text, count);
    if (graph_[id].count == 6 && graph_[args[5]].kind != PickleKind::none) legacy_view(made, args[5]);
    return made;
  }

  /// The same from the text that protocol 0 makes of it: "('storage', <class 'torch.FloatStorage'>, '0', 'cpu', 3)".
  PickleRef storage(std::string_view id) {
    std::string_view rest = id;
    const auto skip = [&](std::string_view text) {
      if (!rest.starts_with(text)) refuse(concat("a persistent id that is not understood: ", in_quotes(id)));
      rest.remove_prefix(text.size());
    };
    const auto until = [&](std::string_view end) {
      const std::string_view found = rest.substr(0, (std::min)(rest.find_first_of(end), rest.size()));
      rest.remove_prefix(found.size());
      return found;
    };
    skip("('storage', <class '");
    const std::string_view path = until("'");
    skip("'>, '");
    const std::string_view key = until("'");
    skip("', '");
    until("'");
    skip("', ");
    const std::string_view digits = until(",)");
    if (rest != ")") skip(", None)");
    const auto count = parse_number<std::int64_t>(digits);
    const std::size_t dot = path.rfind('.');
    if (!count || *count < 0 || dot == std::string_view::npos)
      refuse(concat("a persistent id that is not understood: ", in_quotes(id)));
    return add_storage(name(path.substr(0, dot), path.substr(dot + 1), false), key, *count);
  }

  /// Resolves a name or refuses it.
  [[nodiscard]] PickleGlobal name(std::string_view module, std::string_view name, bool is_script) const {
    const auto global = find_pickle_name(module, name, is_script);
    if (global && global->name != PickleName::unsupported_tensor) return *global;
    const std::string path = in_quotes(concat(module.substr(0, 200), ".", name.substr(0, 200)));
    if (!global) {
      const bool is_array = module.starts_with("numpy") && name == "_reconstruct";
      fail(
          ErrorCode::unsupported,
          concat(graph_.source(), ": the pickle names ", path,
                 ", which is not among what builds tensors; nothing in a file is ever run. If you trust the file, load "
                 "it as it was saved, x = torch.load(FILE, weights_only=False), and save only its tensors: torch.save(",
                 is_array ? "{name: torch.from_numpy(array) for name, array in x.items()}"
                          : "x.state_dict() if isinstance(x, torch.nn.Module) else x[\"state_dict\"]",
                 ", NEW_FILE)"));
    }
    fail(ErrorCode::unsupported, concat(graph_.source(), ": ", path,
                                        ": tensors of this kind (sparse, quantised, "
                                        "complex, unsigned, 8-bit float ...) are not supported; save dense ones"));
  }

  /// BUILD: gives `target` its state. An OrderedDict's (`_metadata`) is not needed.
  void build(PickleRef target, PickleRef state) {
    const PickleNode& node = graph_[target];
    if (node.kind == PickleKind::object) {
      if (node.count != 0) refuse("BUILD: an object gets its state twice");
      return graph_.append(target, state);
    }
    if (!node.is_ordered_dict)
      refuse(concat("BUILD: ", to_string(node.kind), " gets a state; only OrderedDict and script modules may"));
    expect(state, PickleKind::dict, "BUILD: the state of an OrderedDict");
  }

  void expect(PickleRef ref, PickleKind kind, std::string_view what) const {
    if (graph_[ref].kind != kind) refuse(concat(what, " is ", to_string(graph_[ref].kind), ", not ", to_string(kind)));
  }

  [[noreturn]] void refuse(std::string_view problem) const {
    fail(ErrorCode::format, concat(graph_.source(), ": pickle: ", problem));
  }

 private:
  static constexpr std::uint32_t kMostAxes = 64;  // as torch

  /// Between Least and Most arguments; those that are absent are zero and must not be used.
  template <std::size_t Least, std::size_t Most>
  std::array<PickleRef, Most> arguments(PickleRef tuple, std::string_view what) const {
    const std::uint32_t count = graph_[tuple].count;
    if (count < Least || count > Most)
      refuse(concat(what, " has ", counted(count, "part"), "; ", Least, " to ", Most, " are expected"));
    return graph_.children<Most>(tuple);
  }

  std::int64_t natural(PickleRef ref, std::string_view what) const {
    expect(ref, PickleKind::integer, what);
    const PickleNode& node = graph_[ref];
    if (node.is_big) refuse(concat(what, " is ", in_quotes(node.text), ", too large"));
    if (node.integer < 0) refuse(concat(what, " is negative: ", node.integer));
    return node.integer;
  }

  PickleRef only_argument(PickleRef args, PickleKind kind, std::string_view what) const {
    const PickleRef value = arguments<1, 1>(args, what)[0];
    expect(value, kind, what);
    return value;
  }

  PickleRef ordered_dict(PickleRef args) {
    const PickleRef pairs = arguments<0, 1>(args, "OrderedDict")[0];
    const PickleRef dict = graph_.add(PickleKind::dict);
    graph_[dict].is_ordered_dict = true;
    if (graph_[args].count == 0) return dict;
    expect(pairs, PickleKind::list, "OrderedDict: the argument");
    graph_.for_each_child(pairs, [&](PickleRef pair) {
      const PickleKind kind = graph_[pair].kind;
      if ((kind != PickleKind::list && kind != PickleKind::tuple) || graph_[pair].count != 2)
        refuse("OrderedDict: an item is not a pair");
      for (const PickleRef part : graph_.children<2>(pair)) graph_.append(dict, part);
    });
    return dict;
  }

  PickleRef encode(PickleRef args) {
    const auto [text, encoding] = arguments<2, 2>(args, "_codecs.encode");
    expect(text, PickleKind::text, "_codecs.encode: the text");
    expect(encoding, PickleKind::text, "_codecs.encode: the encoding");
    PickleNode node;
    node.kind = PickleKind::bytes;
    node.text = graph_[text].text;
    return graph_.add(node);
  }

  PickleRef device(PickleRef args) {
    const auto [type, index] = arguments<1, 2>(args, "torch.device");
    expect(type, PickleKind::text, "torch.device: the type");
    PickleNode node;
    node.kind = PickleKind::device;
    node.text = graph_[type].text;
    if (graph_[args].count == 2 && graph_[index].kind != PickleKind::none)
      node.text = graph_.keep(concat(node.text.substr(0, 16), ":", natural(index, "torch.device: the index")));
    return graph_.add(node);
  }

  PickleRef tagged(PickleRef args) const {
    const auto [value, tag] = arguments<2, 2>(args, "restore_type_tag");
    expect(tag, PickleKind::text, "restore_type_tag: the tag");
    return value;
  }

  PickleRef add_storage(PickleGlobal type, std::string_view key, std::int64_t count) {
    if (type.name != PickleName::storage && type.name != PickleName::untyped_storage)
      refuse("persistent id: the class is not a storage");
    PickleNode node;
    node.kind = PickleKind::storage;
    node.global = type;
    node.text = key;
    node.integer = count;
    return graph_.add(node);
  }

  /// Very old files: a storage that is a part of another one, (key, offset, size).
  void legacy_view(PickleRef storage, PickleRef view) {
    expect(view, PickleKind::tuple, "persistent id: the view");
    const auto [key, offset, size] = arguments<3, 3>(view, "persistent id: the view");
    expect(key, PickleKind::text, "persistent id: the key of the view");
    natural(offset, "persistent id: the offset of the view");
    natural(size, "persistent id: the size of the view");
    for (const PickleRef part : {key, offset, size}) graph_.append(storage, part);
  }

  void expect_extents(PickleRef ref, std::string_view what) const {
    expect(ref, PickleKind::tuple, what);
    if (graph_[ref].count > kMostAxes) refuse(concat(what, " has ", graph_[ref].count, " axes"));
    graph_.for_each_child(ref, [&](PickleRef extent) { natural(extent, what); });
  }

  /// Arguments from requires_grad on say how gradients flow, which a reader of weights does not need.
  PickleRef tensor(PickleRef args, std::uint32_t least, std::uint32_t most) {
    const std::uint32_t count = graph_[args].count;
    if (count < least || count > most)
      refuse(concat("a tensor has ", count, " arguments; ", least, " to ", most, " are expected"));
    const auto parts = graph_.children<4>(args);
    expect(parts[0], PickleKind::storage, "a tensor: the storage");
    natural(parts[1], "a tensor: the offset");
    expect_extents(parts[2], "a tensor: the shape");
    expect_extents(parts[3], "a tensor: the strides");
    if (graph_[parts[2]].count != graph_[parts[3]].count) refuse("a tensor has a stride too many or too few");
    PickleNode node;
    node.kind = PickleKind::tensor;
    node.global = graph_[parts[0]].global;
    const PickleRef made = graph_.add(node);
    for (const PickleRef part : parts) graph_.append(made, part);
    return made;
  }

  PickleRef typed_tensor(PickleRef args) {
    const PickleRef made = tensor(args, 7, 8);
    const PickleRef type = graph_.children<7>(args)[6];
    if (graph_[type].kind != PickleKind::global || graph_[type].global.name != PickleName::dtype)
      refuse("a tensor: the dtype is not one");
    graph_[made].global = graph_[type].global;
    return made;
  }

  PickleRef parameter(PickleRef args) const {
    const PickleRef data = arguments<3, 4>(args, "a Parameter")[0];
    expect(data, PickleKind::tensor, "a Parameter: the data");
    return data;
  }

  /// Python attributes of the tensor, the last argument, are not needed.
  PickleRef from_type(PickleRef args, int depth) {
    if (depth > 4) refuse("a tensor is wrapped too often");
    const auto [function, type, inner, state] = arguments<4, 4>(args, "_rebuild_from_type_v2");
    if (graph_[type].kind != PickleKind::global || graph_[type].global.name != PickleName::tensor_class)
      refuse("_rebuild_from_type_v2: the type is not a tensor class");
    const PickleRef made = reduce(function, inner, depth + 1);
    expect(made, PickleKind::tensor, "_rebuild_from_type_v2: the result");
    return made;
  }

  PickleGraph& graph_;
};

}  // namespace detail

}}  // namespace moeclip::abi_v0_1
