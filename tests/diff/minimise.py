"""Makes a failing case small: fewer points, outputs and nodes, no attributes that do not matter, smaller dims.

`fails(case)` tells whether a case still fails in the same way; a change after which it does not is taken back.
"""
import numpy as np
import onnx
from onnx import helper, numpy_helper

from check import expected
from graph import Case, Unfit, element_type, needed


def _copy(case):
    return Case(onnx.ModelProto.FromString(case.model.SerializeToString()), [dict(f) for f in case.feeds], case.opset)


def prune(case):
    """Without what no output needs."""
    graph = case.model.graph
    used = needed(graph.node, {o.name for o in graph.output})
    for field in ("node", "initializer", "input"):
        kept = [p for p in getattr(graph, field) if any(n in used for n in (p.output if field == "node" else [p.name]))]
        del getattr(graph, field)[:]
        getattr(graph, field).extend(kept)
    del graph.value_info[:]
    case.feeds = [{n: a for n, a in feed.items() if n in used} for feed in case.feeds]
    return case


def _static(case):
    """Of one point: inputs with its dims."""
    for info in case.model.graph.input:
        if info.name in case.feeds[0]:
            info.CopyFrom(helper.make_tensor_value_info(info.name, info.type.tensor_type.elem_type, case.feeds[0][info.name].shape))
    return case


def fewer_points(case):
    for point in range(len(case.feeds)):
        if len(case.feeds) > 1:
            smaller = _copy(case)
            smaller.feeds = [case.feeds[point]]
            yield _static(smaller)


def fewer_outputs(case):
    for output in case.model.graph.output:
        if len(case.model.graph.output) > 1:
            smaller = _copy(case)
            del smaller.model.graph.output[:]
            smaller.model.graph.output.append(output)
            yield prune(smaller)


def _rename(case, old, new):
    for node in case.model.graph.node:
        for i, name in enumerate(node.input):
            if name == old:
                node.input[i] = new


def without_node(case, oracle):
    """A node's result becomes an input of the network, one of the node's operands, or an output."""
    try:
        values = [expected(case, oracle, feed)[0] for feed in case.feeds]
    except Unfit:
        return
    nodes = list(case.model.graph.node)
    outputs = {o.name for o in case.model.graph.output}
    for index in reversed(range(len(nodes))):
        node = nodes[index]
        if node.op_type == "Constant":
            continue
        if set(node.output) & outputs and len(outputs) == 1:  # the operands are outputs
            smaller = _copy(case)
            del smaller.model.graph.output[:]
            made = {o for n in nodes for o in n.output}
            names = [n for n in dict.fromkeys(node.input) if n in made]
            if names:
                smaller.model.graph.output.extend(helper.make_tensor_value_info(n, element_type(values[0][n].dtype), None) for n in names)
                yield prune(smaller)
        for name in node.output:
            if not name or name in outputs:
                continue
            for operand in node.input:
                if operand and all(v[operand].shape == v[name].shape and v[operand].dtype == v[name].dtype for v in values):
                    smaller = _copy(case)
                    _rename(smaller, name, operand)
                    yield prune(smaller)
                    break
        if not set(node.output) & outputs:
            smaller = _copy(case)
            graph = smaller.model.graph
            del graph.node[index]
            for name in filter(None, node.output):
                shapes = {v[name].shape for v in values}
                if len(shapes) == 1 and values[0][name].ndim <= 1 and values[0][name].dtype.kind in "iu" and \
                        all(np.array_equal(v[name], values[0][name]) for v in values):
                    graph.initializer.append(numpy_helper.from_array(values[0][name], name))
                    continue
                dims = [v[0] if len(set(v)) == 1 else f"{name}_{i}" for i, v in enumerate(zip(*(v[name].shape for v in values)))]
                graph.input.append(helper.make_tensor_value_info(name, element_type(values[0][name].dtype), dims))
                for feed, at in zip(smaller.feeds, values):
                    feed[name] = at[name]
            yield prune(smaller)


def fewer_attributes(case):
    for i, node in enumerate(case.model.graph.node):
        if node.op_type == "Constant":
            continue
        for k in range(len(node.attribute)):
            smaller = _copy(case)
            del smaller.model.graph.node[i].attribute[k]
            yield smaller


def fewer_operands(case):
    for i, node in enumerate(case.model.graph.node):
        for k in range(1, len(node.input)):
            if node.input[k]:
                smaller = _copy(case)
                smaller.model.graph.node[i].input[k] = ""
                while smaller.model.graph.node[i].input and not smaller.model.graph.node[i].input[-1]:
                    smaller.model.graph.node[i].input.pop()
                yield prune(smaller)


def smaller_dims(case):
    """Every dim of a size, wherever inputs and initialisers have it, becomes a smaller one."""
    if len(case.feeds) > 1:
        return
    tensors = {t.name: numpy_helper.to_array(t) for t in case.model.graph.initializer}
    sizes = sorted({d for a in (*tensors.values(), *case.feeds[0].values()) for d in a.shape if d > 1}, reverse=True)
    for size in sizes:
        for less in (1, size // 2, size - 1):
            if 0 < less < size:
                smaller = _copy(case)
                cut = lambda a: a[tuple(slice(0, less if d == size else d) for d in a.shape)]
                smaller.feeds = [{n: np.ascontiguousarray(cut(a)) for n, a in smaller.feeds[0].items()}]
                for t in smaller.model.graph.initializer:
                    if tensors[t.name].ndim:
                        t.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(cut(tensors[t.name])), t.name))
                yield _static(smaller)


def minimise(case, fails, oracle, tries=400):
    changes = (fewer_points, fewer_outputs, lambda c: without_node(c, oracle), fewer_operands, fewer_attributes, smaller_dims)
    changed = True
    while changed and tries > 0:
        changed = False
        for change in changes:
            again = True
            while again and tries > 0:
                again = False
                for smaller in change(case):
                    tries -= 1
                    if tries < 0:
                        break
                    if smaller.model.graph.node and fails(smaller):
                        case, again, changed = smaller, True, True
                        break
    return case
