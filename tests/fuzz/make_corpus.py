#!/usr/bin/env python3
"""Writes the seeds of the `onnx` fuzz target, small models that between them hold one of everything, and its dictionary.

    tests/fuzz/make_corpus.py
"""
import pathlib

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper as nh

HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE / "corpus/onnx"


def f32(*dims):
    return (np.arange(int(np.prod(dims)), dtype=np.float32) % 7 - 3).reshape(dims)


def save(name, nodes, inputs, outputs, constants=None, opset=17, functions=(), domains=(), ir=8, **graph_fields):
    """`inputs`: {name: dims} of f32, or {name: (type, dims)}; `constants`: {name: array or TensorProto}."""
    def info(key, spec):
        kind, dims = spec if isinstance(spec, tuple) else (T.FLOAT, spec)
        return h.make_tensor_value_info(key, kind, dims)

    tensors = [v if isinstance(v, T) else nh.from_array(v, k) for k, v in (constants or {}).items()]
    graph = h.make_graph(nodes, name, [info(k, v) for k, v in inputs.items()], [info(k, None) for k in outputs], tensors,
                         **graph_fields)
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", opset)] + [h.make_opsetid(d, 1) for d in domains],
                         functions=list(functions), ir_version=ir)
    (OUT / f"{name}.onnx").write_bytes(model.SerializeToString())


def single(op, inputs, outputs=1, constants=None, opset=17, name=None, **attributes):
    """One node; inputs by name in order; those in `constants` are initialisers, None is absent."""
    names = list(inputs) + list(constants or {})
    results = [f"y{i}" for i in range(outputs)]
    node = h.make_node(op, ["" if n.startswith("_") else n for n in names], results, **attributes)
    save(name or op.lower(), [node], {k: v for k, v in inputs.items() if not k.startswith("_")}, results,
         {k: v for k, v in (constants or {}).items() if not k.startswith("_")}, opset)


def layers():
    single("Conv", {"x": ["N", 3, 8, 8]}, constants={"w": f32(4, 3, 3, 3), "b": f32(4)}, pads=[1, 1, 1, 1], strides=[2, 2])
    single("Conv", {"x": ["N", 4, "H", "W"]}, constants={"w": f32(4, 1, 3, 3)}, group=4, auto_pad="SAME_UPPER", name="depthwise")
    single("ConvTranspose", {"x": [1, 2, 5, 5]}, constants={"w": f32(2, 3, 3, 3)}, strides=[2, 2], output_padding=[1, 1])
    single("MatMul", {"x": ["N", "S", 4]}, constants={"w": f32(4, 6)})
    single("Gemm", {"x": ["N", 4]}, constants={"w": f32(6, 4), "c": f32(6)}, transB=1, alpha=0.5)
    single("MaxPool", {"x": ["N", 2, 9, 9]}, outputs=2, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    single("AveragePool", {"x": ["N", 2, 9]}, kernel_shape=[3], pads=[1, 1], count_include_pad=1)
    single("GlobalAveragePool", {"x": ["N", 2, "H", "W"]})
    single("BatchNormalization", {"x": ["N", 3, "H", "W"]},
           constants={"s": f32(3), "b": f32(3), "m": f32(3), "v": np.abs(f32(3)) + 1})
    single("LayerNormalization", {"x": ["N", "S", 8]}, constants={"s": f32(8), "b": f32(8)}, axis=-1)
    single("InstanceNormalization", {"x": ["N", 3, 4, 4]}, constants={"s": f32(3), "b": f32(3)})
    single("GroupNormalization", {"x": ["N", 4, 4, 4]}, constants={"s": f32(4), "b": f32(4)}, num_groups=2, opset=21)
    single("Softmax", {"x": ["N", "S"]}, axis=-1)
    single("LSTM", {"x": ["T", "N", 3], }, outputs=3, constants={"w": f32(2, 16, 3), "r": f32(2, 16, 4), "b": f32(2, 32)},
           hidden_size=4, direction="bidirectional", clip=1.0, activations=["Sigmoid", "Tanh", "Tanh"] * 2)
    single("GRU", {"x": ["T", "N", 3]}, outputs=2, constants={"w": f32(1, 12, 3), "r": f32(1, 12, 4)}, hidden_size=4,
           linear_before_reset=1, layout=1)
    single("RNN", {"x": [5, 2, 3]}, constants={"w": f32(1, 4, 3), "r": f32(1, 4, 4)}, hidden_size=4, activations=["LeakyRelu"],
           activation_alpha=[0.2], direction="reverse")


def shapes():
    integers = lambda *v: np.array(v, np.int64)
    single("Reshape", {"x": ["N", 4, 6]}, constants={"shape": integers(0, -1, 3)})
    single("Transpose", {"x": ["A", "B", 3]}, perm=[2, 0, 1])
    single("Slice", {"x": ["N", 10]}, constants={"starts": integers(-3, 0), "ends": integers(9223372036854775807, 5),
                                                 "axes": integers(1, 0), "steps": integers(1, 2)})
    single("Concat", {"x": ["N", 2], "z": ["N", 3]}, axis=1)
    single("Split", {"x": ["N", 6]}, outputs=2, constants={"s": integers(2, 4)}, axis=1)
    single("Pad", {"x": ["N", 3, 4]}, constants={"pads": integers(0, 1, 2, 0, 1, -1), "v": np.float32(2)}, mode="constant")
    single("Gather", {"x": ["N", 5]}, constants={"i": integers(0, -1, 3)}, axis=1)
    single("Expand", {"x": ["N", 1]}, constants={"s": integers(2, 1, 5)})
    single("Resize", {"x": [1, 2, 4, 4]}, constants={"_roi": None, "scales": np.array([1, 1, 2, 2], np.float32)}, mode="linear")
    single("TopK", {"x": ["N", 7]}, outputs=2, constants={"k": integers(3)}, axis=1)
    single("CumSum", {"x": ["N", 7]}, constants={"a": np.int64(1)}, reverse=1)
    single("Unsqueeze", {"x": ["N", 7]}, constants={"a": integers(0, 2)})
    single("Flatten", {"x": ["N", 2, 3]}, axis=2)
    single("Tile", {"x": ["N", 2]}, constants={"r": integers(2, 3)})
    single("ReduceMean", {"x": ["N", 2, 3]}, axes=[-1], keepdims=0)
    single("ReduceSum", {"x": ["N", 2, 3]}, constants={"a": integers(1)}, keepdims=1)
    single("ArgMax", {"x": ["N", 5]}, axis=1)
    single("ScatterND", {"x": [4, 3]}, constants={"i": integers(1, 0).reshape(2, 1), "u": f32(2, 3)})
    single("DepthToSpace", {"x": ["N", 8, 2, 3]}, blocksize=2)
    single("Einsum", {"x": ["N", 3], "z": ["N", 4]}, equation="ni,nj->ij")
    # Shape arithmetic as exporters write it.
    save("shape_math", [h.make_node("Shape", ["x"], ["s"]), h.make_node("Gather", ["s", "zero"], ["n"]),
                        h.make_node("Mul", ["n", "two"], ["m"]), h.make_node("Unsqueeze", ["m", "axes"], ["u"]),
                        h.make_node("Concat", ["u", "rest"], ["t"], axis=0), h.make_node("Reshape", ["x", "t"], ["y"]),
                        h.make_node("ConstantOfShape", ["t"], ["z"], value=h.make_tensor("v", T.FLOAT, [1], [2.0])),
                        h.make_node("Add", ["y", "z"], ["o"])],
         {"x": ["batch size", 4, "2*k"]}, ["o"],
         {"zero": np.int64(0), "two": np.int64(2), "axes": np.array([0]), "rest": np.array([2, -1])})


def pointwise():
    chain, last = [], "x"
    for i, op in enumerate(["Relu", "Sigmoid", "Tanh", "Exp", "Sqrt", "Erf", "Neg", "Abs", "Floor", "HardSwish", "Gelu",
                            "LeakyRelu", "Softplus", "Elu", "Reciprocal"]):
        chain.append(h.make_node(op, [last], [f"v{i}"]))
        last = f"v{i}"
    save("unary", chain, {"x": ["N", 3]}, [last], opset=20)
    binary, last = [], "x"
    for i, op in enumerate(["Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Mod"]):
        binary.append(h.make_node(op, [last, "c"], [f"v{i}"], **({"fmod": 1} if op == "Mod" else {})))
        last = f"v{i}"
    binary += [h.make_node("Greater", [last, "c"], ["g"]), h.make_node("Not", ["g"], ["n"]),
               h.make_node("Where", ["n", last, "x"], ["w"]), h.make_node("Cast", ["w"], ["o"], to=T.FLOAT16),
               h.make_node("Clip", ["w", "", "hi"], ["q"])]
    save("binary", binary, {"x": ["N", 3]}, ["o", "q"], {"c": f32(3), "hi": np.float32(6)})


def containers():
    kinds = {T.FLOAT: [1.5], T.DOUBLE: [2.5], T.INT64: [-3], T.INT32: [4], T.INT16: [-5], T.INT8: [6], T.UINT8: [7], T.UINT16: [8],
             T.UINT32: [9], T.UINT64: [10], T.BOOL: [True], T.FLOAT16: [1.0], T.BFLOAT16: [1.0], T.FLOAT8E4M3FN: [1.0], T.INT4: [1]}
    tensors = {f"t{k}": h.make_tensor(f"t{k}", k, [1], v) for k, v in kinds.items()}
    nodes = [h.make_node("Identity", [k], [f"o_{k}"]) for k in tensors]
    save("types", nodes, {"x": [1]}, [f"o_{k}" for k in tensors] + ["x"], tensors, opset=21, ir=10)
    node = h.make_node("Add", ["x", "c"], ["y"])
    constant = h.make_node("Constant", [], ["c"], value=nh.from_array(f32(2, 3), "literal"))
    save("constant", [constant, node], {"x": [2, 3]}, ["y"])
    save("initialiser_is_input", [node], {"x": [2, 3], "c": [2, 3]}, ["y", "c"], {"c": f32(2, 3)}, ir=3)
    body = [h.make_node("Mul", ["a", "b"], ["m"]), h.make_node("LeakyRelu", ["m"], ["o"])]
    reference = h.make_attribute_ref("alpha", onnx.AttributeProto.FLOAT)
    reference.ref_attr_name = "slope"
    body[1].attribute.append(reference)
    function = h.make_function("local", "MulRelu", ["a", "b"], ["o"], body, [h.make_opsetid("", 17)],
                               attributes=["slope"])
    calls = [h.make_node("MulRelu", ["x", "x"], ["u"], domain="local", slope=0.5, name="first"),
             h.make_node("MulRelu", ["u", "x"], ["y"], domain="local")]
    save("functions", calls, {"x": ["N", 3]}, ["y"], functions=[function], domains=["local"])
    then = h.make_graph([h.make_node("Relu", ["x"], ["p"])], "then", [], [h.make_tensor_value_info("p", T.FLOAT, None)])
    other = h.make_graph([h.make_node("Neg", ["x"], ["q"])], "else", [], [h.make_tensor_value_info("q", T.FLOAT, None)])
    save("branch", [h.make_node("If", ["c"], ["y"], then_branch=then, else_branch=other)], {"x": [3], "c": (T.BOOL, [])}, ["y"])
    longer = h.make_graph([h.make_node("Concat", ["x", "x"], ["q"], axis=0)], "else", [], [h.make_tensor_value_info("q", T.FLOAT, None)])
    save("branch_of_shapes", [h.make_node("If", ["c"], ["y"], then_branch=then, else_branch=longer)], {"x": ["N"], "c": (T.BOOL, [])}, ["y"])

    def loop_body(condition):
        nodes = [h.make_node("Add", ["h", "x"], ["h1"]), h.make_node("ReduceSum", ["h1"], ["s"], keepdims=0), *condition]
        return h.make_graph(nodes, "body", [h.make_tensor_value_info(n, k, []) for n, k in (("i", T.INT64), ("c", T.BOOL))] +
                            [h.make_tensor_value_info("h", T.FLOAT, None)],
                            [h.make_tensor_value_info("c1", T.BOOL, []), h.make_tensor_value_info("h1", T.FLOAT, None),
                             h.make_tensor_value_info("s", T.FLOAT, None)])
    limit = {"limit": np.array(9, np.int64), "most": np.array(4, np.int64)}
    save("loop_of_count", [h.make_node("Min", ["n", "most"], ["m"]),
                           h.make_node("Loop", ["m", "", "x"], ["y", "sums"], body=loop_body([h.make_node("Identity", ["c"], ["c1"])]))],
         {"x": ["N", 2], "n": (T.INT64, [])}, ["y", "sums"], limit)
    save("loop_while", [h.make_node("Loop", ["limit", "go", "x"], ["y", "sums"], body=loop_body([h.make_node("Less", ["s", "bound"], ["c1"])]))],
         {"x": ["N", 2], "go": (T.BOOL, []), "bound": []}, ["y", "sums"], limit)
    scanned = h.make_graph([h.make_node("Add", ["h", "e"], ["h1"]), h.make_node("Neg", ["h1"], ["o"])], "body",
                           [h.make_tensor_value_info(n, T.FLOAT, None) for n in ("h", "e")],
                           [h.make_tensor_value_info(n, T.FLOAT, None) for n in ("h1", "o")])
    save("scan_of_length", [h.make_node("Scan", ["h0", "x"], ["h", "y"], body=scanned, num_scan_inputs=1, scan_input_axes=[1],
                                        scan_output_directions=[1])], {"h0": [2], "x": [2, "N"]}, ["h", "y"])
    external = T(name="w", data_type=T.FLOAT, dims=[2], data_location=T.EXTERNAL)
    for key, value in (("location", "weights.bin"), ("offset", "0"), ("length", "8")):
        external.external_data.add(key=key, value=value)
    save("external", [h.make_node("Add", ["x", "w"], ["y"])], {"x": [2]}, ["y"], {"w": external})
    sparse = h.make_sparse_tensor(nh.from_array(f32(2), "s"), nh.from_array(np.array([0, 3])), [5])
    save("sparse", [h.make_node("Add", ["x", "s"], ["y"])], {"x": [5]}, ["y"], sparse_initializer=[sparse])
    save("strings", [h.make_node("Identity", ["t"], ["y"])], {"x": [1]}, ["y"],
         {"t": h.make_tensor("t", T.STRING, [2], [b"a", b"bc"])})


def domains():
    def save_one(name, op, inputs, domain, constants=None, outputs=1, **attributes):
        results = [f"y{i}" for i in range(outputs)]
        node = h.make_node(op, [*inputs, *(constants or {})], results, domain=domain, **attributes)
        save(name, [node], inputs, results, constants, domains=[domain], opset=21, ir=10)

    def save_typed(name, node, x, outputs, version):
        graph = h.make_graph([node], name, [h.make_tensor_value_info("x", *x)],
                             [h.make_tensor_value_info(k, kind, None) for k, kind in outputs.items()])
        model = h.make_model(graph, opset_imports=[h.make_opsetid("", 21), h.make_opsetid(ml, version)], ir_version=10)
        (OUT / f"{name}.onnx").write_bytes(model.SerializeToString())
    ms, ml = "com.microsoft", "ai.onnx.ml"
    save_one("multi_head", "MultiHeadAttention", {"q": ["N", "S", 8], "k": ["N", "S", 8], "v": ["N", "S", 8]}, ms,
             {"b": f32(24), "m": np.ones((1, 3), np.int32)}, num_heads=2, unidirectional=1)
    save_one("fused_attention", "Attention", {"x": ["N", "S", 4]}, ms, {"w": f32(4, 24), "b": f32(24)}, num_heads=2)
    group = h.make_node("GroupQueryAttention", ["q", "k", "v", "pk", "pv", "last", "total", "c", "s"], ["y", "nk", "nv"],
                        domain=ms, num_heads=4, kv_num_heads=2, do_rotary=1, local_window_size=3)
    save("group_query", [group], {"q": [1, 1, 32], "k": [1, 1, 16], "v": [1, 1, 16], "pk": [1, 2, "P", 8], "pv": [1, 2, "P", 8],
                                  "last": (T.INT32, [1])}, ["y", "nk", "nv"],
         {"total": np.int32(5), "c": f32(9, 4), "s": f32(9, 4)}, domains=[ms])
    save_one("nbits", "MatMulNBits", {"x": ["N", 20]}, ms, {"w": np.arange(48, dtype=np.uint8).reshape(3, 2, 8), "s": f32(3, 2),
                                                            "z": np.full((3, 1), 0x87, np.uint8)},
             K=20, N=3, bits=4, block_size=16)
    save_one("skip_norm", "SkipLayerNormalization", {"x": ["N", 2, 4], "s": ["N", 2, 4]}, ms, {"g": f32(4)}, outputs=1)
    save_one("dynamic_product", "DynamicQuantizeMatMul", {"x": ["N", 4]}, ms,
             {"w": np.ones((4, 2), np.int8), "s": np.float32(0.5)})
    tree = {"nodes_treeids": [0, 0, 0], "nodes_nodeids": [0, 1, 2], "nodes_featureids": [1, 0, 0],
            "nodes_values": [0.5, 0.0, 0.0],
            "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"], "nodes_truenodeids": [1, 0, 0], "nodes_falsenodeids": [2, 0, 0]}
    save_one("tree_regressor", "TreeEnsembleRegressor", {"x": ["N", 3]}, ml, n_targets=1, target_treeids=[0, 0],
             target_nodeids=[1, 2], target_ids=[0, 0], target_weights=[1.0, 2.0], **tree)
    classifier = h.make_node("TreeEnsembleClassifier", ["x"], ["y", "z"], domain=ml, classlabels_int64s=[3, 5],
                             class_treeids=[0, 0], class_nodeids=[1, 2], class_ids=[0, 0], class_weights=[0.2, 0.9],
                             post_transform="LOGISTIC", **tree)
    save_typed("tree_classifier", classifier, (T.FLOAT, ["N", 3]), {"y": T.INT64, "z": T.FLOAT}, 3)
    forest = h.make_node("TreeEnsemble", ["x"], ["y"], domain=ml, nodes_featureids=[0],
                         nodes_modes=nh.from_array(np.array([6], np.uint8)),
                         nodes_splits=nh.from_array(f32(1)), nodes_truenodeids=[0], nodes_falsenodeids=[1], nodes_trueleafs=[1],
                         nodes_falseleafs=[1], leaf_targetids=[0, 0], leaf_weights=nh.from_array(f32(2)), tree_roots=[0],
                         membership_values=nh.from_array(np.array([1, 2, np.nan], np.float32)))
    save_typed("tree_ensemble", forest, (T.FLOAT, ["N", 2]), {"y": T.FLOAT}, 5)
    encoder = h.make_node("LabelEncoder", ["x"], ["y"], domain=ml, keys_int64s=[3, 1, 2], values_floats=[0.5, 1.5, 2.5])
    save_typed("label_encoder", encoder, (T.INT64, ["N"]), {"y": T.FLOAT}, 2)
    save_one("adam", "Adam", {"r": [], "t": (T.INT64, []), "x": ["N"], "g": ["N"], "v": ["N"], "h": ["N"]},
             "ai.onnx.preview.training", outputs=3)


def broken():
    relu = [h.make_node("Relu", ["x"], ["y"])]
    save("cycle", [h.make_node("Add", ["x", "b"], ["a"]), h.make_node("Relu", ["a"], ["b"])], {"x": [1]}, ["b"])
    save("missing", [h.make_node("Add", ["x", "gone"], ["y"])], {"x": [1]}, ["y"])
    save("unknown_op", [h.make_node("Rleu", ["x"], ["y"])], {"x": [1]}, ["y"])
    save("unknown_domain", [h.make_node("Op", ["x"], ["y"], domain="org.example")], {"x": [1]}, ["y"])
    save("negative_dim", relu, {"x": [-5]}, ["y"])
    save("absurd_dims", relu, {"x": [1 << 40, 1 << 40]}, ["y"])
    (OUT / "truncated.onnx").write_bytes((OUT / "conv.onnx").read_bytes()[:150])


def dictionary():
    """Operator and attribute names, as length-delimited fields of a node."""
    names = set()
    for schema in onnx.defs.get_all_schemas():
        if schema.domain in ("", "ai.onnx.ml"):
            names |= {schema.name, *schema.attributes}
    lines = [f'"\\x{len(name):02x}{name}"' for name in sorted(names) if len(name) < 128]
    (HERE / "onnx.dict").write_text("\n".join(lines) + "\n")


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    for make in (layers, shapes, pointwise, containers, domains, broken):
        make()
    dictionary()
    sizes = [p.stat().st_size for p in OUT.glob("*.onnx")]
    print(f"{len(sizes)} models, {sum(sizes)} bytes")


if __name__ == "__main__":
    main()
