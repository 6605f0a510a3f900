#include "compile/dim_table.h"

namespace tenon {
namespace {

plan::DimOp op_of(Dim::Op op) {
  switch (op) {
    case Dim::Op::symbol: return plan::DimOp::symbol;
    case Dim::Op::floordiv: return plan::DimOp::floordiv;
    case Dim::Op::ceildiv: return plan::DimOp::ceildiv;
    case Dim::Op::mod: return plan::DimOp::mod;
    case Dim::Op::max: return plan::DimOp::max;
    case Dim::Op::min: return plan::DimOp::min;
    case Dim::Op::broadcast: return plan::DimOp::broadcast;
  }
  return plan::DimOp::constant;
}

}  // namespace

DimTable::DimTable(const std::vector<std::string>& symbols) {
  for (size_t i = 0; i < symbols.size(); ++i) symbols_[symbols[i]] = static_cast<int64_t>(i);
}

uint32_t DimTable::add(plan::DimExpr expr) {
  auto [it, inserted] = known_.emplace(std::tuple(expr.op, expr.value, expr.a, expr.b), 0);
  if (inserted) {
    it->second = static_cast<uint32_t>(table_.size());
    table_.push_back(expr);
  }
  return it->second;
}

uint32_t DimTable::constant(int64_t value) { return add({plan::DimOp::constant, value, 0, 0}); }

uint32_t DimTable::atom(const Dim::Atom& atom) {
  if (atom.op == Dim::Op::symbol) return add({plan::DimOp::symbol, symbols_.at(atom.name), 0, 0});
  uint32_t value = of(atom.args[0]);
  for (size_t i = 1; i < atom.args.size(); ++i) value = add({op_of(atom.op), 0, value, of(atom.args[i])});
  return value;
}

// A sum of products, left to right.
uint32_t DimTable::of(const Dim& dim) {
  if (dim.is_constant()) return constant(dim.value());
  uint32_t sum = 0;
  bool first = true;
  auto include = [&](uint32_t value) {
    sum = first ? value : add({plan::DimOp::add, 0, sum, value});
    first = false;
  };
  for (const Dim::Term& term : dim.terms()) {
    uint32_t product = atom(*term.atoms[0]);
    for (size_t i = 1; i < term.atoms.size(); ++i) product = add({plan::DimOp::mul, 0, product, atom(*term.atoms[i])});
    if (term.factor != 1) product = add({plan::DimOp::mul, 0, product, constant(term.factor)});
    include(product);
  }
  if (dim.constant_part() != 0) include(constant(dim.constant_part()));
  return sum;
}

}  // namespace tenon
