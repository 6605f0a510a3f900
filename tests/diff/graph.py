"""Random graphs that grow node by node, each node computed as it is added, and the oracle that computes them.

A graph is known at several *points*: one for a static graph, more for one with dynamic dims, of which each symbol has a
number at each point. A value holds its array at every point, so that whoever adds a node knows shapes and values; a node
that the oracle cannot compute at every point is not added.
"""
import collections
import random
import warnings
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper, numpy_helper

NEWEST = onnx.defs.onnx_opset_version()
MOST_ELEMENTS = 40_000
FLOATS = ("float32", "float64", "float16")
INTEGERS = ("int64", "int32", "int8", "uint8", "int16", "uint16", "uint32", "uint64")


class Unfit(Exception):
    """The node is none: its schema, or the oracle, refuses it."""


def element_type(dtype):
    return helper.np_dtype_to_tensor_dtype(np.dtype(dtype))


# --- the oracle ---------------------------------------------------------------------------------------------------------
def _single(node, opset, types):
    inputs = [helper.make_tensor_value_info(n, element_type(t), None) for n, t in types.items()]
    outputs = [onnx.ValueInfoProto(name=n) for n in node.output if n]
    graph = helper.make_graph([node], "one", inputs, outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


# See avoided.txt.
NO_REFERENCE = {"GlobalMaxPool", "GlobalAveragePool", "AveragePool", "LRN", "LpPool", "Resize", "GRU", "LSTM", "RNN", "Erf"}
FINITE_ONLY = {"GRU", "LSTM", "RNN", "DFT", "STFT", "MaxPool", "GlobalMaxPool", "Hardmax", "LogSoftmax", "QuantizeLinear", "DynamicQuantizeLinear", "ArgMax",
               "ArgMin", "TopK", "Conv", "ConvTranspose", "Resize", "Col2Im", "ReduceMax", "ReduceMin", "LRN",
               "Upsample", "GridSample", "RoiAlign", "DeformConv"}


class Oracle:
    """Computes single nodes: ONNX Runtime without its optimisations; what that refuses, ONNX's reference."""

    def __init__(self):
        self.sessions = collections.OrderedDict()

    def _session(self, node, opset, types):
        key = (node.SerializeToString(), opset, tuple(types.items()))
        if key in self.sessions:
            self.sessions.move_to_end(key)
            return self.sessions[key]
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        model = _single(node, opset, types)
        try:
            session = ort.InferenceSession(model.SerializeToString(), options), "onnxruntime"
        except Exception as refusal:
            newest = onnx.defs.get_schema(node.op_type, NEWEST, "").since_version
            if node.op_type in NO_REFERENCE or newest > opset:
                raise Unfit(str(refusal)) from None
            try:
                from onnx.reference import ReferenceEvaluator
                session = ReferenceEvaluator(model), "onnx.reference"
            except Exception:
                raise Unfit(str(refusal)) from None
        self.sessions[key] = session
        if len(self.sessions) > 400:
            self.sessions.popitem(last=False)
        return session

    def run(self, node, opset, arrays):
        """A node's outputs (None for those without a name), and who computed them. `arrays`: by input name."""
        plain = onnx.NodeProto.FromString(node.SerializeToString())
        plain.name = ""
        feed, names = {}, {}
        for i, name in enumerate(node.input):
            if name:
                plain.input[i] = names.setdefault(name, f"i{i}")
                feed[plain.input[i]] = arrays[name]
        for i, name in enumerate(node.output):
            plain.output[i] = f"o{i}" if name else ""
        session, who = self._session(plain, opset, {n: a.dtype.name for n, a in feed.items()})
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                got = iter(session.run(None, feed))
        except Exception as refusal:
            raise Unfit(f"{who}: {refusal}") from None
        return [np.asarray(next(got)) if name else None for name in node.output], who


# --- the graph ----------------------------------------------------------------------------------------------------------
@dataclass(eq=False)
class Value:
    name: str
    arrays: list  # one a point
    constant: bool = False
    uses: int = 0

    @property
    def dtype(self):
        return self.arrays[0].dtype.name

    @property
    def rank(self):
        return self.arrays[0].ndim

    @property
    def dims(self):
        """Per axis its size at each point."""
        return list(zip(*(a.shape for a in self.arrays))) if self.rank else []

    @property
    def static(self):
        return all(len(set(d)) == 1 for d in self.dims)

    @property
    def shape(self):
        return self.arrays[0].shape

    @property
    def is_float(self):
        return self.dtype in FLOATS

    @property
    def most(self):
        return max((float(np.max(np.abs(a.astype(np.float64)))) if a.size else 0.0) for a in self.arrays)


@dataclass
class Case:
    """A model and what it is run on, one feed a point."""
    model: onnx.ModelProto
    feeds: list
    opset: int

    def save(self, path):
        arrays = {f"{i}/{name}": array for i, feed in enumerate(self.feeds) for name, array in feed.items()}
        with open(path, "wb") as file:
            np.savez(file, model=np.frombuffer(self.model.SerializeToString(), np.uint8), points=np.int64(len(self.feeds)), **arrays)

    @staticmethod
    def load(path):
        with np.load(path) as file:
            model = onnx.ModelProto.FromString(file["model"].tobytes())
            feeds = [{} for _ in range(int(file["points"]))]
            for key in file.files:
                if key not in ("model", "points"):
                    point, _, name = key.partition("/")
                    feeds[int(point)][name] = file[key]
        return Case(model, feeds, next(o.version for o in model.opset_import if o.domain == ""))


class Graph:
    def __init__(self, seed, oracle, opset=None, dynamic=None):
        self.rng, self.np = random.Random(seed), np.random.default_rng(seed)
        rng = self.rng
        self.oracle = oracle
        self.opset = opset or rng.choice([7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, NEWEST])
        self.wild = rng.random() < 0.05      # numbers that are none may occur
        self.hollow = rng.random() < 0.06    # dims of 0 may occur
        self.symbols = {}
        self.points = 1
        if dynamic if dynamic is not None else rng.random() < 0.4:
            self.points = 3
            batch = rng.choice([(2, 1, 5), (2, 1, 4), (3, 2, 6), (2, 0, 5) if self.hollow else (1, 2, 3)])
            self.symbols = {"N": batch, "S": rng.choice([(7, 4, 9), (8, 5, 16)]), "T": rng.choice([(6, 3, 11), (17, 10, 20)])}
        self.values, self.nodes, self.inputs, self.initializers = [], [], [], []
        self.kinds = collections.Counter()

    # --- drawing ---
    def chance(self, probability):
        return self.rng.random() < probability

    def size(self, most=6):
        if self.hollow and self.chance(0.15):
            return 0
        return self.rng.choice([1, 1, 2, 3, 4, 5, 8, most]) if self.chance(0.9) else self.rng.randint(1, 3 * most)

    def dims(self, rank=None):
        """Random dims: numbers, and names of symbols."""
        rank = self.rng.choice([0, 1, 2, 2, 3, 3, 4, 4, 5]) if rank is None else rank
        out = [self.size() for _ in range(rank)]
        if self.symbols and rank:
            for name in self.rng.sample(sorted(self.symbols), min(rank, self.rng.choice([1, 1, 2]))):
                out[self.rng.randrange(rank)] = name
        return out

    def array(self, dtype, shape, low=None, high=None):
        """Numbers of everyday sizes, some of them integers or halves; integers are small."""
        kind = np.dtype(dtype).kind
        if kind == "b":
            return self.np.random(shape) < 0.5
        if kind in "iu":
            low = (-6 if kind == "i" else 0) if low is None else low
            return self.np.integers(low, (7 if high is None else high) + 1, shape).astype(dtype)
        if low is not None:
            return self.np.uniform(low, high, shape).astype(dtype)
        array = self.np.normal(0, self.rng.choice([0.5, 1, 1, 3]), shape)
        if self.chance(0.2):
            array = np.round(array * 2) / 2
        array = np.asarray(array)
        if self.wild and array.size and self.chance(0.5):
            array = array.copy()
            array.flat[self.rng.randrange(array.size)] = self.rng.choice([np.inf, -np.inf, np.nan, 0.0, -0.0])
        return array.astype(dtype)

    # --- making values ---
    def _add(self, name, arrays, constant=False):
        value = Value(name, [np.asarray(a) for a in arrays], constant)
        self.values.append(value)
        return value

    def input(self, dtype="float32", dims=None, low=None, high=None):
        dims = self.dims() if dims is None else list(dims)
        name = f"x{len(self.values)}"
        shapes = [[self.symbols[d][p] if isinstance(d, str) else d for d in dims] for p in range(self.points)]
        if any(np.prod(s, dtype=np.int64) > MOST_ELEMENTS for s in shapes):
            raise Unfit("too large")
        self.inputs.append(helper.make_tensor_value_info(name, element_type(dtype), dims))
        return self._add(name, [self.array(dtype, s, low, high) for s in shapes])

    def constant(self, array, node=None):
        """An initialiser, or a Constant node."""
        array = np.asarray(array)
        name = f"c{len(self.values)}"
        if self.chance(0.3) if node is None else node:
            self.nodes.append(helper.make_node("Constant", [], [name], value=numpy_helper.from_array(array, name)))
        else:
            self.initializers.append(numpy_helper.from_array(array, name))
        return self._add(name, [array] * self.points, True)

    def integers(self, *numbers, dtype="int64"):
        return self.constant(np.array(numbers, dtype))

    def random_constant(self, dtype, shape, **bounds):
        if np.prod(shape, dtype=np.int64) > MOST_ELEMENTS:
            raise Unfit("too large")
        array = self.array(dtype, shape, **bounds)
        return self.constant(array if np.isfinite(array).all() else np.nan_to_num(array, nan=1, posinf=1, neginf=1))

    def any(self, dtype=None, rank=None, least=None, fit=None, fresh=0.25, dims=None, **bounds):
        """A value of these properties: one that is there, most often a recent one, or a new input or constant."""
        dtypes = (dtype,) if isinstance(dtype, str) else dtype or ("float32",)
        dtype = self.rng.choice(dtypes)
        found = [v for v in self.values
                 if v.dtype in dtypes and (rank is None or v.rank == rank) and (least is None or v.rank >= least)
                 and not v.constant and (fit is None or fit(v)) and (not bounds or within(v, **bounds))]
        if found and not self.chance(fresh) and dims is None:
            return found[-min(len(found), 1 + int(self.rng.expovariate(0.6)))]
        if dims is None:
            dims = self.dims(rank if rank is not None else self.rng.choice([r for r in (0, 1, 2, 2, 3, 3, 4, 4, 5) if r >= (least or 0)]))
        value = self.input(dtype, dims, **bounds)
        if fit is not None and not fit(value):
            raise Unfit("no fit")
        return value

    def partner(self, value, dtype=None, **bounds):
        """An operand that broadcasts with `value`."""
        dtype = dtype or value.dtype

        def broadcasts(other):
            try:
                return all(np.prod(np.broadcast_shapes(a.shape, b.shape), dtype=np.int64) <= MOST_ELEMENTS
                           for a, b in zip(value.arrays, other.arrays))
            except ValueError:
                return False
        found = [v for v in self.values if v.dtype == dtype and broadcasts(v) and (not bounds or within(v, **bounds))]
        if found and self.chance(0.5):
            return self.rng.choice(found)
        dims = []
        for sizes in value.dims:
            symbol = next((s for s, at in self.symbols.items() if at == sizes), None)
            dims.append(sizes[0] if len(set(sizes)) == 1 else symbol or 1)
        dims = [1 if self.chance(0.3) else d for d in dims[self.rng.choice([0, 0, 0, len(dims) // 2, len(dims)]):]]
        if self.chance(0.05) and len(dims) < 5:
            dims = [2, *dims]
        if any(isinstance(d, str) for d in dims) or self.chance(0.4):
            return self.input(dtype, dims, **bounds)
        return self.random_constant(dtype, dims, **bounds)

    # --- adding nodes ---
    def schema(self, op):
        try:
            return onnx.defs.get_schema(op, self.opset, "")
        except onnx.defs.SchemaError:
            raise Unfit(f"no {op} in op set {self.opset}") from None

    def has(self, op, since=1):
        """Whether the operator is there, in a version at least `since`."""
        try:
            schema = self.schema(op)
        except Unfit:
            return False
        return not schema.deprecated and schema.since_version >= since

    def node(self, op, *inputs, outputs=1, most=None, **attributes):
        """Adds a node; its value, or a list of `outputs` of them (a count, or which are there). Attributes of None are left out."""
        schema = self.schema(op)
        if schema.deprecated:
            raise Unfit(f"{op} is deprecated")
        attributes = {k: v for k, v in attributes.items() if v is not None}
        for name in attributes:
            if name not in schema.attributes:
                raise Unfit(f"{op} of op set {self.opset} has no {name}")
        inputs = list(inputs)
        while inputs and inputs[-1] is None:
            inputs.pop()
        if not schema.min_input <= len(inputs) <= schema.max_input:
            raise Unfit(f"{op} of op set {self.opset} has other inputs")
        self._check_types(schema, inputs)
        if op in FINITE_ONLY and not all(np.isfinite(a).all() for i in inputs if i and i.is_float for a in i.arrays):
            raise Unfit("numbers that are none")
        there = [True] * outputs if isinstance(outputs, int) else outputs
        names = [f"v{len(self.values) + i}" if yes else "" for i, yes in enumerate(there)]
        node = helper.make_node(op, [i.name if i else "" for i in inputs], names, **attributes)
        results = []
        for point in range(self.points):
            got, _ = self.oracle.run(node, self.opset, {i.name: i.arrays[point] for i in inputs if i})
            results.append(got)
        for got in results:
            for array in got:
                if array is None:
                    continue
                if array.size > MOST_ELEMENTS or array.dtype == object:
                    raise Unfit("too large")
                if array.dtype.kind == "f" and array.size:
                    largest = np.max(np.abs(array))
                    limit = (1e3 if array.dtype == np.float16 else 1e6) if most is None else most
                    if not largest <= limit and not (self.wild and not np.isfinite(largest)):
                        raise Unfit("too large a number")
        ranks = {tuple(a.ndim for a in got if a is not None) for got in results}
        if len(ranks) > 1:
            raise Unfit("ranks differ")
        for i in inputs:
            if i:
                i.uses += 1
        self.nodes.append(node)
        self.kinds[op] += 1
        made = [self._add(name, [got[k] for got in results]) if name else None for k, name in enumerate(names)]
        return made[0] if outputs == 1 else made

    @staticmethod
    def _check_types(schema, inputs):
        bound = {}
        for i, value in enumerate(inputs):
            formal = schema.inputs[min(i, len(schema.inputs) - 1)]
            if value is None:
                if formal.option != onnx.defs.OpSchema.FormalParameterOption.Optional:
                    raise Unfit("an input is missing")
                continue
            kind = f"tensor({helper.tensor_dtype_to_string(element_type(value.dtype)).split('.')[-1].lower()})"
            if kind not in formal.types:
                raise Unfit(f"{schema.name} does not take {kind}")
            if formal.is_homogeneous and bound.setdefault(formal.type_str, kind) != kind:
                raise Unfit("types differ")

    def case(self):
        """What was drawn as a case: outputs are what nothing uses, and some of the rest."""
        made = [v for v in self.values if not v.constant and v.name.startswith("v")]
        outputs = [v for v in made if v.uses == 0 or self.chance(0.1)]
        if not outputs:
            raise Unfit("nothing is computed")
        used = needed(self.nodes, {v.name for v in outputs})
        nodes = [n for n in self.nodes if any(o in used for o in n.output)]
        arrays = {v.name: v.arrays for v in self.values}
        inputs = [i for i in self.inputs if i.name in used]
        infos = [helper.make_tensor_value_info(v.name, element_type(v.dtype), None) for v in outputs]
        graph = helper.make_graph(nodes, "random", inputs, infos, [t for t in self.initializers if t.name in used])
        ir = 3 if self.opset < 9 else 8 if self.opset < 20 else 10
        if ir == 3:  # initialisers are inputs too
            graph.input.extend(helper.make_tensor_value_info(t.name, t.data_type, list(t.dims)) for t in graph.initializer)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=ir)
        feeds = [{i.name: arrays[i.name][p] for i in inputs} for p in range(self.points)]
        return Case(model, feeds, self.opset)


def within(value, low=None, high=None):
    """Whether a value's numbers lie between bounds."""
    return all(a.size == 0 or ((low is None or a.min() >= low) and (high is None or a.max() <= high)) for a in value.arrays)


def needed(nodes, names):
    """Names that the values `names` are computed from, and these."""
    used = set(names)
    for node in reversed(nodes):
        if any(o in used for o in node.output):
            used.update(i for i in node.input if i)
    return used
