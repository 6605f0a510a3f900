#!/usr/bin/env python3
"""Operators of other domains than ai.onnx, those that ONNX Runtime writes into it, and those that draw numbers, against ONNX
Runtime on the CPU.

    tests/onnx/contrib.py [--build DIR] [--table FILE] [--canary] [PATTERN ...]

A case is a small model and its inputs. It is run with the dims of its inputs fixed and, where it names sizes, with those dims
as symbols. Integers and bools must be equal, floats within a bound of ‖out−ref‖/‖ref‖ by their type. What ONNX Runtime's CPU
provider has no kernel for is compared with a model of operators that it has. A case of `refused` must be refused with the text
that it names. What is drawn at random is held to its distribution, to its seed, and to being the same in each run.
"""
import argparse
import fnmatch
import os
import pathlib
import sys
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
BOUNDS = {"float32": 1e-5, "float64": 1e-5, "float16": 1e-2}
MS, ML = "com.microsoft", "ai.onnx.ml"


@dataclass
class Case:
    """`inputs` are fed; `weights` are initialisers. `symbols`: a size of the inputs' dims → the name it gets."""
    name: str
    nodes: list
    inputs: dict
    weights: dict = field(default_factory=dict)
    outputs: tuple = ("y",)
    types: dict = field(default_factory=dict)  # of outputs, where nothing else says
    symbols: dict = field(default_factory=dict)
    reference: list | None = None  # nodes that ONNX Runtime runs in the place of `nodes`
    refusal: str | None = None
    opsets: dict = field(default_factory=dict)
    bound: float | None = None
    one_off: int = 0  # integers that may differ by one, for each thousand
    check: object = None  # of drawn numbers, in the place of a reference: outputs → None or what is wrong


CASES = []


def case(name, nodes, inputs, **kwargs):
    nodes = nodes if isinstance(nodes, list) else [nodes]
    CASES.append(Case(name, nodes, inputs, **kwargs))


def node(op, inputs, outputs="y", domain=MS, **attributes):
    attributes = {k: v for k, v in attributes.items() if v is not None}
    return helper.make_node(op, inputs.split(",") if inputs else [], outputs.split(","), f"{op}_{outputs}", domain=domain,
                            **attributes)


def numbers(seed, *shape, dtype=np.float32, low=-1.0, high=1.0):
    return np.random.default_rng(seed).uniform(low, high, shape).astype(dtype)


def integers(seed, *shape, dtype=np.uint8, low=None, high=None):
    info = np.iinfo(dtype)
    return np.random.default_rng(seed).integers(info.min if low is None else low, info.max + 1 if high is None else high, shape,
                                                dtype=np.int64).astype(dtype)


def model(this, symbolic, nodes=None):
    def value(name, array):
        dims = [this.symbols.get(d, d) if symbolic else d for d in array.shape]
        return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), dims)
    graph = helper.make_graph(nodes or this.nodes, this.name.replace("/", "_"), [value(*item) for item in this.inputs.items()],
                              [helper.make_tensor_value_info(name, this.types[name], None) if name in this.types else
                               helper.make_empty_tensor_value_info(name) for name in this.outputs],
                              [numpy_helper.from_array(array, name) for name, array in this.weights.items()])
    versions = {"": 21, MS: 1, ML: 3, **this.opsets}
    return helper.make_model(graph, opset_imports=[helper.make_opsetid(*item) for item in versions.items()], ir_version=10)


def by_runtime(this):
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = ort.InferenceSession(model(this, False, this.reference).SerializeToString(), options, ["CPUExecutionProvider"])
    return dict(zip(this.outputs, session.run(list(this.outputs), this.inputs)))


def by_tenon(this, symbolic):
    import tenon_ctypes as tenon
    profile = {name: (array.shape,) * 3 for name, array in this.inputs.items()}
    built = tenon.build(model(this, symbolic).SerializeToString(), [profile] if profile else [], threads=1, timer="fake")
    return tenon.Engine(built.plan, threads=1).context().run(this.inputs)


def difference(out, ref, this):
    """None, or what differs."""
    if out.dtype != ref.dtype or out.shape != ref.shape:
        return f"{out.dtype}{list(out.shape)}, expected {ref.dtype}{list(ref.shape)}"
    if ref.dtype == object:
        return None if np.array_equal(out, ref) else f"strings differ: {out.reshape(-1)[:5]}, expected {ref.reshape(-1)[:5]}"
    if ref.dtype.kind in "iub":
        apart = np.abs(out.astype(np.int64) - ref.astype(np.int64))
        if apart.max(initial=0) > (this.one_off > 0) or (apart != 0).sum() * 1000 > this.one_off * apart.size:
            return f"{(apart != 0).sum()} of {apart.size} integers differ, by up to {apart.max()}"
        return None
    a, b = out.astype(np.float64), ref.astype(np.float64)
    if not np.array_equal(np.isfinite(a), np.isfinite(b)):
        return f"{(~np.isfinite(a)).sum()} numbers are not finite, expected {(~np.isfinite(b)).sum()}"
    a, b = np.where(np.isfinite(a), a, 0), np.where(np.isfinite(b), b, 0)
    error = np.linalg.norm(a - b) / max(np.linalg.norm(b), 1e-30)
    bound = this.bound or BOUNDS[ref.dtype.name]
    return None if error <= bound else f"‖out−ref‖/‖ref‖ is {error:.2e}, the bound {bound:.0e}"


def verdicts(this, planted):
    """(name, None or what is wrong) of each run of a case."""
    import tenon_ctypes as tenon
    if this.refusal is not None:
        try:
            by_tenon(this, False)
            yield this.name, f"is not refused; expected '{this.refusal}'"
        except tenon.TenonError as error:
            yield this.name, None if this.refusal in str(error) else f"refused with another text: {error}"
        return
    if this.check is not None:
        first, again = by_tenon(this, False), by_tenon(this, bool(this.symbols))
        same = all(np.array_equal(first[name], again[name]) for name in this.outputs)
        drawn = {name: first[name] * 3 if planted else first[name] for name in this.outputs}
        yield this.name, this.check(**drawn) if same else "two runs differ"
        return
    expected = by_runtime(this)
    for symbolic in (False, True) if this.symbols else (False,):
        name = this.name + ("/symbols" if symbolic else "")
        try:
            got = by_tenon(this, symbolic)
        except tenon.TenonError as error:
            yield name, " ".join(str(error).split())[:400]
            continue
        wrong = []
        for output in this.outputs:
            reference = expected[output]
            if planted:
                reference = reference.astype(object) + "x" if reference.dtype.kind in "OUS" else reference + 1
            if what := difference(got[output], reference, this):
                wrong.append(f"{output}: {what}")
        yield name, "; ".join(wrong) or None


# ── com.microsoft: activations, products, normalisations ──────────────────────────────────────────────────────────────
def activations():
    x, bias = numbers(1, 2, 5, 12, low=-4, high=4), numbers(2, 12)
    case("gelu", node("Gelu", "x"), {"x": x}, symbols={5: "length"})
    case("bias_gelu", node("BiasGelu", "x,b"), {"x": x}, weights={"b": bias}, symbols={5: "length"})
    case("quick_gelu", node("QuickGelu", "x"), {"x": x})
    case("quick_gelu_alpha", node("QuickGelu", "x", alpha=0.5), {"x": x})
    for dtype in (np.float32, np.float16):
        t = np.dtype(dtype).name
        case(f"fast_gelu/{t}", node("FastGelu", "x"), {"x": x.astype(dtype)})
        case(f"fast_gelu_bias/{t}", node("FastGelu", "x,b"), {"x": x.astype(dtype), "b": bias.astype(dtype)},
             symbols={5: "length"})
    case("refused/bias_gelu_dims", node("BiasGelu", "x,b"), {"x": numbers(1, 2, 5), "b": numbers(2, 4)},
         refusal="must have the last dim")
    case("refused/unknown_attribute", node("QuickGelu", "x", beta=0.5), {"x": numbers(1, 2)}, refusal="has no attribute 'beta'")


def products():
    a, b = numbers(3, 2, 3, 4, 5), numbers(4, 2, 3, 5, 6)
    turn = lambda x: np.ascontiguousarray(x.swapaxes(-1, -2))
    batch = lambda x: np.ascontiguousarray(np.moveaxis(x, -2, 0))
    case("fused_matmul/plain", node("FusedMatMul", "a,b", alpha=0.5), {"a": a, "b": b}, symbols={2: "batch", 4: "rows"})
    case("fused_matmul/trans", node("FusedMatMul", "a,b", transA=1, transB=1), {"a": turn(a), "b": turn(b)})
    case("fused_matmul/trans_a", node("FusedMatMul", "a,b", transA=1, alpha=2.0), {"a": turn(a), "b": b[0, 0]})
    case("transpose_matmul", node("TransposeMatMul", "a,b", transA=1, alpha=0.5), {"a": turn(a), "b": b})
    case("fused_matmul/vector", node("FusedMatMul", "a,b", transB=1), {"a": numbers(5, 5), "b": turn(b)})
    case("fused_matmul/trans_batch", node("FusedMatMul", "a,b", transBatchA=1, transBatchB=1), {"a": batch(a), "b": batch(b)})
    case("fused_matmul/trans_batch_and_trans", node("FusedMatMul", "a,b", transBatchA=1, transA=1), {"a": batch(turn(a)), "b": b})
    for activation, params in ((None, None), ("Relu", None), ("Tanh", None), ("Sigmoid", None), ("LeakyRelu", [0.1]),
                               ("Clip", [-0.5, 0.75]), ("HardSigmoid", [0.3, 0.4])):
        x, w, bias, z = numbers(6, 2, 4, 7, 6), numbers(7, 6, 2, 3, 3), numbers(8, 6), numbers(9, 2, 6, 7, 6)
        attributes = {"group": 2, "pads": [1, 1, 1, 1], "kernel_shape": [3, 3], "activation": activation,
                      "activation_params": params}
        case(f"fused_conv/{activation}", node("FusedConv", "x,w,b,z", **attributes), {"x": x, "z": z},
             weights={"w": w, "b": bias})
    case("fused_conv/no_z", node("FusedConv", "x,w", activation="Relu", strides=[2, 2]), {"x": numbers(6, 2, 4, 7, 6)},
         weights={"w": numbers(7, 6, 4, 3, 3)}, symbols={2: "batch"})
    case("refused/fused_conv", node("FusedConv", "x,w", activation="Softsign"), {"x": numbers(6, 2, 4, 7, 6)},
         weights={"w": numbers(7, 6, 4, 3, 3)}, refusal="activation 'Softsign' is not supported")
    g, h, c = numbers(10, 4, 5), numbers(11, 5, 6), numbers(12, 6)
    case("fused_gemm", node("FusedGemm", "a,b,c", alpha=0.5, beta=2.0, activation="LeakyRelu", activation_alpha=0.2),
         {"a": g}, weights={"b": h, "c": c})
    case("fused_gemm/trans", node("FusedGemm", "a,b", transA=1, transB=1, activation="Relu"), {"a": turn(g)},
         weights={"b": turn(h)})
    x, w, bias = numbers(13, 2, 7, 6, 4), numbers(14, 6, 4, 3, 3), numbers(15, 6)
    onnx_nodes = [node("Transpose", "x", "xt", domain="", perm=[0, 3, 1, 2]),
                  node("Conv", "xt,w,b", "yt", domain="", strides=[2, 1]),
                  node("Transpose", "yt", "y", domain="", perm=[0, 2, 3, 1])]
    case("nhwc_conv", node("NhwcConv", "x,w,b", strides=[2, 1]), {"x": x}, weights={"w": w, "b": bias}, reference=onnx_nodes)


def normalisations():
    for dtype in (np.float32, np.float16):
        t = np.dtype(dtype).name
        x, skip = numbers(20, 2, 5, 16, dtype=dtype), numbers(21, 2, 5, 16, dtype=dtype)
        gamma, beta, bias = (numbers(i, 16, dtype=dtype) for i in (22, 23, 24))
        weights = {"g": gamma, "b": beta, "c": bias}
        named = {"symbols": {2: "batch", 5: "length"}}
        case(f"skip_layer_norm/{t}", node("SkipLayerNormalization", "x,s,g,b,c", "y,,,sum", epsilon=1e-5), {"x": x, "s": skip},
             weights=weights, outputs=("y", "sum"), **named)
        case(f"skip_layer_norm_no_beta/{t}", node("SkipLayerNormalization", "x,s,g"), {"x": x, "s": skip}, weights={"g": gamma},
             **named)
        case(f"skip_layer_norm_broadcast/{t}", node("SkipLayerNormalization", "x,s,g,b"), {"x": x, "s": skip[:1]},
             weights={"g": gamma, "b": beta})
        case(f"skip_layer_norm_rows/{t}", node("SkipLayerNormalization", "x,s,g,b"), {"x": x, "s": skip[0]},
             weights={"g": gamma, "b": beta})
        case(f"skip_simplified/{t}", node("SkipSimplifiedLayerNormalization", "x,s,g,c", "y,,,sum", epsilon=1e-5),
             {"x": x, "s": skip},
             weights={"g": gamma, "c": bias}, outputs=("y", "sum"), **named)
        case(f"skip_simplified_2d/{t}", node("SkipSimplifiedLayerNormalization", "x,s,g"), {"x": x[0], "s": skip[0]},
             weights={"g": gamma})
        case(f"simplified/{t}", node("SimplifiedLayerNormalization", "x,g", domain="", epsilon=1e-6), {"x": x},
             weights={"g": gamma}, **named)
        tables = {"word": numbers(25, 30, 16, dtype=dtype), "place": numbers(26, 9, 16, dtype=dtype),
                  "segment": numbers(27, 2, 16, dtype=dtype)}
        ids, segments = integers(28, 3, 7, dtype=np.int32, low=0, high=30), integers(29, 3, 7, dtype=np.int32, low=0, high=2)
        mask = (np.arange(7)[None] < np.array([[7], [4], [1]])).astype(np.int32)
        case(f"embed_layer_norm/{t}", node("EmbedLayerNormalization", "ids,segments,word,place,segment,g,b,mask", "y,index,sum"),
             {"ids": ids, "segments": segments, "mask": mask}, weights={**weights, **tables}, outputs=("y", "index", "sum"),
             symbols={3: "batch", 7: "length"})
        case(f"embed_layer_norm_plain/{t}", node("EmbedLayerNormalization", "ids,,word,place,,g,b", "y,index", epsilon=1e-3),
             {"ids": ids},
             weights={**weights, **tables}, outputs=("y", "index"))
        case(f"embed_layer_norm_places/{t}", node("EmbedLayerNormalization", "ids,,word,place,,g,b,,places", "y,"),
             {"ids": ids, "places": integers(30, 3, 7, dtype=np.int32, low=0, high=9)}, weights={**weights, **tables})
    case("simplified/axis", node("SimplifiedLayerNormalization", "x,g", "y,inverse", domain="", axis=1),
         {"x": numbers(31, 2, 4, 8)},
         weights={"g": numbers(32, 4, 8)}, outputs=("y", "inverse"))
    x = numbers(20, 2, 5, 16)
    case("refused/skip_layer_norm_mean", node("SkipLayerNormalization", "x,s,g", "y,mean"), {"x": x, "s": x},
         weights={"g": x[0, 0]},
         outputs=("y", "mean"), refusal="output 1 (mean) is not supported")


# ── com.microsoft: attention ──────────────────────────────────────────────────────────────────────────────────────────
def attention():
    batch, length, hidden, heads, past = 2, 5, 12, 3, 4
    x, w, bias = numbers(40, batch, length, 8), numbers(41, 8, 3 * hidden), numbers(42, 3 * hidden)
    weights = {"w": w, "b": bias}
    named = {"symbols": {2: "batch", 5: "length"}}
    kept = numbers(43, 2, batch, heads, past, hidden // heads)
    more = numbers(44, batch, heads, length, length)
    lengths = np.array([5, 3], np.int32)
    case("attention/plain", node("Attention", "x,w,b", num_heads=heads), {"x": x}, weights=weights, **named)
    case("attention/scale", node("Attention", "x,w,b", num_heads=heads, scale=0.25), {"x": x}, weights=weights)
    case("attention/no_bias", node("Attention", "x,w", num_heads=heads), {"x": x}, weights={"w": w})
    case("attention/causal", node("Attention", "x,w,b", num_heads=heads, unidirectional=1), {"x": x}, weights=weights, **named)
    case("attention/lengths", node("Attention", "x,w,b,m", num_heads=heads), {"x": x, "m": lengths}, weights=weights, **named)
    case("attention/begins", node("Attention", "x,w,b,m", num_heads=heads), {"x": x, "m": np.array([5, 4, 1, 2], np.int32)},
         weights=weights)
    mask = (np.arange(length)[None] < lengths[:, None]).astype(np.int32)
    case("attention/mask", node("Attention", "x,w,b,m", num_heads=heads), {"x": x, "m": mask}, weights=weights, **named)
    case("attention/mask_filter", node("Attention", "x,w,b,m", num_heads=heads, mask_filter_value=-3.0), {"x": x, "m": mask},
         weights=weights)
    case("attention/mask_causal", node("Attention", "x,w,b,m", num_heads=heads, unidirectional=1), {"x": x, "m": mask},
         weights=weights)
    wide = integers(45, batch, length, length, dtype=np.int32, low=0, high=2) | np.eye(length, dtype=np.int32)
    case("attention/mask_queries", node("Attention", "x,w,b,m", num_heads=heads), {"x": x, "m": wide}, weights=weights, **named)
    case("attention/bias", node("Attention", "x,w,b,m,,a", num_heads=heads), {"x": x, "m": mask, "a": more}, weights=weights,
         **named)
    case("attention/past", node("Attention", "x,w,b,,p", "y,n", num_heads=heads, unidirectional=1), {"x": x, "p": kept},
         weights=weights,
         outputs=("y", "n"), symbols={5: "length"})
    longer = np.ones((batch, past + length), np.int32)
    longer[1, :3] = 0
    case("attention/past_mask", node("Attention", "x,w,b,m,p", "y,n", num_heads=heads), {"x": x, "m": longer, "p": kept},
         weights=weights,
         outputs=("y", "n"))
    case("attention/sizes", node("Attention", "x,w,b", num_heads=heads, qkv_hidden_sizes=[12, 12, 6]), {"x": x},
         weights={"w": w[:, :30].copy(), "b": bias[:30].copy()}, **named)
    case("refused/attention_rotary", node("Attention", "x,w,b", num_heads=heads, do_rotary=1), {"x": x}, weights=weights,
         refusal="attribute do_rotary is 1")
    qx, qw = integers(46, batch, length, 8), integers(47, 8, 3 * hidden, dtype=np.int8)
    scales = {"xs": np.float32(0.02), "ws": np.float32(0.01), "xz": np.uint8(120), "wz": np.int8(3)}
    qweights = {"w": qw, "b": bias, **scales}
    case("qattention/mask", node("QAttention", "x,w,b,xs,ws,m,xz,wz", num_heads=heads), {"x": qx, "m": mask}, weights=qweights,
         **named)
    case("qattention/past", node("QAttention", "x,w,b,xs,ws,,xz,wz,p", "y,n", num_heads=heads, unidirectional=1),
         {"x": qx, "p": kept},
         weights=qweights, outputs=("y", "n"))


def multi_head():
    batch, length, keys, hidden, heads, past = 2, 5, 7, 12, 3, 3
    size = hidden // heads
    q, k, v = numbers(50, batch, length, hidden), numbers(51, batch, keys, hidden), numbers(52, batch, keys, 6)
    bias = numbers(53, 2 * hidden + 6)
    named = {"symbols": {2: "batch", 5: "length", 7: "keys"}}
    feed = {"q": q, "k": k, "v": v}
    case("multi_head/plain", node("MultiHeadAttention", "q,k,v", num_heads=heads), feed, **named)
    case("multi_head/bias", node("MultiHeadAttention", "q,k,v,b", num_heads=heads, scale=0.3), feed, weights={"b": bias}, **named)
    mask = (np.arange(keys)[None] < np.array([[7], [4]])).astype(np.int32)
    case("multi_head/mask", node("MultiHeadAttention", "q,k,v,,m", num_heads=heads), {**feed, "m": mask}, **named)
    case("multi_head/lengths", node("MultiHeadAttention", "q,k,v,,m", num_heads=heads),
         {**feed, "m": np.array([7, 2], np.int32)}, **named)
    wide = integers(54, batch, length, keys, dtype=np.int32, low=0, high=2)
    wide[:, :, 0] = 1
    case("multi_head/mask_queries", node("MultiHeadAttention", "q,k,v,,m", num_heads=heads), {**feed, "m": wide}, **named)
    more = numbers(55, 1, heads, length, keys)
    case("multi_head/attention_bias", node("MultiHeadAttention", "q,k,v,,m,a", num_heads=heads), {**feed, "m": mask, "a": more},
         **named)
    ks, vs = numbers(56, batch, length, hidden), numbers(57, batch, length, hidden)
    own = {"q": q, "k": ks, "v": vs}
    case("multi_head/causal", node("MultiHeadAttention", "q,k,v", num_heads=heads, unidirectional=1), own, **named)
    kept = {"pk": numbers(58, batch, heads, past, size), "pv": numbers(59, batch, heads, past, size)}
    case("multi_head/past", node("MultiHeadAttention", "q,k,v,,,,pk,pv", "y,nk,nv", num_heads=heads, unidirectional=1),
         {**own, **kept},
         outputs=("y", "nk", "nv"), symbols={5: "length"})
    case("multi_head/present", node("MultiHeadAttention", "q,k,v,,,,,", "y,nk,nv", num_heads=heads), own,
         outputs=("y", "nk", "nv"))
    case("multi_head/scores", node("MultiHeadAttention", "q,k,v,,,,pk,pv", "y,nk,nv,qk", num_heads=heads), {**own, **kept},
         outputs=("y", "nk", "nv", "qk"), types={"qk": TensorProto.FLOAT})
    heads_first = {"q": q, "k": numbers(60, batch, heads, keys, size), "v": numbers(61, batch, heads, keys, size)}
    case("multi_head/cross", node("MultiHeadAttention", "q,k,v", num_heads=heads), heads_first, **named)
    packed = np.stack([x.reshape(batch, length, heads, size) for x in (q, ks, vs)], axis=3)
    split = [node("Split", "x", "q5,k5,v5", domain="", axis=3, num_outputs=3),
             node("Constant", "", "three", domain="", value_ints=[0, 0, -1])]
    split += [node("Squeeze", f"{p}5,axis", f"{p}4", domain="") for p in "qkv"]
    split += [node("Reshape", f"{p}4,three", p, domain="") for p in "qkv"]
    case("multi_head/packed", node("MultiHeadAttention", "x", num_heads=heads), {"x": packed}, weights={"axis": np.array([3])},
         reference=[*split, node("MultiHeadAttention", "q,k,v", num_heads=heads)])
    case("multi_head/packed_keys", node("MultiHeadAttention", "q,x", num_heads=heads), {"q": q, "x": packed[:, :, :, 1:].copy()},
         weights={"axis": np.array([3])},
         reference=[node("Split", "x", "k5,v5", domain="", axis=3, num_outputs=2), split[1],
                    *(n for n in split[2:] if n.output[0][0] in "kv"), node("MultiHeadAttention", "q,k,v", num_heads=heads)])
    half = {name: array.astype(np.float16) for name, array in own.items()}
    case("multi_head/float16", node("MultiHeadAttention", "q,k,v", num_heads=heads), half)
    case("refused/multi_head_beams", node("MultiHeadAttention", "q,k,v,,,,pk,pv,n,c", num_heads=heads),
         {**own, **kept, "n": np.array([3], np.int32), "c": np.zeros((2, 1, 8), np.int32)},
         refusal="input 8 (past_sequence_length) is not supported")
    case("refused/multi_head_mask", node("MultiHeadAttention", "q,k,v,,m", num_heads=heads), {**feed, "m": np.zeros(8, np.int32)},
         refusal="a mask i32[8] is not supported")


def rotary():
    x, cache = numbers(70, 2, 6, 24), numbers(71, 9, 4)
    sine = numbers(72, 9, 4)
    weights = {"c": cache, "s": sine}
    places = integers(73, 2, 6, dtype=np.int64, low=0, high=9)
    named = {"symbols": {2: "batch", 6: "length"}}
    case("rotary/places", node("RotaryEmbedding", "x,p,c,s"), {"x": x, "p": places}, weights=weights, **named)
    case("rotary/offset", node("RotaryEmbedding", "x,p,c,s"), {"x": x, "p": np.array([2])}, weights=weights, **named)
    case("rotary/interleaved", node("RotaryEmbedding", "x,p,c,s", interleaved=1), {"x": x, "p": places}, weights=weights)
    case("rotary/heads_first", node("RotaryEmbedding", "x,p,c,s"), {"x": numbers(74, 2, 3, 6, 8), "p": places}, weights=weights)
    case("rotary/part", node("RotaryEmbedding", "x,p,c,s", rotary_embedding_dim=8, num_heads=2), {"x": x, "p": places},
         weights=weights)
    case("rotary/float16", node("RotaryEmbedding", "x,p,c,s"), {"x": x.astype(np.float16), "p": places},
         weights={n: a.astype(np.float16) for n, a in weights.items()})
    case("refused/rotary_scale", node("RotaryEmbedding", "x,p,c,s", scale=2.0), {"x": x, "p": places}, weights=weights,
         refusal="attribute scale is 2")


def group_query():
    batch, heads, kv_heads, size = 2, 4, 2, 16
    cache = {"c": numbers(80, 32, size // 2), "s": numbers(81, 32, size // 2)}

    def tokens(length, seed=82):
        return {"q": numbers(seed, batch, length, heads * size), "k": numbers(seed + 1, batch, length, kv_heads * size),
                "v": numbers(seed + 2, batch, length, kv_heads * size)}

    def kept(length, seed=90):
        return {"pk": numbers(seed, batch, kv_heads, length, size), "pv": numbers(seed + 1, batch, kv_heads, length, size)}

    def group(name, inputs, total, last, outputs="y,nk,nv", weights=None, tail="", symbols=None, reference=None, **attributes):
        q = "q,k,v" if "k" in inputs else "q,,"
        past = "pk,pv" if "pk" in inputs else ","
        case(f"group_query/{name}", node("GroupQueryAttention", f"{q},{past},last,total{tail}", outputs, num_heads=heads,
                                         kv_num_heads=kv_heads, **attributes),
             {**inputs, "last": np.array(last, np.int32)}, weights={"total": np.int32(total).reshape(()), **(weights or {})},
             outputs=tuple(outputs.split(",")), symbols=symbols or {}, reference=reference)
    group("prompt", tokens(6), 6, [5, 5], symbols={2: "batch"})
    group("prompt_rotary", tokens(6), 6, [5, 5], weights=cache, tail=",c,s", do_rotary=1)
    group("prompt_interleaved", tokens(6), 6, [5, 5], weights=cache, tail=",c,s", do_rotary=1, rotary_interleaved=1)
    group("prompt_window", tokens(9), 9, [8, 8], local_window_size=4)
    group("prompt_softcap", tokens(6), 6, [5, 5], softcap=2.0, scale=0.5)
    group("prompt_empty_past", {**tokens(6), **kept(0)}, 6, [5, 5])
    group("decode", {**tokens(1), **kept(7)}, 8, [7, 7], weights=cache, tail=",c,s", do_rotary=1, symbols={7: "past"})
    group("decode_ragged", {**tokens(1), **kept(7)}, 8, [7, 4], weights=cache, tail=",c,s", do_rotary=1)
    group("decode_window", {**tokens(1), **kept(11)}, 12, [11, 11], local_window_size=5)
    group("decode_smooth", {**tokens(1), **kept(7)}, 8, [7, 7], smooth_softmax=1)
    group("decode_sink", {**tokens(1), **kept(7)}, 8, [7, 7], weights={"sink": numbers(95, heads)}, tail=",,,,,sink")
    group("chunk", {**{n: a[:1] for n, a in tokens(3).items()}, **{n: a[:1] for n, a in kept(5).items()}}, 8, [7],
          weights=cache, tail=",c,s",
          do_rotary=1)
    group("attention_bias", tokens(6), 6, [5, 5], weights={"a": numbers(96, 1, 1, 6, 6)}, tail=",,,,a")
    packed = {"q": numbers(97, batch, 6, (heads + 2 * kv_heads) * size)}
    group("packed", packed, 6, [5, 5], weights=cache, tail=",c,s", do_rotary=1)
    half = {name: array.astype(np.float16) for name, array in tokens(6).items()}
    group("float16", half, 6, [5, 5])
    weights = {"qw": numbers(98, size), "kw": numbers(99, size), **cache}
    shapes = {"q4": np.array([0, 0, -1, size]), "q3": np.array([0, 0, -1])}
    normalised = [n for x in "qk" for n in (node("Reshape", f"{x},q4", f"{x}a", domain=""),
                                            node("SimplifiedLayerNormalization", f"{x}a,{x}w", f"{x}b", domain="", epsilon=1e-6),
                                            node("Reshape", f"{x}b,q3", f"{x}c", domain=""))]
    normalised.append(node("GroupQueryAttention", "qc,kc,v,,,last,total,c,s", "y,nk,nv", num_heads=heads, kv_num_heads=kv_heads,
                           do_rotary=1))
    group("norms", tokens(6), 6, [5, 5], weights={**weights, **shapes}, tail=",c,s,,,,,,qw,kw", do_rotary=1, reference=normalised)
    # As exporters write it: both numbers come from a mask over all tokens.
    counted = [node("Shape", "mask", "dims", domain=""), node("Gather", "dims,one", "all", domain="", axis=0),
               node("Cast", "all", "total", domain="", to=TensorProto.INT32),
               node("ReduceSum", "mask,axis", "some", domain="", keepdims=0), node("Sub", "some,one", "before", domain=""),
               node("Cast", "before", "last", domain="", to=TensorProto.INT32)]
    one = {"one": np.array(1), "axis": np.array([1]), **cache}
    for name, length, past, symbols in (("prompt", 6, 0, {2: "batch", 6: "length"}), ("decode", 1, 7, {7: "past", 8: "total"}),
                                        ("chunk", 3, 5, {3: "length", 5: "past", 8: "total"})):
        inputs = {n: a[:1] if name == "chunk" else a for n, a in {**tokens(length), **(kept(past) if past else {})}.items()}
        mask = np.ones((len(inputs["q"]), past + length), np.int64)
        if name == "decode":
            mask[1, :2] = 0
        caches = "pk,pv" if past else ","
        case(f"group_query/exported_{name}",
             [*counted, node("GroupQueryAttention", f"q,k,v,{caches},last,total,c,s", "y,nk,nv", num_heads=heads,
                             kv_num_heads=kv_heads, do_rotary=1)],
             {**inputs, "mask": mask}, weights=one, outputs=("y", "nk", "nv"), symbols=symbols)
    refused = {**tokens(6), "last": np.array([5, 5], np.int32), "total": np.array(6, np.int32)}
    case("refused/group_query_total", node("GroupQueryAttention", "q,k,v,,,last,total", "y,nk,nv", num_heads=heads,
                                           kv_num_heads=kv_heads),
         refused, outputs=("y", "nk", "nv"), refusal="must be known when the plan is built")
    case("refused/group_query_quantised", node("GroupQueryAttention", "q,k,v,,,last,total", "y,nk,nv", num_heads=heads,
                                               kv_num_heads=kv_heads,
                                               k_quant_type="PER_TENSOR"),
         refused, outputs=("y", "nk", "nv"), refusal="attribute k_quant_type is 'PER_TENSOR'")


# ── com.microsoft: weights of few bits, 8-bit operators ───────────────────────────────────────────────────────────────
def few_bits():
    for bits in (2, 4, 8):
        for depth, columns, block in ((32, 5, 16), (70, 6, 32), (48, 3, 64)):
            blocks = -(-depth // block)
            a = numbers(100, 2, 3, depth)
            weights = {"b": integers(101, columns, blocks, block * bits // 8),
                       "s": numbers(102, columns * blocks, low=0.01, high=0.1),
                       "z": integers(103, columns * (-(-blocks * bits // 8))), "f": numbers(104, columns, blocks, low=0, high=3),
                       "bias": numbers(105, columns)}
            attributes = {"K": depth, "N": columns, "bits": bits, "block_size": block}
            name = f"nbits/{bits}_{depth}_{block}"
            case(name, node("MatMulNBits", "a,b,s", **attributes), {"a": a}, weights=weights, symbols={2: "batch", 3: "length"})
            case(name + "_zero", node("MatMulNBits", "a,b,s,z,,bias", **attributes), {"a": a}, weights=weights)
            if bits == 4:
                case(name + "_float_zero", node("MatMulNBits", "a,b,s,f", **attributes), {"a": a}, weights=weights)
    weights = {"b": integers(106, 6, 2, 16), "s": numbers(107, 12, low=0.01, high=0.1, dtype=np.float16)}
    case("nbits/float16", node("MatMulNBits", "a,b,s", K=64, N=6, bits=4, block_size=32),
         {"a": numbers(108, 3, 64, dtype=np.float16)}, weights=weights)
    case("refused/nbits_group", node("MatMulNBits", "a,b,s,,g", K=64, N=6, bits=4, block_size=32),
         {"a": numbers(108, 3, 64, dtype=np.float16)}, weights={**weights, "g": np.zeros(64, np.int32)},
         refusal="input 4 (g_idx) is not supported")
    case("refused/nbits_bits", node("MatMulNBits", "a,b,s", K=64, N=6, bits=5, block_size=32),
         {"a": numbers(108, 3, 64, dtype=np.float16)},
         weights=weights, refusal="bits is 5")


def eight_bits():
    for dtype in (np.uint8, np.int8):
        t = np.dtype(dtype).name
        a, b = integers(110, 2, 3, 5, 8, dtype=dtype), integers(111, 3, 1, 8, dtype=dtype)
        scale = {"as": np.float32(0.0213), "bs": np.float32(0.0371), "cs": np.float32(0.0427)}
        zero = {"az": dtype(7), "bz": dtype(100), "cz": dtype(20), "axes": np.array([1, 3])}
        named = {"symbols": {2: "batch", 5: "rows"}}
        weights = {**scale, **zero}
        for op in ("QLinearAdd", "QLinearMul"):
            case(f"{op}/{t}", node(op, "a,as,az,b,bs,bz,cs,cz"), {"a": a, "b": b}, weights=weights, **named)
        case(f"QLinearSigmoid/{t}", node("QLinearSigmoid", "a,as,az,cs,cz"), {"a": a},
             weights={**weights, "cs": np.float32(0.0041)}, **named)
        case(f"QLinearSigmoid_no_zero/{t}", node("QLinearSigmoid", "a,as,,cs,"), {"a": a},
             weights={**weights, "cs": np.float32(0.0083)})
        case(f"QLinearLeakyRelu/{t}", node("QLinearLeakyRelu", "a,as,az,cs,cz", alpha=0.1), {"a": a}, weights=weights, **named)
        case(f"QLinearConcat/{t}", node("QLinearConcat", "cs,cz,a,as,az,b,bs,bz", axis=1),
             {"a": a, "b": integers(112, 2, 4, 5, 8, dtype=dtype)},
             weights=weights, **named)
        case(f"QLinearAveragePool/{t}", node("QLinearAveragePool", "a,as,az,cs,cz", kernel_shape=[2, 3], pads=[1, 1, 0, 1],
                                             strides=[1, 2]),
             {"a": a}, weights=weights, symbols={2: "batch"})
        case(f"QLinearAveragePool_last/{t}", node("QLinearAveragePool", "a,as,az,cs,cz", kernel_shape=[2, 2], channels_last=1),
             {"a": a},
             weights=weights)
        case(f"QLinearGlobalAveragePool/{t}", node("QLinearGlobalAveragePool", "a,as,az,cs,cz"), {"a": a},
             weights={**weights, "cs": np.float32(0.0051)},
             symbols={2: "batch"})
        case(f"QLinearGlobalAveragePool_last/{t}", node("QLinearGlobalAveragePool", "a,as,az,cs,cz", channels_last=1), {"a": a},
             weights=weights)
        for opset, axis in ((13, -1), (13, 1), (12, 2)):
            case(f"QLinearSoftmax_{opset}_{axis}/{t}", node("QLinearSoftmax", "a,as,az,cs,cz", axis=axis, opset=opset), {"a": a},
                 weights={**weights, "cs": np.float32(1 / 256), "cz": dtype(np.iinfo(dtype).min)}, one_off=60)
        mean = {"axes": [1, 3], "keepdims": 0}
        case(f"QLinearReduceMean/{t}", node("QLinearReduceMean", "a,as,az,cs,cz", **mean), {"a": a}, weights=weights,
             reference=[node("DequantizeLinear", "a,as,az", "f", domain=""),
                        node("ReduceMean", "f,axes", "m", domain="", keepdims=0), node("QuantizeLinear", "m,cs,cz", domain="")])
        case(f"QLinearWhere/{t}", node("QLinearWhere", "m,a,as,az,b,bs,bz,cs,cz"),
             {"m": integers(113, 5, 8, low=0, high=2).astype(bool), "a": a, "b": b},
             weights=weights, **named)
    a, b = integers(114, 2, 5, 8), integers(115, 8, 6, dtype=np.int8)
    scales, zeros = numbers(116, 6, low=0.01, high=0.03), integers(117, 6, dtype=np.int8)
    weights = {"b": b, "as": np.float32(0.02), "bs": np.float32(0.013), "az": np.uint8(119), "bz": np.int8(4),
               "bias": numbers(118, 6)}
    columns = {**weights, "bs": scales, "bz": zeros}
    named = {"symbols": {2: "batch", 5: "rows"}}
    case("MatMulIntegerToFloat", node("MatMulIntegerToFloat", "a,b,as,bs,az,bz,bias"), {"a": a}, weights=weights, **named)
    case("MatMulIntegerToFloat/columns", node("MatMulIntegerToFloat", "a,b,as,bs,az,bz"), {"a": a}, weights=columns, **named)
    case("MatMulIntegerToFloat/no_zero", node("MatMulIntegerToFloat", "a,b,as,bs"), {"a": a}, weights=weights)
    x = numbers(119, 2, 5, 8, low=-3, high=5)
    case("DynamicQuantizeMatMul", node("DynamicQuantizeMatMul", "x,b,bs,bz,bias"), {"x": x}, weights=weights, **named)
    case("DynamicQuantizeMatMul/columns", node("DynamicQuantizeMatMul", "x,b,bs,bz"), {"x": x}, weights=columns)
    case("DynamicQuantizeMatMul/no_zero", node("DynamicQuantizeMatMul", "x,b,bs"), {"x": x}, weights=weights)
    gemm = {**weights, "c": integers(120, 6, dtype=np.int32, low=-999, high=999), "ys": np.float32(0.05), "yz": np.uint8(100)}
    case("QGemm", node("QGemm", "a,as,az,b,bs,bz,c,ys,yz", alpha=1.5), {"a": a[0]}, weights=gemm, symbols={5: "rows"})
    case("QGemm/columns", node("QGemm", "a,as,az,b,bs,bz,c,ys,yz"), {"a": a[0]}, weights={**gemm, "bs": scales, "bz": zeros})
    case("QGemm/float", node("QGemm", "a,as,az,b,bs,bz", transA=1, transB=1), {"a": a[0].T.copy()},
         weights={**gemm, "b": b.T.copy()})
    x, w = integers(121, 2, 7, 6, 4), integers(122, 5, 4, 3, 3, dtype=np.int8)
    conv = {"w": w, "xs": np.float32(0.02), "xz": np.uint8(110), "ws": np.float32(0.01), "wz": np.int8(0),
            "ys": np.float32(0.07), "yz": np.uint8(128)}
    case("QLinearConv_last", node("QLinearConv", "x,xs,xz,w,ws,wz,ys,yz", channels_last=1, pads=[1, 1, 1, 1]), {"x": x},
         weights=conv)
    x = numbers(123, 3, 4, 5, low=-9, high=9)
    scale, zero = numbers(124, 4, low=0.05, high=0.1), integers(125, 4, dtype=np.uint16)
    case("QuantizeLinear", node("QuantizeLinear", "x,s,z"), {"x": x}, weights={"s": np.float32(0.06), "z": np.int8(5)},
         symbols={3: "batch"})
    case("QuantizeLinear/axis", node("QuantizeLinear", "x,s,z", axis=1), {"x": x}, weights={"s": scale, "z": zero})
    case("DequantizeLinear/axis", node("DequantizeLinear", "x,s,z", axis=1), {"x": integers(126, 3, 4, 5, dtype=np.uint16)},
         weights={"s": scale, "z": zero}, symbols={3: "batch"})


# ── ai.onnx.ml ────────────────────────────────────────────────────────────────────────────────────────────────────────
def features():
    x = numbers(130, 5, 4, low=-3, high=3)
    x[1] = 0
    named = {"symbols": {5: "rows"}}
    case("scaler", node("Scaler", "x", domain=ML, offset=[0.5, 0.0, -1.0, 2.0], scale=[1.0, 2.0, 3.0, -1.0]), {"x": x}, **named)
    case("scaler/int64", node("Scaler", "x", domain=ML, offset=[1.0], scale=[0.5]),
         {"x": integers(131, 5, 4, dtype=np.int64, low=-9, high=9)})
    for norm in ("MAX", "L1", "L2"):
        case(f"normalizer/{norm}", node("Normalizer", "x", domain=ML, norm=norm), {"x": x}, **named)
    holes = x.copy()
    holes[0, 1] = holes[3, 2] = np.nan
    case("imputer/nan", node("Imputer", "x", domain=ML, imputed_value_floats=[1.0, 2.0, 3.0, 4.0],
                             replaced_value_float=float("nan")), {"x": holes}, **named)
    case("imputer/value", node("Imputer", "x", domain=ML, imputed_value_floats=[7.0], replaced_value_float=0.0), {"x": x})
    case("imputer/int64", node("Imputer", "x", domain=ML, imputed_value_int64s=[7, 8, 9, 10], replaced_value_int64=2),
         {"x": integers(132, 5, 4, dtype=np.int64, low=0, high=4)})
    case("binarizer", node("Binarizer", "x", domain=ML, threshold=0.5), {"x": x}, **named)
    case("array_feature_extractor", node("ArrayFeatureExtractor", "x,i", domain=ML), {"x": x, "i": np.array([[2, 0]])})
    case("feature_vectorizer", node("FeatureVectorizer", "x,z", domain=ML, inputdimensions=[4, 2]),
         {"x": x, "z": numbers(133, 5, 2)}, **named)
    whole = integers(134, 5, 3, dtype=np.int64, low=0, high=6)
    case("one_hot", node("OneHotEncoder", "x", domain=ML, cats_int64s=[4, 1, 5], zeros=1), {"x": whole}, **named)
    case("one_hot/float32", node("OneHotEncoder", "x", domain=ML, cats_int64s=[4, 1, 5]), {"x": whole.astype(np.float32)})
    case("refused/one_hot_zeros", node("OneHotEncoder", "x", domain=ML, cats_int64s=[4], zeros=0), {"x": whole},
         refusal="zeros is 0")
    for count in (1, 2, 7, 40):
        keys = np.random.default_rng(count).permutation(60)[:count].tolist()
        big = [k << 55 for k in keys]
        names = integers(135, 9, 8, dtype=np.int64, low=0, high=60)
        case(f"label_encoder/int64_{count}", node("LabelEncoder", "x", domain=ML, keys_int64s=keys,
                                                  values_floats=[k / 3 for k in keys], default_float=-5.0),
             {"x": names}, symbols={9: "rows"})
        case(f"label_encoder/large_{count}", node("LabelEncoder", "x", domain=ML, keys_int64s=big,
                                                  values_int64s=[b + 1 for b in big], default_int64=3),
             {"x": names << 55})
        case(f"label_encoder/float_{count}", node("LabelEncoder", "x", domain=ML, keys_floats=[k / 4 for k in keys],
                                                  values_int64s=keys),
             {"x": (names / 4).astype(np.float32)})
    nan = numpy_helper.from_array(np.array([1.5, np.nan, -2.0]))
    values, other = numpy_helper.from_array(np.array([3.0, 2.5, 1.0])), numpy_helper.from_array(np.array([9.0]))
    case("label_encoder/tensors", node("LabelEncoder", "x", domain=ML, keys_tensor=nan, values_tensor=values,
                                       default_tensor=other),
         {"x": np.array([[np.nan, 1.5], [0, -2.0]])}, opsets={ML: 4})


def linear_models():
    x = numbers(140, 6, 4)
    named = {"symbols": {6: "rows"}}
    weights = numbers(141, 12).tolist()
    for transform in ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO"):
        case(f"linear_regressor/{transform}", node("LinearRegressor", "x", domain=ML, targets=3, coefficients=weights,
                                                   intercepts=[0.1, 0.2, 0.3],
                                                   post_transform=transform), {"x": x}, **named)
        case(f"linear_classifier/{transform}", node("LinearClassifier", "x", "y,z", domain=ML, classlabels_ints=[7, 3, 5],
                                                    coefficients=weights,
                                                    intercepts=[0.1, 0.2, 0.3], post_transform=transform), {"x": x},
                                                    outputs=("y", "z"), **named)
        case(f"linear_classifier_two/{transform}", node("LinearClassifier", "x", "y,z", domain=ML, classlabels_ints=[7, 3],
                                                        coefficients=weights[:4],
                                                        intercepts=[0.1], post_transform=transform), {"x": x},
                                                        outputs=("y", "z"), **named)
    inside = numbers(142, 6, 2, low=0.3, high=0.45)
    case("linear_regressor/PROBIT", node("LinearRegressor", "x", domain=ML, targets=2, coefficients=[0.9, 0.2, 0.3, 0.8],
                                         post_transform="PROBIT"), {"x": inside},
         bound=1e-4)
    vectors = numbers(143, 5 * 4).tolist()
    for kernel, params in (("LINEAR", [0.5, 0.0, 3.0]), ("POLY", [0.5, 2.0, 3.0]), ("RBF", [0.7, 0.0, 3.0]),
                           ("SIGMOID", [0.5, 0.1, 3.0])):
        case(f"svm_regressor/{kernel}", node("SVMRegressor", "x", domain=ML, kernel_type=kernel, kernel_params=params,
                                             support_vectors=vectors, n_supports=5,
                                             coefficients=numbers(144, 5).tolist(), rho=[0.25]), {"x": x}, **named)
    case("svm_regressor/one_class", node("SVMRegressor", "x", domain=ML, kernel_type="RBF", kernel_params=[0.7, 0.0, 3.0],
                                         support_vectors=vectors, n_supports=5,
                                         coefficients=numbers(144, 5).tolist(), rho=[0.05], one_class=1), {"x": x})
    case("svm_regressor/plain", node("SVMRegressor", "x", domain=ML, kernel_params=[0.5, 0.0, 3.0],
                                     coefficients=[0.1, 0.2, 0.3, 0.4],
                                    rho=[0.25]), {"x": x})


def grow(seed, trees, levels, features, modes, whole=False):
    """A random forest as the named attributes of TreeEnsembleRegressor: nodes_…, and (tree, node) of each leaf."""
    random = np.random.default_rng(seed)
    nodes = {k: [] for k in ("treeids", "nodeids", "featureids", "modes", "values", "truenodeids", "falsenodeids",
                             "missing_value_tracks_true")}
    leaves = []

    def add(tree, level):
        at = len([t for t in nodes["treeids"] if t == tree])
        leaf = level == levels or (level > 0 and random.random() < 0.2)
        row = (tree, at, 0 if leaf else int(random.integers(features)), "LEAF" if leaf else str(random.choice(modes)),
               0.0 if leaf else float(random.integers(-2, 3) if whole else np.float32(random.uniform(-1, 1))), 0, 0,
               int(random.integers(2)))
        for column, value in zip(nodes.values(), row):
            column.append(value)
        if leaf:
            leaves.append((tree, at))
            return at
        place = len(nodes["treeids"]) - 1
        nodes["truenodeids"][place] = add(tree, level + 1)
        nodes["falsenodeids"][place] = add(tree, level + 1)
        return at
    for tree in range(trees):
        add(tree, 0)
    return {f"nodes_{k}": v for k, v in nodes.items()}, leaves


def weights_of(leaves, of, targets, seed, low=-1.0):
    """`targets`: for each leaf those that it has weights of."""
    random = np.random.default_rng(seed)
    rows = [(tree, at, target, float(np.float32(random.uniform(low, 1)))) for tree, at in leaves for target in targets(tree)]
    return {f"{of}_{name}": [row[i] for row in rows] for i, name in enumerate(("treeids", "nodeids", "ids", "weights"))}


def trees():
    x = numbers(150, 9, 5)
    x[0, 1] = x[3, :] = np.nan
    named = {"symbols": {9: "rows"}}
    comparisons = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]
    for mode in comparisons:
        nodes, leaves = grow(151, 4, 5, 5, [mode], whole=True)
        case(f"tree_regressor/{mode}", node("TreeEnsembleRegressor", "x", domain=ML, n_targets=1, **nodes,
                                            **weights_of(leaves, "target", lambda t: [0], 152)),
             {"x": integers(153, 9, 5, dtype=np.int64, low=-2, high=3).astype(np.float32)}, **named)
    nodes, leaves = grow(154, 6, 6, 5, comparisons)
    for aggregate in ("SUM", "AVERAGE", "MIN", "MAX"):
        for base in (None, [0.5, -0.25, 0.125]):
            case(f"tree_regressor/{aggregate}{'_base' if base else ''}",
                 node("TreeEnsembleRegressor", "x", domain=ML, n_targets=3, aggregate_function=aggregate, base_values=base,
                      **nodes,
                      **weights_of(leaves, "target", lambda t: [0, t % 3] if t % 3 else [0], 155)), {"x": x}, **named)
    nodes, leaves = grow(156, 20, 7, 5, ["BRANCH_LEQ"])
    case("tree_regressor/deep", node("TreeEnsembleRegressor", "x", domain=ML, n_targets=1, **nodes,
                                     **weights_of(leaves, "target", lambda t: [0], 157)), {"x": x},
         **named)
    integers_x = integers(158, 9, 5, dtype=np.int64, low=-2, high=3)
    attributes = {"n_targets": 1, **nodes, **weights_of(leaves, "target", lambda t: [0], 157)}
    case("tree_regressor/int64", node("TreeEnsembleRegressor", "x", domain=ML, **attributes), {"x": integers_x},
         reference=[node("Cast", "x", "f", domain="", to=TensorProto.FLOAT),
                    node("TreeEnsembleRegressor", "f", domain=ML, **attributes)])
    # ONNX Runtime leaves out what is to be done with the score of one target.
    case("tree_regressor/logistic", node("TreeEnsembleRegressor", "x", domain=ML, post_transform="LOGISTIC", **attributes),
         {"x": x},
         reference=[node("TreeEnsembleRegressor", "x", "s", domain=ML, **attributes), node("Sigmoid", "s", domain="")])
    x = numbers(159, 9, 5)
    for transform in ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO"):
        attributes = {"post_transform": transform, "classlabels_int64s": [4, 9, 2]}
        case(f"tree_classifier/{transform}", node("TreeEnsembleClassifier", "x", "y,z", domain=ML, **attributes, **nodes,
                                                  **weights_of(leaves, "class", lambda t: [0, 1, 2], 160, low=0.0)), {"x": x},
                                                  outputs=("y", "z"), **named)
        case(f"tree_classifier_base/{transform}", node("TreeEnsembleClassifier", "x", "y,z", domain=ML,
                                                       base_values=[0.1, -0.2, 0.3], **attributes, **nodes,
                                                       **weights_of(leaves, "class", lambda t: [t % 3], 160)), {"x": x},
                                                       outputs=("y", "z"))
        for low, kind in ((0.0, "shares"), (-1.0, "signed")):
            for scored, base in ((0, None), (0, [0.25]), (1, None)):
                case(f"tree_classifier_two/{transform}_{kind}_{scored}{'_base' if base else ''}",
                     node("TreeEnsembleClassifier", "x", "y,z", domain=ML, post_transform=transform, classlabels_int64s=[4, 9],
                          base_values=base, **nodes,
                          **weights_of(leaves, "class", lambda t: [scored], 161, low=low)), {"x": x}, outputs=("y", "z"))
    both = weights_of(leaves, "class", lambda t: [0, 1], 164)
    as_targets = {k.replace("class", "target"): v for k, v in both.items()}
    case("tree_classifier_two/both", node("TreeEnsembleClassifier", "x", "y,z", domain=ML, classlabels_int64s=[4, 9], **nodes, **both),
         {"x": x}, weights={"labels": np.array([4, 9])}, outputs=("y", "z"),
         reference=[node("TreeEnsembleRegressor", "x", "z", domain=ML, n_targets=2, **nodes, **as_targets),
                    node("ArgMax", "z", "i", domain="", axis=1, keepdims=0), node("Gather", "labels,i", domain="")])
    wide = {**nodes, **weights_of(leaves, "target", lambda t: [0, 1], 165)}
    for name in ("nodes_values", "target_weights"):
        wide[f"{name}_as_tensor"] = numpy_helper.from_array(np.array(wide.pop(name)) + 1e-9)
    case("tree_regressor/float64", node("TreeEnsembleRegressor", "x", domain=ML, n_targets=2, **wide), {"x": x.astype(np.float64)}, **named)
    few, few_leaves = grow(162, 2, 2, 5, ["BRANCH_LEQ"])
    case("tree_classifier/unnamed", node("TreeEnsembleClassifier", "x", "y,z", domain=ML, classlabels_int64s=[4, 9, 2], **few,
                                         **{k: v for k, v in weights_of(few_leaves, "class", lambda t: [1, 2], 163).items()
                                            if k != "class_weights"},
                                            class_weights=[-0.1 * (i + 1) for i in range(2 * len(few_leaves))]),
         {"x": x}, outputs=("y", "z"), **named)
    case("tree_classifier/strings", node("TreeEnsembleClassifier", "x", "y,z", domain=ML, classlabels_strings=["a", "no", "ä"], **few,
                                         **weights_of(few_leaves, "class", lambda t: [0, 1, 2], 163)), {"x": x}, outputs=("y", "z"), **named)
    case("tree_classifier_two/strings", node("TreeEnsembleClassifier", "x", "y,z", domain=ML, classlabels_strings=["a", "b"], **few,
                                             **weights_of(few_leaves, "class", lambda t: [0], 163)), {"x": x}, outputs=("y", "z"), **named)
    cycle = {**few, "nodes_truenodeids": [0] * len(few["nodes_treeids"])}
    case("refused/tree_cycle", node("TreeEnsembleRegressor", "x", domain=ML, n_targets=1, **cycle,
                                    **weights_of(few_leaves, "target", lambda t: [0], 163)),
         {"x": x}, refusal="cycle")
    case("refused/tree_features", node("TreeEnsembleRegressor", "x", domain=ML, n_targets=1,
                                       **{**few, "nodes_featureids": [7] * len(few["nodes_treeids"])},
                                       **weights_of(few_leaves, "target", lambda t: [0], 163)), {"x": x},
                                       refusal="splits feature 7")


def ensembles():
    tensor = numpy_helper.from_array
    for dtype in (np.float32, np.float64):
        x = numbers(170, 9, 4, dtype=dtype)
        common = {"nodes_featureids": [0, 2, 1], "nodes_splits": tensor(np.array([0.1, -0.2, 0.3], dtype)),
                  "nodes_modes": tensor(np.array([0, 1, 2], np.uint8)),
                  "nodes_truenodeids": [1, 0, 2], "nodes_falsenodeids": [2, 1, 3], "nodes_trueleafs": [0, 1, 1],
                  "nodes_falseleafs": [0, 1, 1],
                  "leaf_targetids": [0, 1, 0, 1], "leaf_weights": tensor(np.array([5.25, 12.5, -3.0, 0.5], dtype)),
                  "tree_roots": [0], "n_targets": 2}
        for aggregate in range(4):
            case(f"tree_ensemble/{np.dtype(dtype).name}_{aggregate}",
                 node("TreeEnsemble", "x", domain=ML, aggregate_function=aggregate, **common), {"x": x},
                 opsets={ML: 5}, symbols={9: "rows"})
    sets = np.array([1.2, 3.7, 8, 9, np.nan, 12, 7, np.nan], np.float32)
    members = {"nodes_featureids": [0, 0, 0], "nodes_splits": tensor(np.array([11, 232344.0, np.nan], np.float32)),
               "nodes_modes": tensor(np.array([0, 6, 6], np.uint8)), "nodes_truenodeids": [1, 0, 1],
               "nodes_falsenodeids": [2, 2, 3], "nodes_trueleafs": [0, 1, 1],
               "nodes_falseleafs": [1, 0, 1], "leaf_targetids": [0, 1, 2, 3],
               "leaf_weights": tensor(np.array([1, 10, 1000, 100], np.float32)), "tree_roots": [0],
               "n_targets": 4, "membership_values": tensor(sets)}
    case("tree_ensemble/sets", node("TreeEnsemble", "x", domain=ML, **members),
         {"x": np.array([[1.2], [3.4], [12], [7], [8], [np.nan]], np.float32)}, opsets={ML: 5})
    case("refused/tree_ensemble_sets", node("TreeEnsemble", "x", domain=ML, **{**members, "membership_values": tensor(sets[:5])}),
         {"x": np.ones((3, 1), np.float32)}, opsets={ML: 5}, refusal="membership_values")


# ── numbers drawn at random ───────────────────────────────────────────────────────────────────────────────────────────
def distributed(mean, deviation, low=-np.inf, high=np.inf, dtype=np.float32, shape=(64, 4000)):
    """A check: type, shape, range, and a mean and a deviation that chance allows (6 standard errors)."""
    def check(y):
        if y.dtype != dtype or y.shape != shape:
            return f"{y.dtype}{list(y.shape)}, expected {np.dtype(dtype)}{list(shape)}"
        x = y.astype(np.float64)
        slack = 6 * deviation / np.sqrt(x.size) + 1e-3 * (dtype == np.float16)
        if x.min() < low or x.max() > high or abs(x.mean() - mean) > slack or abs(x.std() - deviation) > 2 * slack:
            return f"mean {x.mean():.4f}, deviation {x.std():.4f}, range [{x.min():.4f}, {x.max():.4f}]"
        neighbours = np.corrcoef(x[:, :-1].ravel(), x[:, 1:].ravel())[0, 1], np.corrcoef(x[:-1].ravel(), x[1:].ravel())[0, 1]
        return None if max(map(abs, neighbours)) < 0.02 else f"neighbours are alike: {neighbours}"
    return check


def unlike(**outputs):
    """A check: no output has to do with another."""
    apart = np.corrcoef([y.ravel() for y in outputs.values()]) - np.eye(len(outputs))
    return None if np.abs(apart).max() < 0.02 else "seeds give like numbers"


def drawn():
    shape, x = [64, 4000], np.zeros((64, 4000), np.float32)
    plain = {"domain": ""}
    for name, dtype in (("float32", np.float32), ("float64", np.float64), ("float16", np.float16)):
        to = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        case(f"random_uniform/{name}", node("RandomUniform", "", shape=shape, dtype=to, low=-1.0, high=3.0, seed=7.0, **plain),
             {},
             check=distributed(1, 4 / np.sqrt(12), -1, 3, dtype))
        case(f"random_normal/{name}", node("RandomNormal", "", shape=shape, dtype=to, mean=2.0, scale=0.5, **plain), {},
             check=distributed(2, 0.5, dtype=dtype))
    case("random_uniform_like", node("RandomUniformLike", "x", **plain), {"x": x}, symbols={64: "rows"}, check=distributed(0.5, 1 / np.sqrt(12), 0, 1))
    case("random_normal_like", node("RandomNormalLike", "x", dtype=TensorProto.DOUBLE, **plain), {"x": x.astype(np.int32)},
         check=distributed(0, 1, dtype=np.float64))
    case("bernoulli", node("Bernoulli", "x", seed=1.0, **plain), {"x": x + np.float32(0.3)},
         check=distributed(0.3, np.sqrt(0.21), 0, 1))
    case("bernoulli/int32", node("Bernoulli", "x", dtype=TensorProto.INT32, **plain), {"x": x + np.float32(0.75)},
         check=distributed(0.75, np.sqrt(0.1875), 0, 1, np.int32))
    shares = np.array([0.2, 0.5, 0.3])
    mean = shares @ np.arange(3)
    case("multinomial", node("Multinomial", "x", sample_size=4000, seed=3.0, **plain),
         {"x": np.tile(np.log(shares * 7), (64, 1)).astype(np.float32)},
         check=distributed(mean, np.sqrt(shares @ (np.arange(3) - mean) ** 2), 0, 2, np.int32))
    case("random_seeds", [node("RandomUniform", "", "a", shape=shape, seed=1.0, **plain),
                          node("RandomUniform", "", "b", shape=shape, seed=2.0, **plain),
                          node("RandomUniform", "", "c", shape=shape, **plain),
                          node("RandomUniform", "", "d", shape=shape, **plain)], {},
         outputs=tuple("abcd"), check=unlike)
    case("refused/random_shape", node("RandomUniform", "", shape=[1 << 40, 1 << 40], **plain), {},
         refusal="attribute shape asks for more")
    case("refused/random_like_type", node("RandomNormalLike", "x", **plain), {"x": x.astype(np.int32)},
         refusal="attribute dtype says which")


# ── strings ───────────────────────────────────────────────────────────────────────────────────────────────────────────
WORDS = ["", "a", "no", "No", "NO", "Straße", "ÄÖÜ äöü", "Ελλάς", "привет", "日本", "🙂", "a,b,,c", " two  words ", "3.25", "x" * 3000]


def texts(seed, *shape, of=WORDS):
    out = np.empty(shape, object)
    out.reshape(-1)[:] = np.random.default_rng(seed).choice(np.array(of, object), int(np.prod(shape)))
    return out


def moved_strings():
    plain, named = {"domain": ""}, {"symbols": {5: "rows"}}
    x = texts(200, 5, 4, 3)
    whole = lambda *values: np.array(values, np.int64)
    moves = {
        "identity": node("Identity", "x", **plain), "transpose": node("Transpose", "x", perm=[2, 0, 1], **plain),
        "flatten": node("Flatten", "x", axis=2, **plain), "reshape": node("Reshape", "x,s", **plain),
        "shape": node("Shape", "x", **plain), "size": node("Size", "x", **plain),
        "unsqueeze": node("Unsqueeze", "x,a", **plain), "slice": node("Slice", "x,b,e,one,t", **plain),
        "gather": node("Gather", "x,i", axis=2, **plain), "gather_elements": node("GatherElements", "x,j", axis=2, **plain),
        "gather_nd": node("GatherND", "x,n", **plain), "tile": node("Tile", "x,r", **plain),
        "concat": node("Concat", "x,z,x", axis=1, **plain), "expand": node("Expand", "w,m", **plain),
        "scatter_elements": node("ScatterElements", "x,j,u", axis=2, **plain), "scatter_nd": node("ScatterND", "x,n,v", **plain),
        "reverse_sequence": node("ReverseSequence", "x,lengths", batch_axis=0, time_axis=1, **plain),
        "compress": node("Compress", "x,c", axis=1, **plain),
        "squeeze": [node("Unsqueeze", "x,a", "wide", **plain), node("Squeeze", "wide,a", **plain)],
        "equal": node("Equal", "x,w", **plain), "where": node("Where", "c,w,k", **plain),
        "concat_of_constants": node("Concat", "k,k,z", axis=1, **plain)}
    weights = {"s": whole(0, 12), "a": whole(1), "b": whole(3, -1), "e": whole(0, -9), "one": whole(1, 2), "t": whole(-2, -1),
               "i": whole(2, 0, -1), "j": integers(201, 5, 4, 3, dtype=np.int64, low=0, high=3), "n": whole(2, 1, 0, 0).reshape(2, 2),
               "r": whole(1, 2, 3), "m": whole(5, 4, 3), "lengths": whole(4, 1, 2, 3, 4),
               "c": np.array([True, False, True]), "k": texts(202, 5, 1, 3), "u": texts(203, 5, 4, 3), "v": texts(204, 2, 3)}
    inputs = {"x": x, "z": texts(205, 5, 2, 3), "w": texts(206, 1, 1, 3)}
    # ONNX Runtime has no Pad of strings, and its Gather copies the first of each row of them alone.
    case("strings/pad", node("Pad", "x,p", **plain), {"x": x}, weights={"p": whole(0, 1, 0, 0, 2, 1), "one": texts(208, 5, 1, 3, of=[""]),
                                                                          "two": texts(208, 5, 2, 3, of=[""]), "last": texts(208, 5, 7, 1, of=[""])},
         reference=[node("Concat", "one,x,two", "rows", axis=1, **plain), node("Concat", "rows,last", axis=2, **plain)])
    for name, nodes in moves.items():
        asked = {i for n in (nodes if isinstance(nodes, list) else [nodes]) for i in n.input}
        constants = {k: w for k, w in weights.items() if k in asked}
        given = {k: v for k, v in inputs.items() if k in asked}
        if name == "compress":
            constants["c"] = np.array([True, False, True, True])
        fixed = name in ("scatter_elements", "gather_elements", "scatter_nd", "reverse_sequence", "expand") or "k" in constants
        rows = {} if fixed else named  # weights that say how many rows there are
        case(f"strings/{name}", nodes, given, weights=constants, **rows)
    case("strings/split", node("Split", "x", "y,z", axis=1, num_outputs=2, **plain), {"x": x}, outputs=("y", "z"), **named)
    case("strings/sequence", [node("SplitToSequence", "x,h", "q", axis=1, **plain), node("ConcatFromSequence", "q", axis=1, **plain)],
         {"x": x}, weights={"h": whole(1, 3)}, **named)
    case("strings/constant", [helper.make_node("Constant", [], ["k"], value_strings=["a", "", "ß"]), node("Concat", "x,k", axis=0, **plain)],
         {"x": texts(207, 5)}, **named)
    empty = np.empty((0, 3), object)
    case("strings/empty", node("Concat", "x,x", axis=1, **plain), {"x": empty}, types={"y": TensorProto.STRING})
    case("refused/strings_add", node("Add", "x,x", **plain), {"x": x}, refusal="does not take tensors of strings")
    case("refused/strings_max", node("ReduceMax", "x", **plain), {"x": x}, refusal="does not take tensors of strings")


def made_strings():
    plain, named = {"domain": ""}, {"symbols": {5: "rows"}}
    special = np.array([0, -0.0, 1, 0.1, 1 / 3, 1e10, 1e-5, 123456789, 3.4e38, np.nan, np.inf, -np.inf, 314.15926, 1.5e-45])
    for name in ("float32", "float64", "float16"):
        x = special.astype(name) if name != "float16" else special[:5].astype(name)
        case(f"cast/{name}_to_string", node("Cast", "x", to=TensorProto.STRING, **plain), {"x": x}, types={"y": TensorProto.STRING})
    for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"):
        info = np.iinfo(name)
        case(f"cast/{name}_to_string", node("Cast", "x", to=TensorProto.STRING, **plain), {"x": np.array([info.min, 0, 7, info.max], name)},
             types={"y": TensorProto.STRING})
        case(f"cast/string_to_{name}", node("Cast", "x", to=helper.np_dtype_to_tensor_dtype(np.dtype(name)), **plain),
             {"x": np.array(["0", " 17 ", "+3", "1.75", str(info.max)], object)})
    case("cast/bool_to_string", node("Cast", "x", to=TensorProto.STRING, **plain), {"x": np.array([True, False])}, types={"y": TensorProto.STRING})
    case("cast/string_to_bool", node("Cast", "x", to=TensorProto.BOOL, **plain), {"x": np.array(["0", "1", "-3"], object)})
    for name in ("float32", "float64", "float16"):
        case(f"cast/string_to_{name}", node("Cast", "x", to=helper.np_dtype_to_tensor_dtype(np.dtype(name)), **plain),
             {"x": np.array(["0", "-1.5", " 2e3", "NaN", "INF", "-inf", "+INF", "infinity", "0.1", "1e-50", "314.15926"], object)})
    x = texts(210, 5, 4)
    case("string_concat", node("StringConcat", "x,z", **plain), {"x": x, "z": texts(211, 4)}, **named)
    case("cast/like", node("CastLike", "x,z", **plain), {"x": np.array([1.5, 2]), "z": x})
    for pattern in ("", "a", "(?i)no", "[a-z]+", ".*", "(?s).*", "a(,b)?,*c", "\\s*\\w+\\s+\\w+\\s*", "[[:upper:]]{2}", "\\d+\\.\\d{2,}", "x{1000}x*",
                    "(a|b|[^a-c])*?", "^Stra.e$", "(?i)straße", "日本|🙂", "[α-ωΑ-Ως]+|[ά]", "(?P<n>n)(?:o)", "\\Qa,b\\E.*", "(x+x+)+y", "\\p{Greek}+"):
        if pattern.startswith("\\p"):
            case("refused/regex_unicode_class", node("RegexFullMatch", "x", pattern=pattern, **plain), {"x": x}, refusal="classes of Unicode")
        else:
            case(f"regex/{pattern}", node("RegexFullMatch", "x", pattern=pattern, **plain), {"x": np.array(WORDS, object)}, outputs=("y",))
    case("refused/regex_backreference", node("RegexFullMatch", "x", pattern="(a)\\1", **plain), {"x": x}, refusal="backreferences")
    case("refused/regex_lookahead", node("RegexFullMatch", "x", pattern="(?=a)", **plain), {"x": x}, refusal="no looking around")
    case("refused/regex_open", node("RegexFullMatch", "x", pattern="(a", **plain), {"x": x}, refusal="not closed")
    lists = np.array(["a,b,,c", "x", " two  words ", ",", "a, b , c", "no"], object)
    for delimiter, most in ((None, None), ("", None), (",", None), (",", 1), (" ", 2), (",,", None), (None, 1)):
        case(f"string_split/{delimiter}_{most}", node("StringSplit", "x", "y,z", delimiter=delimiter, maxsplit=most, **plain),
             {"x": lists}, outputs=("y", "z"), symbols={6: "rows"})
    case("string_split/matrix", [node("StringSplit", "x", "t,z", delimiter=",", **plain), node("Concat", "t,t", axis=0, **plain)],
         {"x": lists.reshape(2, 3)}, outputs=("y", "z"))
    case("string_split/numbers", [node("StringSplit", "x", "t,z", delimiter=";", **plain), node("Cast", "t", to=TensorProto.FLOAT, **plain)],
         {"x": np.array(["1;2;3", "4.5;6;-7"], object)}, outputs=("y", "z"))
    sentence = np.array(["Monday", "tuesday", "MONDAY", "", "Äpfel", "äpfel", "привет"], object)
    for action in ("NONE", "LOWER", "UPPER"):
        for sensitive in (0, 1):
            for shape in ((7,), (1, 7)):
                case(f"string_normalizer/{action}_{sensitive}_{len(shape)}",
                     node("StringNormalizer", "x", case_change_action=action, is_case_sensitive=sensitive, stopwords=["monday", "Äpfel"],
                          locale="C.UTF-8", **plain),
                     {"x": sentence.reshape(shape)}, symbols={7: "words"})
    case("string_normalizer/nothing_left", node("StringNormalizer", "x", stopwords=["a"], is_case_sensitive=1, **plain),
         {"x": np.array(["a", "a"], object)})


def looked_up_strings():
    x = texts(220, 5, 4)
    named = {"symbols": {5: "rows"}}
    keys = ["no", "", "日本", "a", "x" * 3000, "No"]
    case("label_encoder/strings_int64s", node("LabelEncoder", "x", domain=ML, keys_strings=keys, values_int64s=[3, 1, 4, 1, 5, 9], default_int64=-7),
         {"x": x}, **named)
    case("label_encoder/strings_floats", node("LabelEncoder", "x", domain=ML, keys_strings=keys, values_floats=[.5, 1, 4, 1, 5, 9]), {"x": x}, **named)
    case("label_encoder/strings_strings", node("LabelEncoder", "x", domain=ML, keys_strings=keys, values_strings=list("abcdef"), default_string="?"),
         {"x": x}, **named)
    case("label_encoder/int64s_strings", node("LabelEncoder", "x", domain=ML, keys_int64s=[5, 1, 3], values_strings=["five", "one", "drei"]),
         {"x": integers(221, 5, 4, dtype=np.int64, low=0, high=7)}, **named)
    case("label_encoder/floats_strings", node("LabelEncoder", "x", domain=ML, keys_floats=[.5, float("nan"), 3], values_strings=["half", "none", "drei"],
                                              default_string=""),
         {"x": np.array([[0.5, np.nan], [3, 4]], np.float32)}, opsets={ML: 4})
    case("label_encoder/repeated", node("LabelEncoder", "x", domain=ML, keys_strings=["a", "b"], values_int64s=[1, 2]),
         {"x": np.array(["a", "b", "c"], object)}, opsets={ML: 4})
    case("label_encoder/classes", node("LabelEncoder", "x", domain=ML, classes_strings=keys, default_int64=9), {"x": x}, opsets={ML: 1}, **named)
    case("label_encoder/of_classes", node("LabelEncoder", "x", domain=ML, classes_strings=keys, default_string="?"),
         {"x": integers(222, 5, 4, dtype=np.int64, low=-1, high=8)}, opsets={ML: 1}, **named)
    case("category_mapper/strings", node("CategoryMapper", "x", domain=ML, cats_strings=keys, cats_int64s=[3, 1, 4, 2, 5, 9], default_int64=-2), {"x": x}, **named)
    case("category_mapper/int64s", node("CategoryMapper", "x", domain=ML, cats_strings=keys, cats_int64s=[3, 1, 4, 2, 5, 9], default_string="?"),
         {"x": integers(223, 5, 4, dtype=np.int64, low=0, high=10)}, **named)
    case("one_hot/strings", node("OneHotEncoder", "x", domain=ML, cats_strings=keys), {"x": x}, **named)
    case("linear_classifier/strings", node("LinearClassifier", "x", "y,z", domain=ML, classlabels_strings=["cat", "dog", "ÿ"], coefficients=numbers(224, 12).tolist(),
                                           intercepts=[.1, .2, .3]), {"x": numbers(225, 5, 4)}, outputs=("y", "z"), **named)
    pool = ["a", "no", "日本", "a", "no", "no", "日本"]
    for mode in ("TF", "IDF", "TFIDF"):
        case(f"tf_idf/strings_{mode}", node("TfIdfVectorizer", "x", domain="", mode=mode, min_gram_length=1, max_gram_length=2, max_skip_count=1,
                                            pool_strings=pool, ngram_counts=[0, 3], ngram_indexes=[0, 2, 1, 4, 3], weights=[1., 2., 3., .5, .25]),
             {"x": texts(226, 5, 9, of=["a", "no", "日本", "b"])}, **named)
    case("refused/zipmap", node("ZipMap", "x", domain=ML, classlabels_strings=["a", "b"]), {"x": numbers(227, 5, 2)}, types={"y": TensorProto.FLOAT}, refusal="drop the node")


GROUPS = [moved_strings, made_strings, looked_up_strings, activations, products, normalisations, attention, multi_head, rotary, group_query, few_bits, eight_bits, features,
          linear_models,
          trees, ensembles, drawn]


TABLE_HEAD = """
## Operators of other domains

And those that ONNX Runtime writes into ai.onnx, or that draw numbers: runs of `tests/onnx/contrib.py` that pass, each a
comparison with ONNX Runtime (of what is drawn: with its distribution). Written by `make operators`.

| domain | operator | runs that pass |
| --- | --- | --- |
"""


def write_table(path, results):
    """Puts the operators of the cases that are not refused behind the table of ONNX's own, those that it has left out."""
    before = path.read_text().split(TABLE_HEAD.splitlines()[1])[0].rstrip("\n")
    counts = {}
    for this, wrong in results:
        for n in this.nodes if this.refusal is None else ():
            if not n.domain and f"\n| {n.op_type} |" in before:
                continue
            passing, runs = counts.get((n.domain or "ai.onnx", n.op_type), (0, 0))
            counts[n.domain or "ai.onnx", n.op_type] = passing + (wrong is None), runs + 1
    lines = [f"| {domain} | {op} | {passing} of {runs} |" for (domain, op), (passing, runs) in sorted(counts.items()) if passing]
    path.write_text(before + "\n" + TABLE_HEAD + "\n".join(lines) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", type=pathlib.Path)
    parser.add_argument("--table", type=pathlib.Path, help="write which operators pass how many runs, behind what the file holds")
    parser.add_argument("--canary", action="store_true")
    parser.add_argument("patterns", nargs="*", metavar="PATTERN")
    arguments = parser.parse_args()
    os.environ["TENON_BUILD"] = str(arguments.build)
    for group in GROUPS:
        group()
    chosen = [c for c in CASES if not arguments.patterns or any(fnmatch.fnmatch(c.name, p) for p in arguments.patterns)]
    if arguments.canary:
        chosen = chosen[:1]
    results, failures = [], []
    for this in chosen:
        try:
            for name, wrong in verdicts(this, arguments.canary):
                results.append((this, wrong))
                if wrong:
                    failures.append(f"{name}{' (planted)' if arguments.canary else ''}: {wrong}")
        except Exception as error:  # ONNX Runtime refuses the case, or the test is wrong: neither shows anything
            failures.append(f"{this.name}: no reference: {' '.join(str(error).split())[:300]}")
    if arguments.table:
        write_table(arguments.table, results)
    for failure in failures:
        print(f"FAILED {failure}")
    passed = sum(wrong is None for _, wrong in results)
    print(f"{passed} passed, {len(failures)} failed, 0 skipped")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
