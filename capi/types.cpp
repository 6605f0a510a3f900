#include "tenon/types.h"

#include "base/dtype.h"

static tenon::DType dtype_of(tn_data_type data_type) {
  auto type = static_cast<tenon::DType>(data_type);
  return data_type >= 0 && data_type <= UINT8_MAX && tenon::is_known(type) ? type : tenon::DType::none;
}

const char* tn_data_type_get_name(tn_data_type data_type) noexcept {
  return tenon::name_of(dtype_of(data_type)).data();  // of a literal: terminated
}

size_t tn_data_type_get_size(tn_data_type data_type) noexcept { return tenon::size_of(dtype_of(data_type)); }
