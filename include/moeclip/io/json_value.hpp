// SPDX-License-Identifier: MIT
#pragma once
// A JSON value in 16 bytes. Integers keep all their bits, objects keep the order of their members, and a large object
// is searched by a sorted index, so that a vocabulary of 49,408 words is as quick to use as three settings.

#include <concepts>
#include <memory>
#include <variant>
#include <vector>

#include "../base/lists.hpp"
#include "bytes.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// One JSON value of any kind, with everything in it. Copies are deep.
class Json {
 public:
  /// What RFC 8259 calls the type of a value.
  enum class Kind { null, boolean, number, string, array, object };
  struct Member;

  /// Values convert to what they are: `Json::object().set("file", path).set("score", 0.5)`. Null by default.
  Json() = default;
  Json(std::nullptr_t);                                   // NOLINT: implicit on purpose, here and below
  Json(std::same_as<bool> auto value) : value_(value) {}  // NOLINT
  Json(double value);                                     // NOLINT
  Json(float value);                                      // NOLINT
  Json(std::string value);                                // NOLINT
  Json(std::string_view value);                           // NOLINT
  Json(const char* value);                                // NOLINT
  template <std::integral Integer>
  requires(!std::same_as<Integer, bool> && !std::same_as<Integer, char>) Json(Integer value) {  // NOLINT
    if (std::in_range<std::int64_t>(value)) {
      value_.template emplace<std::int64_t>(value);  // not `=`: clang would want objects to be whole here in C++23
    } else {
      value_.template emplace<std::uint64_t>(value);
    }
  }

  Json(const Json& other);
  Json(Json&& other) noexcept = default;
  Json& operator=(const Json& other);
  Json& operator=(Json&& other) noexcept = default;
  ~Json();

  static Json array();   ///< an empty array, to be filled with push_back
  static Json object();  ///< an empty object, to be filled with set

  static Json array(std::vector<Json> items);  ///< an array of `items`
  /// An object of `members`, where a repeated key keeps its first place and its last value.
  static Json object(std::vector<Member> members);

  [[nodiscard]] Kind kind() const noexcept;       ///< which of the six it is
  [[nodiscard]] bool is_null() const noexcept;    ///< so it is by default
  [[nodiscard]] bool is_bool() const noexcept;    ///< it is true or false
  [[nodiscard]] bool is_number() const noexcept;  ///< with or without a fraction
  [[nodiscard]] bool is_string() const noexcept;  ///< UTF-8 if parse_json read it
  [[nodiscard]] bool is_array() const noexcept;   ///< has items()
  [[nodiscard]] bool is_object() const noexcept;  ///< has members()
  /// True for a number without point or exponent that fits int64 or uint64.
  [[nodiscard]] bool is_integer() const noexcept;

  /// Stands for a number that no double can hold; as_number throws.
  static Json beyond(bool is_negative);
  [[nodiscard]] bool is_beyond() const noexcept;  ///< it is such a number

  /// The value as the type asked for. Throws format if it is of another kind, or a number that does not fit.
  [[nodiscard]] bool as_bool() const;
  [[nodiscard]] double as_number() const;                 ///< rounded if an integer above 2^53
  [[nodiscard]] std::int64_t as_int64() const;            ///< not from 1.0 or 1e3: is_integer() must hold
  [[nodiscard]] std::uint64_t as_uint64() const;          ///< likewise, and not negative
  [[nodiscard]] const std::string& as_string() const;     ///< unescaped; format for half of a surrogate pair
  [[nodiscard]] const std::string& raw_string() const;    ///< such halves included, three bytes each (append_utf8)
  [[nodiscard]] std::span<const Json> items() const;      ///< of an array
  [[nodiscard]] std::span<const Member> members() const;  ///< of an object: `for (const auto& [key, value] : ...)`

  /// Number of items of an array or members of an object; 0 for everything else.
  [[nodiscard]] std::size_t size() const noexcept;

  /// The value of member `key` of an object, or null if there is none. O(log n). Throws format if this is no object.
  [[nodiscard]] const Json* find(std::string_view key) const;
  [[nodiscard]] const Json& at(std::string_view key) const;  ///< as find, but throws missing if there is none
  /// Item `index` of an array. Throws missing if there are fewer.
  [[nodiscard]] const Json& at(std::size_t index) const;

  /// Appends to an array; null becomes one first.
  Json& push_back(Json item);
  /// Sets a member of an object, a new one at the end, a known one where it is; null becomes an object first.
  Json& set(std::string key, Json value);

  /// Equal kinds with equal contents: members in the same order, numbers of the same type (1 is not 1.0).
  friend bool operator==(const Json& a, const Json& b);

 private:
  using Array = std::vector<Json>;
  struct Object;
  struct Beyond {
    bool is_negative = false;
    friend bool operator==(const Beyond&, const Beyond&) = default;
  };
  // Empty strings, arrays and objects hold no memory: their pointer is null.
  using Value = std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::unique_ptr<std::string>,
                             std::unique_ptr<Array>, std::unique_ptr<Object>, Beyond>;

  explicit Json(Value value) noexcept;

  template <class T>
  [[nodiscard]] const T& expect(std::string_view wanted) const;
  template <class T>
  [[nodiscard]] T& expect_container(std::string_view wanted);

  Value value_;
};

/// A member of an object.
struct Json::Member {
  std::string key;  ///< without quotes and escapes
  Json value;       ///< of any kind

  friend bool operator==(const Member&, const Member&) = default;
};

/// Members in order and, above a few, their numbers sorted by key.
struct Json::Object {
  static constexpr std::size_t kLinear = 16;  // up to here comparing them all is as fast as searching an index

  std::vector<Member> members;       // in the order in which they were added
  std::vector<std::uint32_t> index;  // empty up to kLinear members

  /// The first place of the index whose key is not below `key`.
  [[nodiscard]] auto place(std::string_view key) const;

  [[nodiscard]] const Member* find(std::string_view key) const;  ///< null if there is none

  void append(Member member);  ///< at the end; the key must be new

  /// Makes the index anew; equal keys come in the order of their members.
  void sort_index();

  /// Of members with the same key keeps the first, with the value of the last. Needs the index.
  void merge_repeated();
};

/// Name of a kind with its article, for messages.
const char* to_string(Json::Kind kind);

bool operator==(const Json& a, const Json& b);  ///< as said in the class

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_IO)

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include "utf8.hpp"

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC Json::Json(std::nullptr_t) {}
MOECLIP_FUNC Json::Json(double value) : value_(value) {}
MOECLIP_FUNC Json::Json(float value) : Json(static_cast<double>(value)) {}
MOECLIP_FUNC Json::Json(std::string_view value) : Json(std::string(value)) {}
MOECLIP_FUNC Json::Json(const char* value) : Json(std::string(value)) {}
MOECLIP_FUNC Json& Json::operator=(const Json& other) { return *this = Json(other); }
MOECLIP_FUNC Json Json::array() { return Json(Value(std::unique_ptr<Array>())); }
MOECLIP_FUNC Json Json::object() { return Json(Value(std::unique_ptr<Object>())); }
MOECLIP_FUNC bool Json::is_null() const noexcept { return kind() == Kind::null; }
MOECLIP_FUNC bool Json::is_bool() const noexcept { return kind() == Kind::boolean; }
MOECLIP_FUNC bool Json::is_number() const noexcept { return kind() == Kind::number; }
MOECLIP_FUNC bool Json::is_string() const noexcept { return kind() == Kind::string; }
MOECLIP_FUNC bool Json::is_array() const noexcept { return kind() == Kind::array; }
MOECLIP_FUNC bool Json::is_object() const noexcept { return kind() == Kind::object; }

MOECLIP_FUNC bool Json::is_integer() const noexcept {
  return std::holds_alternative<std::int64_t>(value_) || std::holds_alternative<std::uint64_t>(value_);
}

MOECLIP_FUNC bool Json::as_bool() const { return expect<bool>("a boolean"); }
MOECLIP_FUNC Json::Json(Value value) noexcept : value_(std::move(value)) {}

MOECLIP_FUNC auto Json::Object::place(std::string_view key) const {
  return std::lower_bound(index.begin(), index.end(), key,
                          [this](std::uint32_t i, std::string_view k) { return members[i].key < k; });
}

MOECLIP_FUNC const Json::Member* Json::Object::find(std::string_view key) const {
  if (index.empty()) {
    const auto found = lists::find(members, key, &Member::key);
    return found == members.end() ? nullptr : &*found;
  }
  const auto found = place(key);
  return found == index.end() || members[*found].key != key ? nullptr : &members[*found];
}

MOECLIP_FUNC void Json::Object::append(Member member) {
  MOECLIP_EXPECT(members.size() < (std::numeric_limits<std::uint32_t>::max)(), "a JSON object has too many members");
  if (!index.empty()) index.insert(place(member.key), static_cast<std::uint32_t>(members.size()));
  members.push_back(std::move(member));
  if (index.empty() && members.size() > kLinear) sort_index();
}

MOECLIP_FUNC void Json::Object::sort_index() {
  index.resize(members.size());
  std::iota(index.begin(), index.end(), std::uint32_t{0});
  std::sort(index.begin(), index.end(), [this](std::uint32_t a, std::uint32_t b) {
    const int order = members[a].key.compare(members[b].key);
    return order != 0 ? order < 0 : a < b;
  });
}

MOECLIP_FUNC void Json::Object::merge_repeated() {
  std::vector<bool> is_repeated(members.size());
  for (std::size_t first = 0, next = 0; first < index.size(); first = next) {
    Member& member = members[index[first]];
    for (next = first + 1; next < index.size() && members[index[next]].key == member.key; ++next) {
      member.value = std::move(members[index[next]].value);
      is_repeated[index[next]] = true;
    }
  }
  std::size_t kept = 0;
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (is_repeated[i]) continue;
    if (kept != i) members[kept] = std::move(members[i]);
    ++kept;
  }
  members.erase(members.begin() + static_cast<std::ptrdiff_t>(kept), members.end());
  sort_index();
}

MOECLIP_FUNC Json::~Json() = default;

MOECLIP_FUNC Json::Json(std::string value)
    : value_(value.empty() ? nullptr : std::make_unique<std::string>(std::move(value))) {}

MOECLIP_FUNC Json::Json(const Json& other) {
  const auto copy = [this]<class T>(const T& value) {
    if constexpr (std::is_copy_constructible_v<T>) {
      value_ = value;
    } else {
      value_ = value == nullptr ? T() : std::make_unique<typename T::element_type>(*value);
    }
  };
  std::visit(copy, other.value_);
}

MOECLIP_FUNC Json Json::array(std::vector<Json> items) {
  return items.empty() ? array() : Json(Value(std::make_unique<Array>(std::move(items))));
}

MOECLIP_FUNC Json Json::object(std::vector<Member> members) {
  if (members.empty()) return object();
  auto object = std::make_unique<Object>();
  object->members = std::move(members);
  object->sort_index();
  const auto same_key = [&](std::uint32_t a, std::uint32_t b) {
    return object->members[a].key == object->members[b].key;
  };
  if (lists::adjacent_find(object->index, same_key) != object->index.end()) object->merge_repeated();
  if (object->members.size() <= Object::kLinear) object->index = {};
  return Json(Value(std::move(object)));
}

MOECLIP_FUNC const char* to_string(Json::Kind kind) {
  switch (kind) {
    case Json::Kind::null: return "null";
    case Json::Kind::boolean: return "a boolean";
    case Json::Kind::number: return "a number";
    case Json::Kind::string: return "a string";
    case Json::Kind::array: return "an array";
    case Json::Kind::object: return "an object";
  }
  return "nothing";
}

MOECLIP_FUNC Json::Kind Json::kind() const noexcept {
  constexpr Kind kKinds[] = {Kind::null,   Kind::boolean, Kind::number, Kind::number, Kind::number,
                             Kind::string, Kind::array,   Kind::object, Kind::number};
  return kKinds[value_.index()];
}

template <class T>
const T& Json::expect(std::string_view wanted) const {
  const T* value = std::get_if<T>(&value_);
  if (value == nullptr) fail(ErrorCode::format, concat("JSON: ", wanted, " was wanted, found ", to_string(kind())));
  return *value;
}

MOECLIP_FUNC double Json::as_number() const {
  if (const auto* integer = std::get_if<std::int64_t>(&value_)) return static_cast<double>(*integer);
  if (const auto* natural = std::get_if<std::uint64_t>(&value_)) return static_cast<double>(*natural);
  if (is_beyond()) fail(ErrorCode::format, "JSON: a number is larger than a double can hold");
  return expect<double>("a number");
}

MOECLIP_FUNC Json Json::beyond(bool is_negative) { return Json(Value(Beyond{is_negative})); }
MOECLIP_FUNC bool Json::is_beyond() const noexcept { return std::holds_alternative<Beyond>(value_); }

MOECLIP_FUNC std::int64_t Json::as_int64() const {
  if (is_number() && !std::holds_alternative<std::int64_t>(value_))
    fail(ErrorCode::format, concat("JSON: an integer below 2^63 was wanted, found ", as_number()));
  return expect<std::int64_t>("an integer");
}

MOECLIP_FUNC std::uint64_t Json::as_uint64() const {
  if (const auto* natural = std::get_if<std::uint64_t>(&value_)) return *natural;
  const auto* integer = std::get_if<std::int64_t>(&value_);
  if (is_number() && (integer == nullptr || *integer < 0))
    fail(ErrorCode::format, concat("JSON: an integer from 0 on was wanted, found ", as_number()));
  return static_cast<std::uint64_t>(expect<std::int64_t>("an integer"));
}

MOECLIP_FUNC const std::string& Json::as_string() const {
  const std::string& text = raw_string();
  if (has_surrogate(text)) fail(ErrorCode::format, "JSON: half of a surrogate pair stands alone in a string");
  return text;
}

MOECLIP_FUNC const std::string& Json::raw_string() const {
  static const std::string empty;
  const auto& text = expect<std::unique_ptr<std::string>>("a string");
  return text == nullptr ? empty : *text;
}

MOECLIP_FUNC std::span<const Json> Json::items() const {
  const auto& array = expect<std::unique_ptr<Array>>("an array");
  return array == nullptr ? std::span<const Json>() : *array;
}

MOECLIP_FUNC std::span<const Json::Member> Json::members() const {
  const auto& object = expect<std::unique_ptr<Object>>("an object");
  return object == nullptr ? std::span<const Member>() : object->members;
}

MOECLIP_FUNC std::size_t Json::size() const noexcept {
  if (is_array()) return items().size();
  return is_object() ? members().size() : 0;
}

MOECLIP_FUNC const Json* Json::find(std::string_view key) const {
  const auto& object = expect<std::unique_ptr<Object>>("an object");
  const Member* member = object == nullptr ? nullptr : object->find(key);
  return member == nullptr ? nullptr : &member->value;
}

MOECLIP_FUNC const Json& Json::at(std::string_view key) const {
  const Json* value = find(key);
  if (value == nullptr) fail(ErrorCode::missing, concat("JSON: there is no member \"", key, "\""));
  return *value;
}

MOECLIP_FUNC const Json& Json::at(std::size_t index) const {
  const auto all = items();
  if (index >= all.size()) fail(ErrorCode::missing, concat("JSON: there is no item ", index, " of ", all.size()));
  return all[index];
}

template <class T>
T& Json::expect_container(std::string_view wanted) {
  if (is_null()) value_ = std::unique_ptr<T>();
  static_cast<void>(expect<std::unique_ptr<T>>(wanted));
  auto& container = *std::get_if<std::unique_ptr<T>>(&value_);
  if (container == nullptr) container = std::make_unique<T>();
  return *container;
}

MOECLIP_FUNC Json& Json::push_back(Json item) {
  expect_container<Array>("an array").push_back(std::move(item));
  return *this;
}

MOECLIP_FUNC Json& Json::set(std::string key, Json value) {
  auto& object = expect_container<Object>("an object");
  if (const Member* known = object.find(key)) {
    object.members[static_cast<std::size_t>(known - object.members.data())].value = std::move(value);
  } else {
    object.append({std::move(key), std::move(value)});
  }
  return *this;
}

MOECLIP_FUNC bool operator==(const Json& a, const Json& b) {
  if (a.value_.index() != b.value_.index()) return false;
  switch (a.kind()) {
    case Json::Kind::null: return true;
    case Json::Kind::boolean:
    case Json::Kind::number: return a.value_ == b.value_;
    case Json::Kind::string: return a.raw_string() == b.raw_string();
    case Json::Kind::array: return lists::equal(a.items(), b.items());
    case Json::Kind::object: return lists::equal(a.members(), b.members());
  }
  return false;
}

}}  // namespace moeclip::abi_v0_1

#endif
