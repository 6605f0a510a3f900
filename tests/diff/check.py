"""Whether Tenon computes a case as the oracle does: optimised, with its own kernels alone, and unoptimised.

Bounds are those of whole models (‖out−ref‖/‖ref‖ of each output, and the largest difference against the largest number),
by the coarsest type of the graph; integers and bools are equal. A difference beyond them is *ill-conditioned*, and no
fault, only where the oracle shows it: computed again with noise of a few units in the last place after every node that
rounds, the same elements move as far.
"""
import pathlib
import random
import re

import numpy as np

from graph import Unfit

ROOT = pathlib.Path(__file__).resolve().parents[2]
PASSES = [p for p in re.findall(r"^TN_PASS\((\w+)\)", (ROOT / "src/passes/passes.def").read_text(), re.M) if p != "expand"]
TACTICS = re.findall(r"^TN_TACTIC\((\w+)\)", (ROOT / "src/tactics/tactics.def").read_text(), re.M)
INTERNAL = 15  # TN_ERROR_INTERNAL

BOUNDS = {"float64": 1e-7, "float32": 1e-4, "float16": 1e-2, "bfloat16": 5e-2}
NOISE = {"float64": 1e-14, "float32": 3e-6, "float16": 2e-3, "bfloat16": 1.6e-2}
NOISY_RUNS = 12
# How far beyond what noise moves an element the element may be.
REACH = 4
# Results are copies of operands, or exact.
EXACT = set("Abs And ArgMax ArgMin BitCast BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Cast CastLike Ceil CenterCropPad Clip "
            "Compress Concat Constant ConstantOfShape DepthToSpace Dropout Equal Expand EyeLike Flatten Floor Gather GatherElements GatherND "
            "GlobalMaxPool Greater GreaterOrEqual Hardmax Identity IsInf IsNaN Less LessOrEqual Max MaxPool MaxUnpool Min Neg Not OneHot Or "
            "Pad Range ReduceMax ReduceMin Relu Reshape ReverseSequence Round Scatter Shape Sign Size Slice SpaceToDepth "
            "Split Squeeze TensorScatter Tile TopK Transpose Trilu Unsqueeze Where Xor".split())
# Rounded one by one; the rest adds several numbers up, and errors are as large as the largest.
ROUNDED = set("Acos Acosh Add Asin Asinh Atan Atanh Celu Cos Cosh Div Elu Erf Exp HardSigmoid HardSwish LeakyRelu Log Mean Mish Mod Mul "
              "Gelu PRelu Pow Reciprocal Selu Shrink Sigmoid Sin Sinh Softplus Softsign Sqrt Sub Sum Swish Tan Tanh ThresholdedRelu".split())

# What they are computed from is as large as 1, and so is the error: logarithms of sums near 1; sigmoids, which ONNX Runtime
# takes to be 0 where they are small.
OF_UNITS = {"LogSoftmax", "ReduceLogSum", "ReduceLogSumExp", "SoftmaxCrossEntropyLoss", "Sigmoid", "LSTM", "GRU", "RNN"}

# What they take the mean from, and divide by a deviation that may be small, is rounded too.
NORMALISATIONS = {"InstanceNormalization", "LayerNormalization", "GroupNormalization", "BatchNormalization", "MeanVarianceNormalization"}


# --- the oracle's outputs -------------------------------------------------------------------------------------------------
def expected(case, oracle, feed, noise=None):
    """Every value at one point, and who computed what was not ONNX Runtime's."""
    from onnx import numpy_helper
    values = {t.name: numpy_helper.to_array(t) for t in case.model.graph.initializer} | feed
    others = set()
    for node in case.model.graph.node:
        operands = {n: values[n] for n in node.input if n}
        if noise is not None and node.op_type in NORMALISATIONS:
            operands = {n: noisy(a, "Add", noise) for n, a in operands.items()}
        got, who = oracle.run(node, case.opset, operands)
        if who != "onnxruntime":
            others.add(node.op_type)
        for name, array in zip(node.output, got):
            if name:
                values[name] = array if noise is None or node.op_type in EXACT else noisy(array, node.op_type, noise)
    return values, others


def noisy(array, op, generator):
    if array.dtype.name not in NOISE or array.size == 0:
        return array
    size = NOISE[array.dtype.name]
    with np.errstate(all="ignore"):
        out = array.astype(np.float64)
        finite = np.abs(out[np.isfinite(out)])
        moved = out * (1 + size * generator.uniform(-1, 1, array.shape))
        if (op not in ROUNDED or op in OF_UNITS) and finite.size:
            largest = max(finite.max(), 1) if op in OF_UNITS else finite.max()
            moved = moved + size * largest * generator.uniform(-1, 1, array.shape)
        return np.where(np.isfinite(out), moved, out).astype(array.dtype)


def coarsest(values):
    kinds = {a.dtype.name for a in values.values()}
    return next((k for k in ("bfloat16", "float16", "float32", "float64") if k in kinds), "float32")


# --- comparing ------------------------------------------------------------------------------------------------------------
def wrong_elements(out, ref, bound):
    """A mask of elements that are beyond the bound, or None where types or shapes differ."""
    if out.dtype != ref.dtype or out.shape != ref.shape:
        return None
    if ref.dtype.kind in "biu":
        return out != ref
    with np.errstate(all="ignore"):
        a, b = out.astype(np.float64), ref.astype(np.float64)
        finite = np.isfinite(b)
        wrong = np.where(finite, ~np.isfinite(a), ~((a == b) | (np.isnan(a) & np.isnan(b))))
        difference = np.where(finite & np.isfinite(a), np.abs(a - b), 0)
        usual = np.where(finite, np.abs(b), 0)
        largest = usual.max(initial=0)
        wrong = wrong | (difference > bound * largest)
        if np.linalg.norm(difference) > bound * np.linalg.norm(usual) and not wrong.any():
            wrong = wrong | (difference >= 0.5 * difference.max(initial=0))
    return wrong


def tell(out, ref, wrong):
    if wrong is None:
        return f"{out.dtype}{list(out.shape)}, expected {ref.dtype}{list(ref.shape)}"
    first = tuple(int(i) for i in np.argwhere(wrong)[0])
    return f"{int(wrong.sum())} of {wrong.size} elements; {list(first)} is {out[first]}, expected {ref[first]}"


def ill_conditioned(case, oracle, point, output, out, ref, wrong):
    """Whether noise moves the wrong elements as far."""
    if wrong is None:
        return False
    reach = np.zeros(ref.shape)
    with np.errstate(all="ignore"):
        for seed in range(NOISY_RUNS):
            moved = expected(case, oracle, case.feeds[point], np.random.default_rng(seed))[0][output]
            if moved.shape != ref.shape:
                return False
            far = np.abs(moved.astype(np.float64) - ref.astype(np.float64))
            reach = np.maximum(reach, np.where(np.isnan(far), np.where(np.isnan(moved) & np.isnan(ref), 0, np.inf), far))
        difference = np.abs(out.astype(np.float64) - ref.astype(np.float64))
    return bool(np.all((difference <= REACH * reach)[wrong] | np.isinf(reach)[wrong]))


# --- Tenon ----------------------------------------------------------------------------------------------------------------
class Unsteady(Exception):
    """The same inputs gave other results."""


def variants(seed, finite, device):
    """name → how a plan is built. oneDNN does not promise NaN (docs/ops.md): where there is one, it is off."""
    if device != "cpu":
        return {device: dict(onednn=False, threads=1, device=device, level=1)}
    rng = random.Random(seed)
    threads = rng.choice([1, 2])
    out = {"optimised": dict(onednn=finite, threads=threads),
           "unoptimised": dict(onednn=False, threads=1, options={"disable_passes": ",".join(PASSES), "force_tactic": "reference"})}
    if rng.random() < 0.5:
        out["own kernels"] = dict(onednn=False, threads=threads)
    if rng.random() < 0.5:
        out["some passes"] = dict(onednn=False, threads=1, options={"disable_passes": ",".join(rng.sample(PASSES, rng.randint(1, 4)))})
    if rng.random() < 0.3:
        mask = rng.choice(["avx512", "avx2,avx512"])
        out["without " + mask] = dict(onednn=False, threads=threads, options={"mask_cpu": mask})
    if rng.random() < 0.5:
        tactic = rng.choice([t for t in TACTICS if not t.startswith(("cuda_", "reference")) and (finite or not t.startswith("onednn_"))])
        out["forced " + tactic] = dict(onednn=finite, threads=1, options={"force_tactic": tactic})
    out["any kernels"] = dict(onednn=finite, threads=threads, timer=f"shuffled:{seed}", level=rng.choice([3, 5]))
    return out


def profile_of(case):
    profile = {}
    for name in case.feeds[0]:
        shapes = np.array([feed[name].shape for feed in case.feeds], np.int64).reshape(len(case.feeds), -1)
        profile[name] = tuple(tuple(int(d) for d in s) for s in (shapes.min(0), shapes[0], shapes.max(0)))
    return [profile] if profile else []


def run_tenon(tenon, case, how, planted=False):
    """Outputs at each point, copied."""
    model = case.model
    if planted:
        model = type(model).FromString(model.SerializeToString())
        for node in model.graph.node:
            if node.op_type == "Sub":
                node.op_type = "Add"
    options = {"check_passes": "1", **how.get("options", {})}
    built = tenon.build(model.SerializeToString(), profile_of(case), timer=how.get("timer", "fake"), onednn=how["onednn"], threads=how["threads"],
                        device=how.get("device", "cpu"), level=how.get("level", 3), options=options)
    context = tenon.Engine(built.plan, threads=how["threads"]).context()
    results = [{n: a.copy() for n, a in context.run(feed).items()} for feed in case.feeds]
    if len(case.feeds) > 1:  # back at the first shape nothing of the others is left
        for name, again in context.run(case.feeds[0]).items():
            if again.tobytes() != results[0][name].tobytes():
                raise Unsteady(f"output {name} differs when the first shape runs again")
    return results


def check(case, oracle, tenon, seed=0, planted=False, device="cpu"):
    """{"kind": ok | ill | refused | error | wrong | unfit, "text", "variant", …}: the worst of what was seen."""
    try:
        reference = [expected(case, oracle, feed) for feed in case.feeds]
    except Unfit as unfit:
        return {"kind": "unfit", "text": str(unfit)}
    others = sorted(set().union(*(o for _, o in reference)))
    finite = all(np.isfinite(a).all() for values, _ in reference for a in values.values() if a.dtype.kind == "f")
    verdict, refusals = {"kind": "ok", "text": ""}, {}
    every = variants(seed, finite, device)
    for variant, how in every.items():
        try:
            got = run_tenon(tenon, case, how, planted)
        except tenon.TenonError as error:
            text = "; ".join(line.strip() for line in str(error).splitlines() if line.strip())
            if error.code == INTERNAL:
                return {"kind": "error", "variant": variant, "text": text}
            refusals[variant] = text
            continue
        except Unsteady as fault:
            return {"kind": "wrong", "variant": variant, "text": str(fault), "oracle": []}
        for point, (values, _) in enumerate(reference):
            bound = BOUNDS[coarsest(values)]
            for info in case.model.graph.output:
                out, ref = got[point][info.name], values[info.name]
                wrong = wrong_elements(out, ref, bound)
                if wrong is not None and not wrong.any():
                    continue
                text = f"point {point}, output {info.name}: {tell(out, ref, wrong)}"
                if ill_conditioned(case, oracle, point, info.name, out, ref, wrong):
                    verdict = {"kind": "ill", "variant": variant, "text": text}
                else:
                    return {"kind": "wrong", "variant": variant, "point": point, "output": info.name, "text": text,
                            "oracle": others}
    if refusals:
        text = next(iter(refusals.values()))
        if len(refusals) < len(every):
            return {"kind": "wrong", "variant": next(iter(refusals)), "text": f"refused by {', '.join(refusals)} alone: {text}", "oracle": []}
        return {"kind": "refused", "text": text}
    return verdict
