# SPDX-License-Identifier: MIT
"""The scripts of tools/dev that read C++: what they see in a header, and what Doxygen gets of it."""
import re
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tools" / "dev"))

import amalgamate  # noqa: E402
import check_equations  # noqa: E402
import doxygen_text  # noqa: E402
from cpp_source import INCLUDE, ROOT, room  # noqa: E402
from declarations import declarations  # noqa: E402

HEADER = """// SPDX-License-Identifier: MIT
#pragma once
// What it is for. y = W x for all:
//   y_i = sum_j W_ij x_j

namespace moeclip { inline namespace abi_v0_1 {

inline constexpr index_t kMost = index_t{1} << 28;  // of <anything>

/// A thing.
template <class T, int N = 3>
struct Thing {
  Tensor<T> gamma;  // (D),
                    // as stored
  double a = 0, b = 0;  ///< both
  void (*call)(int x);

  Thing(const Thing& other) { copy(other, {1, 2}); }
  Thing& operator=(Thing&&) = default;
  /// Looks.
  int look(int x = f({1})) const;
  int look() const { return look(1); }
  template <class Self, class Visitor>
  static void visit(Self& self, Visitor& visitor) {}

 private:
  int hidden_;
};

enum class Kind { one, two };

namespace detail {
void inner();
}

template <class T>
MOECLIP_FUNC int Thing<T>::look(int x) const {
  return x;
}
MOECLIP_INSTANTIATE(look)
bool operator==(const Thing& a, const Thing& b);

}}  // namespace moeclip::abi_v0_1
"""


class Declarations(unittest.TestCase):
    def test_names_kinds_and_scopes(self):
        found = {(d.kind, "::".join(d.scope[2:] + (d.name,)), d.access) for d in declarations(HEADER)}
        for wanted in [("variable", "kMost", "public"), ("type", "Thing", "public"), ("variable", "Thing::gamma", "public"),
                       ("variable", "Thing::call", "public"), ("function", "Thing::Thing", "public"),
                       ("function", "Thing::operator=", "public"), ("function", "Thing::look", "public"),
                       ("function", "Thing::visit", "public"), ("variable", "Thing::hidden_", "private"),
                       ("enumerator", "Kind::two", "public"), ("function", "detail::inner", "public"),
                       ("function", "operator==", "public")]:
            self.assertIn(wanted, found)
        self.assertFalse([entry for entry in found if entry[0] == "other" or "INSTANTIATE" in entry[1]])

    def test_every_header_is_read(self):
        for path in INCLUDE.rglob("*.hpp"):
            for here in declarations(path.read_text(encoding="utf-8")):
                self.assertNotEqual(here.kind, "other", f"{path}: {here.head}")


class DoxygenText(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with tempfile.NamedTemporaryFile("w", dir=INCLUDE / "nn", suffix=".tmp") as file:
            file.write(HEADER)
            file.flush()
            cls.text = doxygen_text.Header(Path(file.name)).result()

    def test_lines_stay_where_they_are(self):
        self.assertEqual(self.text.count("\n"), HEADER.count("\n"))
        self.assertEqual(self.text.split("\n")[11].strip(), "struct Thing {")

    def test_what_becomes_documentation(self):
        for wanted in ["/// @file nn/", "/// @verbatim    y_i = sum_j W_ij x_j @endverbatim", r"///< of \<anything\>",
                       "///< (D),", "///< as stored", "/** both */ double a = 0; /** both */ double b = 0;",
                       "/** Copies. */ Thing(const Thing& other)", "/** @overload */ int look() const",
                       f"/** {doxygen_text.VISIT} */ template", "namespace moeclip { /** @addtogroup nn */ /** @{ */"]:
            self.assertIn(wanted, self.text)

    def test_what_goes(self):
        self.assertNotIn("operator=(Thing&&)", self.text)
        self.assertNotIn("inline namespace", self.text)


NN = INCLUDE / "nn" / "README.md"
README = """# nn: layers

| label | equation |
|---|---|
| LN-1 | y = gamma n + beta |

**LN-1'.** d_x by LIN-1'. **LIN-1, LIN-1'.** y = W x.
Prose names TIL-1 and UTF-8.
```
**CODE-1.** is no definition
```
"""


class Equations(unittest.TestCase):
    def breaches(self, *texts):
        """What is wrong with the README above and these (path, text)."""
        return check_equations.breaches({NN: README.replace("Prose names TIL-1 and UTF-8.", ""),
                                         **{ROOT / path: text for path, text in texts}})[0]

    def test_what_a_readme_defines(self):
        self.assertEqual(check_equations.defined_labels(README), {"LN-1", "LN-1'", "LIN-1", "LIN-1'"})

    def test_what_is_a_label(self):
        self.assertEqual(check_equations.labels("(LN-1'), TIL-1 to TIL-3; BF16-1, UTF-8, FNV-1a, x-1, B-1"),
                         ["LN-1'", "TIL-1", "TIL-2", "TIL-3", "BF16-1"])
        self.assertEqual(check_equations.labels("(EVA-1' to EVA-2')"), ["EVA-1'", "EVA-2'"])

    def test_both_directions(self):
        code = "include/moeclip/nn/x.hpp", "// LN-1, LN-1' and LIN-1,\n// LIN-1'\n"
        self.assertEqual(self.breaches(code), [])
        self.assertEqual(self.breaches((code[0], code[1] + 'auto s = "NO-1";  // NO-2')),
                         ["include/moeclip/nn/x.hpp: no folder's README defines NO-2"])
        self.assertEqual(self.breaches((code[0], "// LN-1, LN-1', LIN-1")),
                         ["include/moeclip/nn/README.md: nothing in the code names LIN-1'"])
        self.assertEqual(self.breaches(code, ("examples/x.md", "by NO-3")),
                         ["examples/x.md: no folder's README defines NO-3"])

    def test_a_lesson_alone_does_not_keep_a_label(self):
        code = "include/moeclip/nn/x.hpp", "// LN-1, LN-1', LIN-1"
        self.assertEqual(len(self.breaches(code, ("examples/course/x.cpp", "// LIN-1'"))), 1)

    def test_one_home_and_a_forward_equation(self):
        code = "include/moeclip/nn/x.hpp", "// LN-1, LN-1', LIN-1, LIN-1'"
        self.assertEqual(self.breaches(code, ("include/moeclip/moe/README.md", "**LN-1.** again")),
                         ["LN-1 is defined in include/moeclip/nn/README.md and in include/moeclip/moe/README.md"])
        alone = self.breaches(code, ("include/moeclip/moe/README.md", "**LN-2'.** x"))
        self.assertIn("LN-2' is the backward equation of LN-2", alone[0])

    def test_where_a_comment_says_it_is(self):
        wrong = ("include/moeclip/moe/x.hpp",
                 "// y (LN-1, LN-1' in this\n// folder's README), LIN-1, LIN-1' in nn/README.md")
        self.assertEqual(self.breaches(wrong), [f"include/moeclip/moe/x.hpp: {label} is not in moe/, but in "
                                                "include/moeclip/nn/README.md" for label in ("LN-1", "LN-1'")])

    def test_this_checkout(self):
        self.assertEqual(check_equations.breaches(check_equations.texts_of_checkout())[0], [])


class Rooms(unittest.TestCase):
    def test_which_files_are_private(self):
        self.assertEqual(room(INCLUDE / "image" / "png" / "chunks.hpp"), ("image", "png"))
        self.assertIsNone(room(INCLUDE / "image" / "png.hpp"))
        self.assertIsNone(room(Path("/elsewhere/a/b/c.hpp")))


class SingleHeader(unittest.TestCase):
    """tests/single compiles them; these look at the text."""

    @classmethod
    def setUpClass(cls):
        cls.text = amalgamate.single_header("moeclip_infer.hpp")

    def test_every_header_once_and_none_included(self):
        names = re.findall(r"^// (include/moeclip/\S+\.hpp)$", self.text, re.M)
        self.assertEqual(len(names), len(set(names)))
        for name in ("base/version.hpp", "image/png/chunks.hpp", "anomaly/detector.hpp"):
            self.assertIn(f"include/moeclip/{name}", names)
        self.assertNotRegex(self.text, r'(?m)^\s*#\s*include\s*"|^#pragma once|^#line|^// SPDX.*(?s:.)*^// SPDX')

    def test_standard_headers_once_others_where_they_were(self):
        names = re.findall(r"^#include <(\w+)>", self.text.split("// include/moeclip/")[0], re.M)
        self.assertEqual(names, sorted(set(names)))
        self.assertIn("vector", names)
        self.assertRegex(self.text, r"#if MOECLIP_HAS_NEON\n#include <arm_neon.h>\n#endif")

    def test_a_header_behind_what_it_needs(self):
        places = [self.text.index(f"// include/moeclip/{name}.hpp\n")
                  for name in ("base/error", "tensor/tensor", "kernels/gemm", "nn/linear", "anomaly/detector")]
        self.assertEqual(places, sorted(places))

    def test_needs_that_cannot_be_met_are_errors(self):
        with tempfile.TemporaryDirectory() as folder:
            a, b = Path(folder) / "a.hpp", Path(folder) / "b.hpp"
            a.write_text('#pragma once\n#include "b.hpp"\n', encoding="utf-8")
            b.write_text('#pragma once\n#include "a.hpp"\n', encoding="utf-8")
            original, amalgamate.relative = amalgamate.relative, str
            try:
                with self.assertRaisesRegex(SystemExit, "include each other"):
                    amalgamate.Amalgamation().add(a.resolve())
            finally:
                amalgamate.relative = original


if __name__ == "__main__":
    unittest.main()
