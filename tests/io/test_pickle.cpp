// SPDX-License-Identifier: MIT
#include <moeclip/io/pickle/machine.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "weight_samples.hpp"

namespace {

using namespace moeclip;
using namespace samples;

std::string pickle_failure(const std::string& bytes, bool is_script = false) {
  try {
    static_cast<void>(read_pickle(as_bytes(bytes), "p.pkl", is_script));
  } catch (const Error& error) {
    return std::string(to_string(error.code())) + ": " + error.what();
  }
  return "";
}

/// The root of a pickle as text: Python's repr, nearly.
std::string show(const PickleGraph& graph, PickleRef ref) {
  const PickleNode& node = graph[ref];
  std::string inside;
  graph.for_each_child(ref, [&](PickleRef child) { inside += (inside.empty() ? "" : ",") + show(graph, child); });
  switch (node.kind) {
    case PickleKind::none: return "None";
    case PickleKind::boolean: return node.integer != 0 ? "True" : "False";
    case PickleKind::integer: return node.is_big ? std::string(node.text) : concat(node.integer);
    case PickleKind::real: return concat(node.real);
    case PickleKind::text: return concat("'", node.text, "'");
    case PickleKind::tuple: return "(" + inside + ")";
    case PickleKind::list: return "[" + inside + "]";
    case PickleKind::dict: return "{" + inside + "}";
    default: return to_string(node.kind);
  }
}

std::string shown(const std::string& bytes) {
  const Pickle pickle = read_pickle(as_bytes(bytes), "p.pkl");
  CHECK(pickle.size == bytes.size());
  return show(pickle.graph, pickle.root);
}

}  // namespace

TEST_CASE("pickle: plain values of every protocol") {
  CHECK(shown("N.") == "None");
  CHECK(shown("I01\n.") == "True");
  CHECK(shown("I00\n.") == "False");
  CHECK(shown("I-17\n.") == "-17");
  CHECK(shown("L12345678901234567890123L\n.") == "12345678901234567890123");
  CHECK(shown("F-1.5e3\n.") == "-1500");
  CHECK(shown("V\\u00e4\\U0001F600 \xe9\n.") == "'\xC3\xA4\xF0\x9F\x98\x80 \xC3\xA9'");
  CHECK(shown("S'abc'\n.") == "'abc'");
  CHECK(shown("(I1\nI2\nl.") == "[1,2]");
  CHECK(shown("(dp0\nVk\nI3\ns.") == "{'k',3}");
  CHECK(shown("(I1\nI2\nt.") == "(1,2)");
  CHECK(shown(pickle("K\xff")) == "255");
  CHECK(shown(pickle("M\xff\xff")) == "65535");
  CHECK(shown(pickle("J\xff\xff\xff\xff")) == "-1");
  CHECK(shown(pickle(std::string("\x8a\0", 2))) == "0");
  CHECK(shown(pickle("\x8a\x01\x80")) == "-128");
  CHECK(shown(pickle(std::string("\x8a\x09\0\0\0\0\0\0\0\0\x01", 11))) == "18446744073709551616");
  CHECK(shown(pickle(std::string("\x8a\x09\0\0\0\0\0\0\0\0\xff", 11))) == "-18446744073709551616");
  CHECK(shown(pickle("G\x3f\xf8" + std::string(6, '\0'))) == "1.5");
  CHECK(shown(pickle("\x88\x89\x86")) == "(True,False)");
  CHECK(shown("\x80\x04\x95" + little(4, 8) + "\x8c\x01x\x94.") == "'x'");
}

TEST_CASE("pickle: containers, marks and the memo") {
  CHECK(shown(pickle("](K\x01K\x02"
                     "eK\x03"
                     "a")) == "[1,2,3]");
  CHECK(shown(pickle("}(K\x01K\x02K\x03K\x04u")) == "{1,2,3,4}");
  CHECK(shown(pickle("(NN)t")) == "(None,None,())");
  CHECK(shown(pickle("Nq\x05K\x01h\x05\x87")) == "(None,1,None)");
  CHECK(shown(pickle(text("a") + "r" + little(300, 4) + "j" + little(300, 4) + "\x86")) == "('a','a')");
  CHECK(shown(pickle("\x8f(K\x01\x90")) == "[1]");
  CHECK(shown(pickle("(K\x01\x91")) == "[1]");
  CHECK(shown(pickle(global("collections", "OrderedDict") + ")R" + text("a") + "Ns}" + text("_metadata") + "}sb")) ==
        "{'a',None}");
  CHECK(shown(pickle(global("collections", "OrderedDict") + tuple("](" + tuple(text("a") + "N") + "e") + "R")) ==
        "{'a',None}");
}

TEST_CASE("pickle: every truncation is an error") {
  const std::string whole = pickle(item("a", tensor()));
  CHECK(pickle_failure(whole) == "");
  for (std::size_t size = 0; size < whole.size(); ++size) CHECK(pickle_failure(whole.substr(0, size)) != "");
}

TEST_CASE("pickle: nothing can be named or called but what builds tensors") {
  const std::string system = global("os", "system") + tuple(text("touch owned")) + "R";
  for (const std::string& value :
       {system, item("a", system), global("builtins", "eval") + tuple(text("1")) + "R", global("posix", "system"),
        global("__builtin__", "getattr"), global("torch.serialization", "load"), global("torch", "load"),
        global("torch._utils", "_rebuild_tensor_v9"), global("numpy.core.multiarray", "_reconstruct"),
        global("__torch__.model", "Net"), global("collections", "defaultdict"), global("argparse", "Namespace"),
        "(" + text("os") + text("system") + "\x93", text("os") + text("system") + "\x93"}) {
    const std::string problem = pickle_failure(pickle(value));
    CAPTURE(value);
    CHECK(problem.starts_with("unsupported"));
    CHECK(problem.find("is ever run") != std::string::npos);
  }
  CHECK(pickle_failure(pickle(system)).find("os.system") != std::string::npos);
  CHECK(pickle_failure(pickle(global("torch._utils", "_rebuild_sparse_tensor"))).find("sparse") != std::string::npos);
  // Opcodes that create objects, or that torch never writes, are refused by name.
  CHECK(pickle_failure("(ios\nsystem\n.").find("INST") != std::string::npos);
  CHECK(pickle_failure("(" + global("collections", "OrderedDict") + "o.").find("OBJ") != std::string::npos);
  CHECK(pickle_failure(pickle("N2")).find("DUP") != std::string::npos);
  CHECK(pickle_failure(pickle("N0")).find("POP") != std::string::npos);
  CHECK(pickle_failure(pickle("\x82\x01")).find("EXT1") != std::string::npos);
  CHECK(pickle_failure(pickle("\x97")).find("NEXT_BUFFER") != std::string::npos);
  CHECK(pickle_failure(pickle(global("collections", "OrderedDict") + ")}\x92")).find("NEWOBJ_EX") != std::string::npos);
  CHECK(pickle_failure(pickle("\xfe")).find("254") != std::string::npos);
  CHECK(pickle_failure("\x80\x06N.").starts_with("unsupported"));
}

TEST_CASE("pickle: objects of TorchScript only where they belong") {
  const std::string object = global("__torch__.m", "Net") + ")\x81}" + text("w") + "NsbN\x86";
  CHECK(pickle_failure(pickle(object)).starts_with("unsupported"));
  CHECK(pickle_failure(pickle(object), true) == "");
  const std::string made = global("__torch__.m", "Net") + ")\x81";
  CHECK(pickle_failure(pickle(made + "}b}b"), true).find("twice") != std::string::npos);
  CHECK(pickle_failure(pickle(global("__torch__.m", "Net") + "N\x85\x81"), true) != "");
  CHECK(pickle_failure(pickle(global("__torch__.m", "Net") + ")R"), true) != "");
  CHECK(pickle_failure(pickle(global("collections", "OrderedDict") + ")\x81"), true) != "");
}

TEST_CASE("pickle: operands are type-checked") {
  const auto broken = [](TensorParts parts) { return pickle_failure(pickle(tensor(parts))); };
  CHECK(broken({}) == "");
  CHECK(broken({.store = text("0")}).find("storage is a string") != std::string::npos);
  CHECK(broken({.offset = text("0")}).find("offset is a string") != std::string::npos);
  CHECK(broken({.offset = number(-1)}).find("negative") != std::string::npos);
  CHECK(broken({.offset = "L99999999999999999999L\n"}).find("too large") != std::string::npos);
  CHECK(broken({.shape = number(6)}).find("shape is an integer") != std::string::npos);
  CHECK(broken({.shape = tuple(number(2) + number(-3))}).find("negative") != std::string::npos);
  CHECK(broken({.shape = tuple(number(2) + "\x88")}) != "");
  CHECK(broken({.strides = tuple(number(1))}).find("stride") != std::string::npos);
  CHECK(broken({.strides = tuple(number(-3) + number(1))}).find("negative") != std::string::npos);
  CHECK(broken({.rest = "", .function = "_rebuild_tensor_v2"}).find("arguments") != std::string::npos);
  CHECK(broken({.rest = "", .function = "_rebuild_tensor"}) == "");
  CHECK(broken({.rest = "\x89NNNNN"}) != "");
  CHECK(broken({.rest = "\x89N" + global("torch", "float16"), .function = "_rebuild_tensor_v3"}) == "");
  CHECK(broken({.rest = "\x89NN", .function = "_rebuild_tensor_v3"}).find("dtype") != std::string::npos);
  CHECK(broken({.rest = "", .function = "_rebuild_parameter"}) != "");
  std::string many_axes;
  for (int i = 0; i < 65; ++i) many_axes += "K\x01";
  CHECK(broken({.shape = tuple(many_axes), .strides = tuple(many_axes)}).find("65 axes") != std::string::npos);

  const std::vector<std::string> wrong = {
      storage("0", 6, "Size"),
      "NQ",
      tuple("N") + "Q",
      tuple(text("other") + "NNNN") + "Q",
      tuple(text("storage") + global("torch", "FloatStorage") + "N" + text("cpu") + number(1)) + "Q",
      tuple(text("storage") + global("torch", "FloatStorage") + text("0") + text("cpu") + number(-1)) + "Q",
      "NNR",
      "N)R",
      global("collections", "OrderedDict") + "NR",
      global("collections", "OrderedDict") + tuple("](Ne") + "R",
      global("collections", "OrderedDict") + tuple("NN") + "R",
      global("torch", "Size") + tuple("N") + "R",
      global("torch", "device") + tuple("N") + "R",
      global("torch", "device") + tuple(text("cuda") + number(-1)) + "R",
      global("torch", "FloatStorage") + ")R",
      global("torch", "float32") + ")R",
      global("_codecs", "encode") + ")R",
      global("torch._tensor", "_rebuild_from_type_v2") + tuple("NNNN") + "R",
      global("torch.jit._pickle", "build_intlist") + ")R",
      "NNa",
      "]NNs",
      "}Na",
      "}NNNu",
      "}(Nu",
      "](Nu",
      "a",
      "e",
      "t",
      "s",
      "(",
      "N(",
      "R",
      "Q",
      "b",
      "NNb",
      "}}b",
      "NN",
      "h\x01",
      "g9999999999\n",
      "gx\n",
      "Ix\n",
      "I-\n",
      "Fx\n",
      "Sx\n",
      "S'a\\x41'\n",
      "V\\u12\n",
      "\x85",
      "\x86",
      "\x8c\x01\xff",
      "\x95" + little(1000, 8),
      "(\x85",
      "N(\x85",
      "N(Na"};
  for (const std::string& value : wrong) {
    CAPTURE(value);
    CHECK(pickle_failure(pickle(value)).starts_with("format"));
  }
  const auto refused = [](const std::string& lines) { return pickle_failure(pickle(lines)); };
  CHECK(refused("cmodels\nNet\n").find("x.state_dict() if isinstance(x, torch.nn.Module)") != std::string::npos);
  CHECK(refused("cnumpy.core.multiarray\n_reconstruct\n").find("torch.from_numpy(array)") != std::string::npos);
  CHECK(refused("cnumpy.core.multiarray\nscalar\n").find("from_numpy") == std::string::npos);
  CHECK(pickle_failure(pickle(tuple(text("module") + "NNN") + "Q")).find("state_dict") != std::string::npos);
}

TEST_CASE("pickle: persistent ids of protocol 0") {
  CHECK(pickle_failure("P('storage', <class 'torch.FloatStorage'>, '0', 'cpu', 3)\n.") == "");
  CHECK(pickle_failure("P('storage', <class 'torch.FloatStorage'>, '0', 'cpu', 3, None)\n.") == "");
  for (const char* id :
       {"", "('storage'", "('storage', <class 'os.system'>, '0', 'cpu', 3)",
        "('storage', <class 'FloatStorage'>, '0', 'cpu', 3)", "('storage', <class 'torch.FloatStorage'>, '0', 'cpu', )",
        "('storage', <class 'torch.FloatStorage'>, '0', 'cpu', -3)",
        "('storage', <class 'torch.FloatStorage'>, '0', 'cpu', 3",
        "('storage', <class 'torch.FloatStorage'>, '0', 'cpu', 3, 4)",
        "('storage', <class 'torch.FloatStorage'>, '0"}) {
    CAPTURE(id);
    CHECK(pickle_failure("P" + std::string(id) + "\n.") != "");
  }
}

TEST_CASE("pickle: memory stays bounded") {
  CHECK(pickle_failure(std::string(3'000'000, 'N')).starts_with("limit"));
  CHECK(pickle_failure(std::string(3'000'000, '(')).starts_with("limit"));
  CHECK(pickle_failure(std::string(3'000'000, '}')).starts_with("limit"));
  std::string items =
      "]N"
      "q" +
      std::string(1, '\0');
  for (int i = 0; i < 3'000'000; ++i) items += "h\0a"[i % 3];  // ends in the middle or fills a list with one value
  CHECK(pickle_failure(items) != "");
  CHECK(pickle_failure("Nr\xff\xff\xff\xff.").starts_with("limit"));
  CHECK(pickle_failure(pickle("\x8b\xff\xff\xff\x7f")).starts_with("limit"));
  CHECK(pickle_failure(pickle("\x8b" + little(65, 4) + std::string(65, 'a'))).starts_with("limit"));
  CHECK(pickle_failure("I" + std::string(1000, '9') + "\n.").starts_with("limit"));
  CHECK(pickle_failure(pickle("X\xff\xff\xff\xff")) != "");
  CHECK(pickle_failure(pickle("\x8d\xff\xff\xff\xff\xff\xff\xff\xff")) != "");
}
