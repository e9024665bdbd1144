// SPDX-License-Identifier: MIT
#pragma once
// Every Python name that a pickle may mention: those that torch.save and TorchScript write around tensors. A name is
// only a label here, never something that is looked up or called; a name that is not in the table is refused.

#include <cstdint>
#include <optional>
#include <string_view>

#include "../dtype.hpp"

namespace moeclip { inline namespace abi_v0_1 {

enum class PickleName : std::uint8_t {
  ordered_dict,        // collections.OrderedDict() or (list of pairs)
  counter,             // collections.Counter(dict)
  set,                 // set(list), frozenset(list)
  encode,              // _codecs.encode(text, "latin1"): how protocols below 3 write bytes
  size,                // torch.Size(tuple)
  device,              // torch.device(type, index)
  dtype,               // torch.float32 ..., a value
  storage,             // torch.FloatStorage ..., inside a persistent id
  untyped_storage,     // torch.UntypedStorage
  tensor_class,        // torch.Tensor, Parameter, Buffer: the type argument of rebuild_from_type
  rebuild_tensor,      // (storage, offset, size, stride)
  rebuild_tensor_v2,   // (storage, offset, size, stride, requires_grad, hooks[, metadata])
  rebuild_tensor_v3,   // the same with dtype after hooks; the storage is untyped
  rebuild_parameter,   // (tensor, requires_grad, hooks[, state])
  rebuild_from_type,   // (function, type, arguments, state): a tensor with Python attributes
  build_list,          // TorchScript: torch.jit._pickle.build_tensorlist(list) ...
  restore_type_tag,    // TorchScript: (value, "Dict[str, Tensor]")
  script_class,        // TorchScript: __torch__.module.Class
  unsupported_tensor,  // known, but of a kind that is not read: sparse, quantised, complex ...
};

/// A resolved name. `dtype` belongs to `dtype` and `storage`.
struct PickleGlobal {
  PickleName name = PickleName::unsupported_tensor;
  DType dtype = DType::u8;
};

namespace detail {

struct PickleNameRow {
  std::string_view module, name;
  PickleGlobal global;
};

inline constexpr PickleNameRow kPickleNames[] = {
    {"collections", "OrderedDict", {PickleName::ordered_dict}},
    {"collections", "Counter", {PickleName::counter}},
    {"__builtin__", "set", {PickleName::set}},
    {"__builtin__", "frozenset", {PickleName::set}},
    {"builtins", "set", {PickleName::set}},
    {"builtins", "frozenset", {PickleName::set}},
    {"_codecs", "encode", {PickleName::encode}},
    {"torch", "Size", {PickleName::size}},
    {"torch", "device", {PickleName::device}},
    {"torch", "Tensor", {PickleName::tensor_class}},
    {"torch.nn.parameter", "Parameter", {PickleName::tensor_class}},
    {"torch.nn.parameter", "Buffer", {PickleName::tensor_class}},
    {"torch._utils", "_rebuild_tensor", {PickleName::rebuild_tensor}},
    {"torch._utils", "_rebuild_tensor_v2", {PickleName::rebuild_tensor_v2}},
    {"torch._utils", "_rebuild_tensor_v3", {PickleName::rebuild_tensor_v3}},
    {"torch._utils", "_rebuild_parameter", {PickleName::rebuild_parameter}},
    {"torch._utils", "_rebuild_parameter_with_state", {PickleName::rebuild_parameter}},
    {"torch._tensor", "_rebuild_from_type", {PickleName::rebuild_from_type}},
    {"torch._tensor", "_rebuild_from_type_v2", {PickleName::rebuild_from_type}},
    {"torch.jit._pickle", "build_tensorlist", {PickleName::build_list}},
    {"torch.jit._pickle", "build_intlist", {PickleName::build_list}},
    {"torch.jit._pickle", "build_doublelist", {PickleName::build_list}},
    {"torch.jit._pickle", "build_boollist", {PickleName::build_list}},
    {"torch.jit._pickle", "restore_type_tag", {PickleName::restore_type_tag}},
    {"torch", "DoubleStorage", {PickleName::storage, DType::f64}},
    {"torch", "FloatStorage", {PickleName::storage, DType::f32}},
    {"torch", "HalfStorage", {PickleName::storage, DType::f16}},
    {"torch", "BFloat16Storage", {PickleName::storage, DType::bf16}},
    {"torch", "LongStorage", {PickleName::storage, DType::i64}},
    {"torch", "IntStorage", {PickleName::storage, DType::i32}},
    {"torch", "ShortStorage", {PickleName::storage, DType::i16}},
    {"torch", "CharStorage", {PickleName::storage, DType::i8}},
    {"torch", "ByteStorage", {PickleName::storage, DType::u8}},
    {"torch", "BoolStorage", {PickleName::storage, DType::boolean}},
    {"torch", "UntypedStorage", {PickleName::untyped_storage}},
    {"torch.storage", "UntypedStorage", {PickleName::untyped_storage}},
    {"torch.storage", "_UntypedStorage", {PickleName::untyped_storage}},
    {"torch", "float64", {PickleName::dtype, DType::f64}},
    {"torch", "float32", {PickleName::dtype, DType::f32}},
    {"torch", "float16", {PickleName::dtype, DType::f16}},
    {"torch", "bfloat16", {PickleName::dtype, DType::bf16}},
    {"torch", "int64", {PickleName::dtype, DType::i64}},
    {"torch", "int32", {PickleName::dtype, DType::i32}},
    {"torch", "int16", {PickleName::dtype, DType::i16}},
    {"torch", "int8", {PickleName::dtype, DType::i8}},
    {"torch", "uint8", {PickleName::dtype, DType::u8}},
    {"torch", "bool", {PickleName::dtype, DType::boolean}},
};

// Tensors that torch can save and this library does not read; named so that the message can say more than "refused".
inline constexpr std::string_view kUnsupportedTensors[] = {"_rebuild_sparse_tensor",
                                                           "_rebuild_sparse_csr_tensor",
                                                           "_rebuild_nested_tensor",
                                                           "_rebuild_qtensor",
                                                           "_rebuild_meta_tensor_no_storage",
                                                           "_rebuild_wrapper_subclass",
                                                           "_rebuild_device_tensor_from_numpy",
                                                           "_rebuild_device_tensor_from_cpu_tensor",
                                                           "_rebuild_xla_tensor"};
inline constexpr std::string_view kUnsupportedTypes[] = {"ComplexFloatStorage",
                                                         "ComplexDoubleStorage",
                                                         "QInt8Storage",
                                                         "QUInt8Storage",
                                                         "QInt32Storage",
                                                         "QUInt4x2Storage",
                                                         "QUInt2x4Storage",
                                                         "complex32",
                                                         "complex64",
                                                         "complex128",
                                                         "uint16",
                                                         "uint32",
                                                         "uint64",
                                                         "quint8",
                                                         "qint8",
                                                         "qint32",
                                                         "float8_e4m3fn",
                                                         "float8_e5m2",
                                                         "float8_e4m3fnuz",
                                                         "float8_e5m2fnuz"};

template <std::size_t Count>
constexpr bool is_one_of(std::string_view name, const std::string_view (&names)[Count]) {
  for (const std::string_view known : names)
    if (known == name) return true;
  return false;
}

}  // namespace detail

/// What `module`.`name` stands for, or nothing if a pickle may not mention it. Classes of a TorchScript archive
/// (`__torch__` and anything below) count only where `is_script`.
inline std::optional<PickleGlobal> find_pickle_name(std::string_view module, std::string_view name, bool is_script) {
  for (const detail::PickleNameRow& row : detail::kPickleNames)
    if (row.module == module && row.name == name) return row.global;
  if (is_script && (module == "__torch__" || module.starts_with("__torch__.")))
    return PickleGlobal{PickleName::script_class};
  if ((module == "torch._utils" && detail::is_one_of(name, detail::kUnsupportedTensors)) ||
      (module == "torch" && detail::is_one_of(name, detail::kUnsupportedTypes)))
    return PickleGlobal{PickleName::unsupported_tensor};
  return std::nullopt;
}

}}  // namespace moeclip::abi_v0_1
