"""One maker per operator: draws operands and attributes within the operator's schema and adds the node."""
import numpy as np

from graph import FLOATS, INTEGERS, Unfit

MAKERS = {}
NUMBERS = (*FLOATS, *INTEGERS)
WORDS = ("float32",) * 6 + ("float64", "float16")  # mostly f32


def maker(*names, weight=1):
    def register(function):
        for name in names:
            MAKERS[name] = (function, weight)
        return function
    return register


def add(g, name):
    MAKERS[name][0](g, name)


# --- one element each ---------------------------------------------------------------------------------------------------
DOMAIN = {"Acos": (-0.95, 0.95), "Asin": (-0.95, 0.95), "Atanh": (-0.9, 0.9), "Acosh": (1.05, 8), "Log": (0.05, 9), "Sqrt": (0, 9),
          "Reciprocal": (0.2, 5), "Tan": (-1.2, 1.2), "Exp": (-8, 6), "Sinh": (-4, 4), "Cosh": (-4, 4)}


@maker("Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Ceil", "Cos", "Cosh", "Erf", "Exp", "Floor", "Log", "Neg", "Reciprocal",
       "Round", "Sigmoid", "Sign", "Sin", "Sinh", "Softplus", "Softsign", "Sqrt", "Tan", "Tanh", "Relu", "Identity", "HardSwish", "Mish",
       "IsNaN")
def unary(g, op):
    types = NUMBERS if op in ("Abs", "Neg", "Sign", "Identity", "Relu") and g.chance(0.3) else WORDS
    low, high = DOMAIN.get(op, (None, None))
    x = g.any(types, **({"low": low, "high": high} if low is not None else {}))
    if op == "Sign" and x.dtype == "float16" and any(np.isnan(a).any() for a in x.arrays):
        return
    g.node(op, x)


PARAMETERS = {"Elu": ("alpha",), "Selu": ("alpha", "gamma"), "Celu": ("alpha",), "LeakyRelu": ("alpha",), "ThresholdedRelu": ("alpha",),
              "HardSigmoid": ("alpha", "beta"), "Shrink": ("lambd", "bias"), "Swish": ("alpha",)}


@maker(*PARAMETERS)
def activation(g, op):
    g.node(op, g.any("float32" if op in ("Shrink", "ThresholdedRelu") else WORDS), **{k: round(g.rng.uniform(0.05, 2), 2) for k in PARAMETERS[op] if g.chance(0.6)})


@maker("Gelu")
def gelu(g, op):
    g.node(op, g.any(WORDS), approximate=g.rng.choice([None, "none", "tanh"]))


@maker("IsInf")
def is_inf(g, op):
    g.node(op, g.any(("float32", "float64")), detect_negative=g.rng.choice([None, 0, 1]), detect_positive=g.rng.choice([None, 0, 1]))


def ordered(g, *values):
    values = list(values)
    if g.chance(0.3):
        values.reverse()
    return values


@maker("Add", "Sub", "Mul", weight=3)
@maker("Div", "Max", "Min", weight=2)
def binary(g, op):
    types = NUMBERS if g.chance(0.2) else WORDS
    a = g.any(types)
    if op == "Div":
        b = g.partner(a, low=1 if a.dtype in INTEGERS else 0.3, high=6)
        return g.node(op, a, b)
    if op in ("Max", "Min"):
        if g.opset < 8:
            return g.node(op, a, a)
        return g.node(op, *ordered(g, a, *(g.partner(a) for _ in range(g.rng.choice([0, 1, 1, 1, 2])))))
    g.node(op, *ordered(g, a, g.partner(a)))


@maker("Sum", "Mean")
def variadic(g, op):
    a = g.any(WORDS)
    g.node(op, *([a, a] if g.opset < 8 else [a, *(g.partner(a) for _ in range(g.rng.choice([0, 1, 2, 3])))]))


@maker("Pow")
def power(g, op):
    kind = g.rng.choice(["any", "integer", "constant"])
    if kind == "integer" and g.opset >= 12:
        a = g.any(("int32", "int64", "float32"), low=-4, high=4)
        return g.node(op, a, g.partner(a, g.rng.choice(["int32", "int64"]), low=0, high=3))
    a = g.any(WORDS, low=0.1, high=4) if kind == "any" else g.any(WORDS)
    b = g.partner(a, low=-2, high=2) if kind == "any" else g.constant(np.array(g.rng.choice([2, 2, 3, 1, 0, 0.5 if within_positive(a) else 2]), a.dtype))
    g.node(op, a, b)


def within_positive(value):
    return all(a.size == 0 or a.min() >= 0 for a in value.arrays)


@maker("Mod")
def mod(g, op):
    if g.chance(0.5):
        a = g.any(INTEGERS)
        return g.node(op, a, g.partner(a, low=1, high=5), fmod=g.rng.choice([None, 0, 1]))
    a = g.any(("float32", "float64"))
    g.node(op, a, g.partner(a, low=0.5, high=3), fmod=1)


@maker("PRelu")
def prelu(g, op):
    x = g.any(WORDS)
    slopes = [g.rng.choice([1, d[0] if len(set(d)) == 1 else 1]) for d in x.dims[g.rng.choice([0, len(x.dims) // 2]):]]
    g.node(op, x, g.random_constant(x.dtype, slopes))


@maker("And", "Or", "Xor")
def logic(g, op):
    a = g.any("bool")
    g.node(op, a, g.partner(a))


@maker("Not")
def negation(g, op):
    g.node(op, g.any("bool"))


@maker("Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual")
def comparison(g, op):
    a = g.any(("float32", "float32", "int64", "int32", "float64", "float16", "uint8"))
    g.node(op, a, g.partner(a))


@maker("BitwiseAnd", "BitwiseOr", "BitwiseXor")
def bitwise(g, op):
    a = g.any(INTEGERS)
    g.node(op, a, g.partner(a))


@maker("BitwiseNot")
def bitwise_not(g, op):
    g.node(op, g.any(INTEGERS))


@maker("BitShift")
def shift(g, op):
    a = g.any(("uint8", "uint16", "uint32", "uint64"))
    g.node(op, a, g.partner(a, low=0, high=7), direction=g.rng.choice(["LEFT", "RIGHT"]))


@maker("Where", weight=2)
def where(g, op):
    a = g.any(("float32", "float32", "float32", "int64", "float16", "bool", "float64"))
    b = g.partner(a)
    g.node(op, g.partner(a, "bool"), *ordered(g, a, b))


@maker("Clip", weight=2)
def clip(g, op):
    x = g.any(WORDS if g.opset < 12 or g.chance(0.8) else ("int32", "int64", "int8", "uint8"))
    low, high = sorted(g.rng.uniform(-2, 4) for _ in range(2))
    low, high = (low, high) if x.is_float else (max(int(low), 0), int(high) + 2)
    there = [g.chance(0.7), g.chance(0.7)]
    if g.opset < 11:
        return g.node(op, x, min=float(low) if there[0] else None, max=float(high) if there[1] else None)
    g.node(op, x, *(g.constant(np.array(n, x.dtype)) if yes else None for n, yes in zip((low, high), there)))


CAST = ("float32", "float32", "float64", "float16", "int64", "int32", "int8", "uint8", "int16", "bool", "uint32")


@maker("Cast", weight=2)
def cast(g, op):
    from graph import element_type
    x = g.any((*NUMBERS, "bool"))
    to = g.rng.choice(CAST)
    if to not in (*FLOATS, "bool") and x.dtype != "bool":
        info = np.iinfo(to)
        if not all(np.isfinite(a).all() and (a.size == 0 or a.min() > info.min - 1 and a.max() < info.max + 1) for a in (v.astype(np.float64) for v in x.arrays)):
            raise Unfit("out of range")
    g.node(op, x, to=element_type(to))


@maker("CastLike")
def cast_like(g, op):
    x = g.any(("float32", "int64", "int32", "bool"))
    like = g.any(("float32", "float64", "float16", *(("int64", "int32") if x.most < 2**31 else ())))
    g.node(op, x, like)


@maker("BitCast")
def bitcast(g, op):
    from graph import element_type
    pair = g.rng.choice([("float32", "int32"), ("int32", "uint32"), ("int64", "uint64"), ("float16", "int16"), ("int8", "uint8"), ("float64", "int64")])
    g.node(op, g.any(pair[0]), to=element_type(pair[1]))


# --- shapes -------------------------------------------------------------------------------------------------------------
def axis_of(g, value, count=1):
    """An axis, from the back at times."""
    if value.rank == 0:
        raise Unfit("rank 0")
    axis = g.rng.randrange(value.rank)
    return axis - value.rank if g.chance(0.4) else axis


def axes_of(g, value):
    axes = g.rng.sample(range(value.rank), g.rng.randint(0 if g.chance(0.1) else min(1, value.rank), value.rank))
    return [a - value.rank if g.opset >= 11 and g.chance(0.3) else a for a in axes]


def unsqueeze(g, x, axes):
    return g.node("Unsqueeze", x, g.integers(*axes)) if g.opset >= 13 else g.node("Unsqueeze", x, axes=list(axes))


def squeeze(g, x, axes):
    return g.node("Squeeze", x, g.integers(*axes)) if g.opset >= 13 else g.node("Squeeze", x, axes=list(axes))


UNDEFINED_OF_NOTHING = ("ReduceMean", "ReduceMax", "ReduceMin", "ReduceLogSumExp")


def reduce(g, op, x, axes, keepdims=None):
    if op in UNDEFINED_OF_NOTHING and any(0 in d for d in x.dims):
        raise Unfit("nothing to reduce")
    since = 13 if op == "ReduceSum" else 18
    if g.opset >= since:
        return g.node(op, x, g.integers(*axes) if axes is not None else None, keepdims=keepdims)
    return g.node(op, x, axes=axes or None, keepdims=keepdims)


def slice_of(g, x, starts, ends, axes=None, steps=None):
    if g.opset < 10:
        if steps is not None and any(s != 1 for s in steps):
            raise Unfit("no steps")
        return g.node("Slice", x, starts=starts, ends=ends, axes=axes)
    kind = g.rng.choice(["int64", "int32"]) if max(map(abs, starts + ends), default=0) < 2**31 else "int64"
    made = lambda v: None if v is None else g.integers(*v, dtype=kind)
    return g.node("Slice", x, made(starts), made(ends), made(axes), made(steps))


def dim(g, x, axis, scalar=True):
    """A dim of x as a value, in one of the ways that exporters write it."""
    shape = g.node("Shape", x, **({"start": axis, "end": axis + 1} if g.opset >= 15 and not scalar and g.chance(0.3) else {}))
    if shape.shape == (1,) and x.rank > 1:
        return shape
    if scalar or g.chance(0.6):
        one = g.node("Gather", shape, g.constant(np.array(axis, np.int64)), axis=0)
        return one if scalar else unsqueeze(g, one, [0])
    return slice_of(g, shape, [axis], [axis + 1], [0])


@maker("Reshape", weight=4)
def reshape(g, op):
    x = g.any((*WORDS, "int64", "bool"))
    if not x.static and g.chance(0.7):
        return computed_reshape(g, x)
    if g.chance(0.3) and x.rank:  # 0 keeps, -1 decides
        free = g.rng.randrange(x.rank)
        shape = [0 if i != free else -1 for i in range(x.rank)]
        if any(0 in d for d in x.dims):
            raise Unfit("-1 of nothing")
        if g.chance(0.5):
            where = g.rng.randrange(x.rank)
            shape = shape[:where] + [-1 if where == free else 0] + [d for d in shape[where + 1:] if d == 0 or where < free]
            shape = shape if shape.count(-1) == 1 else shape[:1] + [-1]
        return g.node(op, x, g.integers(*shape))
    if not x.static:
        return g.node(op, x, g.integers(-1) if g.chance(0.5) else g.integers(0, -1))
    count, shape = int(np.prod(x.shape, dtype=np.int64)), []
    rest = count
    for _ in range(g.rng.choice([0, 1, 2, 3, 4])):
        options = [d for d in range(1, max(rest, 1) + 1) if rest % d == 0][:12] or [1]
        shape.append(g.rng.choice(options) if rest else g.rng.choice([0, 1, 2]))
        rest = rest // max(shape[-1], 1)
    shape.append(rest)
    if count == 0:
        shape = [d if d else 0 for d in shape]
    elif g.chance(0.3):
        shape[g.rng.randrange(len(shape))] = -1
    g.node(op, x, g.integers(*shape), allowzero=1 if count == 0 and g.opset >= 14 else None)


def computed_reshape(g, x):
    """Reshape to dims that Shape, Gather, Mul and Concat compute."""
    if x.rank == 0:
        raise Unfit("rank 0")
    parts, free = [], g.rng.choice([None, g.rng.randrange(x.rank)])
    axis = 0
    while axis < x.rank:
        if axis == free:
            parts.append(g.integers(-1))
        elif axis + 1 < x.rank and g.chance(0.3) and axis + 1 != free:
            product = g.node("Mul", dim(g, x, axis), dim(g, x, axis + 1))
            parts.append(unsqueeze(g, product, [0]))
            axis += 1
        elif len(set(x.dims[axis])) == 1 and g.chance(0.6):
            size = x.dims[axis][0]
            if size and size % 2 == 0 and g.chance(0.5):
                parts.append(g.integers(2, size // 2))
            else:
                parts.append(g.integers(size))
        else:
            parts.append(dim(g, x, axis, scalar=False))
        axis += 1
    if free is None and g.chance(0.5):
        parts.insert(g.rng.randrange(len(parts) + 1), g.integers(1))
    if any(0 in d for d in x.dims):
        raise Unfit("-1 of nothing, or 0 that keeps")
    g.node("Reshape", x, g.node("Concat", *parts, axis=0))


@maker("Shape")
def shape(g, op):
    x = g.any((*WORDS, "int64"))
    s = g.node(op, x, **({"start": g.rng.randint(-3, 2), "end": g.rng.randint(-2, 4)} if g.opset >= 15 and g.chance(0.3) else {}))
    if g.chance(0.5):
        y = g.node("Cast", s, to=1)
        g.node("Add", y, g.constant(np.float32(0.5)))


@maker("Size")
def size(g, op):
    g.node(op, g.any(WORDS))


@maker("Flatten", weight=2)
def flatten(g, op):
    x = g.any(WORDS)
    axis = g.rng.randint(0, x.rank)
    g.node(op, x, axis=axis - x.rank if g.opset >= 11 and axis < x.rank and g.chance(0.3) else axis)


@maker("Transpose", weight=5)
def transpose(g, op):
    x = g.any((*WORDS, "int64", "bool", "uint8"), least=1)
    perm = list(range(x.rank))
    g.rng.shuffle(perm)
    g.node(op, x, perm=None if g.chance(0.15) else perm)


@maker("Squeeze", weight=2)
def squeezed(g, op):
    x = g.any(WORDS, fit=lambda v: any(set(d) == {1} for d in v.dims), fresh=0)
    ones = [i for i, d in enumerate(x.dims) if set(d) == {1}]
    if g.chance(0.2) and g.points == 1:  # what Tenon keeps of dynamic dims: avoided.txt
        return g.node(op, x)
    axes = g.rng.sample(ones, g.rng.randint(1, len(ones)))
    squeeze(g, x, [a - x.rank if g.opset >= 11 and g.chance(0.3) else a for a in axes])


@maker("Unsqueeze", weight=2)
def unsqueezed(g, op):
    x = g.any((*WORDS, "int64", "bool"))
    count = g.rng.choice([1, 1, 2])
    if x.rank + count > 6:
        raise Unfit("rank")
    axes = g.rng.sample(range(x.rank + count), count)
    unsqueeze(g, x, [a - x.rank - count if g.opset >= 11 and g.chance(0.3) else a for a in axes])


@maker("Expand", weight=2)
def expand(g, op):
    x = g.any((*WORDS, "int64", "bool"))
    other = g.any(WORDS)
    if g.chance(0.4):
        return g.node(op, x, g.node("Shape", g.partner(x) if g.chance(0.5) else other))
    dims = [d[0] if len(set(d)) == 1 and d[0] != 1 else g.rng.choice([1, 2, 3]) if set(d) == {1} else 1 for d in x.dims]
    dims = dims[g.rng.choice([0, 0, len(dims)]):]
    if g.chance(0.3) and len(dims) == x.rank < 5:
        dims = [2, *dims]
    g.node(op, x, g.integers(*dims))


@maker("Tile")
def tile(g, op):
    x = g.any((*WORDS, "int64", "bool"))
    g.node(op, x, g.integers(*(g.rng.choice([1, 1, 2, 3, 0 if g.hollow else 1]) for _ in range(x.rank))))


@maker("Concat", weight=4)
def concat(g, op):
    x = g.any((*WORDS, "int64"), least=1)
    axis = axis_of(g, x)
    at = axis % x.rank
    same = [v for v in g.values if v.dtype == x.dtype and v.rank == x.rank and not v.constant
            and all(v.dims[i] == x.dims[i] for i in range(x.rank) if i != at)]
    parts = [x, *(g.rng.choice(same) for _ in range(g.rng.choice([0, 1, 1, 2])))]
    if x.static or all(len(set(d)) == 1 for i, d in enumerate(x.dims) if i != at):
        if g.chance(0.5):
            dims = [d[0] for d in x.dims]
            dims[at] = g.size()
            parts.insert(g.rng.randrange(len(parts) + 1), g.random_constant(x.dtype, dims))
    g.node(op, *parts, axis=axis if g.opset >= 11 else at)


@maker("Split", weight=4)
def split(g, op):
    x = g.any((*WORDS, "int64"), least=1)
    axis = axis_of(g, x)
    sizes = set(x.dims[axis])
    if len(sizes) > 1:
        raise Unfit("dynamic")
    size = sizes.pop()
    axis = axis if g.opset >= 11 else axis % x.rank
    count = g.rng.choice([1, 2, 2, 3, 4])
    if g.chance(0.5):
        if size % count and g.opset < 18:
            raise Unfit("no equal parts")
        return g.node(op, x, outputs=count, axis=axis, num_outputs=count if g.opset >= 18 else None)
    cuts = sorted(g.rng.randint(0 if g.hollow else min(1, size), size) for _ in range(count - 1))
    parts = [b - a for a, b in zip([0, *cuts], [*cuts, size])]
    if not g.hollow and 0 in parts:
        raise Unfit("empty parts")
    if g.opset >= 13:
        return g.node(op, x, g.integers(*parts), outputs=count, axis=axis)
    g.node(op, x, outputs=count, axis=axis, split=parts)


@maker("Slice", weight=5)
def sliced(g, op):
    x = g.any((*WORDS, "int64", "bool"), least=1)
    axes = g.rng.sample(range(x.rank), g.rng.randint(1, x.rank))
    if any(0 in x.dims[a] and len(set(x.dims[a])) > 1 for a in axes):
        raise Unfit("a dim that is empty at times")
    starts, ends, steps = [], [], []
    for a in axes:
        most = max(x.dims[a])
        step = g.rng.choice([1, 1, 1, 2, -1, -2, 3]) if g.opset >= 10 else 1
        start, end = g.rng.randint(-most, most), g.rng.randint(-most, most)
        if g.chance(0.3):
            end = 2**63 - 1 if step > 0 else -(2**63) + 1
            start = 0 if step > 0 else -1
        if g.chance(0.5):
            start, end = (min(start, end), max(start, end)) if step > 0 else (max(start, end), min(start, end))
        starts.append(start)
        ends.append(end)
        steps.append(step)
    if g.opset >= 10 and g.chance(0.3):
        axes = [a - x.rank for a in axes]
    if axes == list(range(x.rank)) and g.chance(0.5):
        axes = None
    if all(s == 1 for s in steps):
        steps = None
    elif axes is None:
        axes = list(range(x.rank))
    y = slice_of(g, x, starts, ends, axes, steps)
    if not g.hollow and any(a.size == 0 for a in y.arrays):
        g.values.remove(y)
        g.nodes.pop()
        raise Unfit("empty")


@maker("Pad", weight=2)
def pad(g, op):
    x = g.any(WORDS if g.chance(0.8) or g.opset < 13 else ("int64", "int32"), least=1)
    mode = g.rng.choice([None, "constant", "reflect", "edge", "wrap" if g.opset >= 19 else "edge"])
    least = min(min(d) for d in x.dims)
    most = 3 if mode in (None, "constant", "edge") else max(least - 1, 0)
    axes = g.rng.sample(range(x.rank), g.rng.randint(1, x.rank)) if g.opset >= 18 and g.chance(0.3) else None
    count = len(axes) if axes else x.rank
    pads = [g.rng.choice([0, 0, g.rng.randint(0, most), -1 if least > 3 and g.chance(0.3) else 0]) for _ in range(2 * count)]
    if g.opset < 11:
        return g.node(op, x, pads=pads, mode=mode, value=0.5 if g.chance(0.5) else None)
    value = g.constant(np.array(g.rng.choice([0, 1, -2]), x.dtype)) if g.chance(0.5) and mode in (None, "constant") else None
    g.node(op, x, g.integers(*pads), value, *([g.integers(*axes)] if axes else []), mode=mode)


@maker("Gather", weight=3)
def gather(g, op):
    x = g.any((*WORDS, "int64", "bool"), least=1)
    axis = axis_of(g, x)
    least = min(x.dims[axis])
    if least == 0:
        raise Unfit("nothing to gather")
    low = -least if g.opset >= 11 else 0
    shape = [g.size() for _ in range(g.rng.choice([0, 0, 1, 1, 2]))]
    kind = g.rng.choice(["int64", "int32"])
    if g.chance(0.5):
        indices = g.random_constant(kind, shape, low=low, high=least - 1)
    else:
        indices = g.any(kind, dims=shape, low=low, high=least - 1)
    g.node(op, x, indices, axis=axis)


@maker("GatherElements")
def gather_elements(g, op):
    x = g.any((*WORDS, "int64"), least=1, fit=lambda v: v.static and 0 not in v.shape)
    axis = axis_of(g, x)
    dims = list(x.shape)
    dims[axis] = g.size()
    g.node(op, x, g.any("int64", dims=dims, low=-x.shape[axis], high=x.shape[axis] - 1), axis=axis)


@maker("GatherND")
def gather_nd(g, op):
    x = g.any(WORDS, least=1, fit=lambda v: v.static and 0 not in v.shape)
    batch = g.rng.randint(0, min(1, x.rank - 1)) if g.opset >= 12 else 0
    deep = g.rng.randint(1, x.rank - batch)
    shape = [*x.shape[:batch], g.size(), deep]
    least = min(x.shape[batch:batch + deep])
    g.node(op, x, g.random_constant("int64", shape, low=-least, high=least - 1), batch_dims=batch or None)


def distinct(g, size, count, shape, axis):
    """Indices along an axis, each once in its line."""
    lines = np.argsort(g.np.random([*shape[:axis], size, *shape[axis + 1:]]), axis=axis)
    return np.take(lines, range(count), axis=axis).astype(np.int64)


@maker("ScatterElements", "Scatter")
def scatter_elements(g, op):
    x = g.any(WORDS, least=1, fit=lambda v: v.static and 0 not in v.shape)
    axis = g.rng.randrange(x.rank)
    shape = list(x.shape)
    shape[axis] = g.rng.randint(1, x.shape[axis])
    indices = distinct(g, x.shape[axis], shape[axis], list(x.shape), axis)
    reduction = g.rng.choice([None, "add", "mul", *(["max", "min"] if g.opset >= 18 else [])]) if op == "ScatterElements" and g.opset >= 16 else None
    if reduction and g.chance(0.5):
        indices = g.np.integers(-x.shape[axis], x.shape[axis], shape)
    g.node(op, x, g.constant(indices), g.any(x.dtype, dims=shape), axis=axis, reduction=reduction)


@maker("ScatterND")
def scatter_nd(g, op):
    x = g.any(WORDS, least=1, fit=lambda v: v.static and 0 not in v.shape)
    deep = g.rng.randint(1, x.rank)
    places = int(np.prod(x.shape[:deep]))
    count = g.rng.randint(1, min(places, 6))
    chosen = g.np.permutation(places)[:count]
    indices = np.stack(np.unravel_index(chosen, x.shape[:deep]), -1).astype(np.int64)
    reduction = g.rng.choice([None, "add", "mul", *(["max", "min"] if g.opset >= 18 else [])]) if g.opset >= 16 else None
    g.node(op, x, g.constant(indices), g.any(x.dtype, dims=[count, *x.shape[deep:]]), reduction=reduction)


@maker("DepthToSpace", "SpaceToDepth")
def blocks(g, op):
    block = g.rng.choice([1, 2, 2, 3])
    n = "N" if g.symbols and g.chance(0.5) else g.size()
    if op == "DepthToSpace":
        return g.node(op, g.any(WORDS, dims=[n, block * block * g.rng.randint(1, 3), g.size(), g.size()]), blocksize=block,
                      mode=g.rng.choice([None, "DCR", "CRD"]) if g.opset >= 11 else None)
    g.node(op, g.any(WORDS, dims=[n, g.size(), block * g.rng.randint(1, 3), block * g.rng.randint(1, 3)]), blocksize=block)


@maker("ConstantOfShape")
def constant_of_shape(g, op):
    from onnx import helper
    value = g.rng.choice([None, helper.make_tensor("v", 1, [1], [1.5]), helper.make_tensor("v", 7, [1], [3]), helper.make_tensor("v", 9, [1], [1])])
    if g.chance(0.7):
        return g.node(op, g.node("Shape", g.any(WORDS)), value=value)
    g.node(op, g.integers(*(g.size() for _ in range(g.rng.randint(0, 3)))), value=value)


@maker("Range")
def numbers(g, op):
    x = g.any(WORDS, least=1)
    axis = g.rng.randrange(x.rank)
    if g.chance(0.5):
        r = g.node(op, g.constant(np.int64(g.rng.choice([0, 0, 1]))), dim(g, x, axis), g.constant(np.int64(g.rng.choice([1, 1, 2]))))
        return g.node("Cast", r, to=1)
    kind = g.rng.choice(["float32", "int32", "int64", "float64"])
    start, step = g.rng.randint(-3, 3), g.rng.choice([1, 2, -1, 3])
    g.node(op, *(g.constant(np.array(n, kind)) for n in (start, start + step * g.rng.randint(0, 6), step)))


@maker("EyeLike")
def eye_like(g, op):
    g.node(op, g.any(("float32", "int32", "int64"), rank=2), k=g.rng.choice([None, 0, 1, -1]), dtype=g.rng.choice([None, 1, 7]))


@maker("OneHot")
def one_hot(g, op):
    depth = g.rng.randint(1, 6)
    indices = g.any(("int64", "int32"), low=-depth if g.opset >= 11 else 0, high=depth - 1)
    kind = g.rng.choice(["float32", "int64"])
    axis = g.rng.choice([None, -1, *range(indices.rank + 1)])
    g.node(op, indices, g.constant(np.array(depth, np.int64) if g.chance(0.6) else np.array([depth], np.int64)),
           g.random_constant(kind, [2]), axis=axis)


@maker("Trilu")
def trilu(g, op):
    x = g.any(("float32", "float32", "int64", "float64", "bool"), least=2)
    g.node(op, x, g.constant(np.array(g.rng.randint(-2, 3), np.int64)) if g.chance(0.6) else None, upper=g.rng.choice([None, 0, 1]))


@maker("Compress")
def compress(g, op):
    x = g.any(WORDS, least=1, fit=lambda v: v.static)
    axis = g.rng.choice([None, g.rng.randrange(x.rank)])
    size = int(np.prod(x.shape)) if axis is None else x.shape[axis]
    g.node(op, x, g.random_constant("bool", [g.rng.randint(0, min(size, 12))]), axis=axis)


@maker("ReverseSequence")
def reverse_sequence(g, op):
    batch = g.rng.choice([0, 1])
    x = g.any(WORDS, dims=g.dims(g.rng.choice([2, 3])))
    times = min(x.dims[1 - batch])
    if times == 0 or len(set(x.dims[batch])) > 1:
        raise Unfit("dynamic")
    g.node(op, x, g.any("int64", dims=[x.shape[batch]], low=0 if g.chance(0.1) else 1, high=times), batch_axis=batch, time_axis=1 - batch)


@maker("TopK")
def top_k(g, op):
    x = g.any(("float32", "float32", "float64", "int64"), least=1)
    axis = axis_of(g, x) if g.opset >= 11 else g.rng.randrange(x.rank)
    k = g.rng.randint(0 if g.hollow else 1, max(1, min(x.dims[axis])))
    flags = dict(largest=g.rng.choice([None, 0, 1]), sorted=g.rng.choice([None, 1])) if g.opset >= 11 else {}
    if g.opset < 10:
        return g.node(op, x, outputs=2, axis=axis, k=k)
    g.node(op, x, g.integers(k), outputs=2, axis=axis, **flags)


@maker("CumSum", "CumProd")
def running(g, op):
    x = g.any(("float32", "float32", "float64", "int32", "int64"), least=1)
    g.node(op, x, g.constant(np.array(axis_of(g, x), g.rng.choice(["int32", "int64"]))), exclusive=g.rng.choice([None, 0, 1]), reverse=g.rng.choice([None, 0, 1]))


@maker("ArgMax", "ArgMin", weight=1)
def arg(g, op):
    x = g.any(("float32", "float32", "int32", "float64", "uint8", "int8"), least=1)
    axis = axis_of(g, x) if g.opset >= 11 else g.rng.randrange(x.rank)
    g.node(op, x, axis=axis if g.chance(0.9) else None, keepdims=g.rng.choice([None, 0, 1]),
           select_last_index=g.rng.choice([None, 0, 1]) if g.opset >= 12 else None)


REDUCTIONS = ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare")


@maker(*REDUCTIONS, weight=1)
def reduction(g, op):
    bounds = {"low": 0.05, "high": 4} if op in ("ReduceLogSum", "ReduceProd") else {}
    types = ("float32", "float32", "float32", "float64", "float16", "int32", "int64")
    if op in ("ReduceMax", "ReduceMin") and g.opset >= 12:
        types += ("int8", "uint8", *(["bool"] if g.opset >= 20 else []))
    x = g.any(WORDS if bounds or op == "ReduceLogSumExp" or g.chance(0.7) else types, **bounds)
    if op in UNDEFINED_OF_NOTHING and any(0 in d for d in x.dims):
        raise Unfit("nothing to reduce")
    axes = None if g.chance(0.15) else axes_of(g, x)
    if g.opset >= 18 or op == "ReduceSum" and g.opset >= 13:
        if not axes and g.chance(0.4):
            return g.node(op, x, g.integers() if g.chance(0.5) else None, keepdims=g.rng.choice([None, 0, 1]), noop_with_empty_axes=1)
    elif axes == []:
        axes = None
    reduce(g, op, x, axes, g.rng.choice([None, 0, 1]))


@maker("Resize", weight=3)
def resize(g, op):
    n = "N" if g.symbols and g.chance(0.5) else g.rng.choice([1, 2])
    spatial = [g.rng.randint(1, 9) for _ in range(g.rng.choice([1, 2, 2, 2, 3]))]
    mode = g.rng.choice(["nearest", "linear", "linear", "cubic" if g.opset >= 11 and len(spatial) == 2 else "nearest"])
    scales = [1, 1, *(g.rng.choice([2, 1, 3, 4, 0.5 if g.opset > 10 else 2] if mode == "nearest" else [0.5, 2, 2, 3, 1, 1.5, 0.7, 2.6]) for _ in spatial)]
    types = ("float32", "float32", "float32", "float64", "float16", *(("uint8", "int8") if mode == "nearest" else ()))
    x = g.any(types if g.opset >= 11 else "float32", dims=[n, g.rng.choice([1, 2, 3, 8]), *spatial])
    if g.opset < 10:
        raise Unfit("see Upsample")
    scale = lambda: g.constant(np.array(scales, np.float32))
    if g.opset == 10:
        return g.node(op, x, scale(), mode=mode)
    coordinates = g.rng.choice([None, "half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel",
                                "half_pixel_symmetric" if g.opset >= 19 else "asymmetric"])
    if coordinates in ("align_corners", "pytorch_half_pixel"):
        scales[2:] = [s if (s * size).is_integer() else 2 for s, size in zip(map(float, scales[2:]), spatial)]
    attributes = dict(mode=mode, coordinate_transformation_mode=coordinates)
    if mode == "nearest":
        attributes["nearest_mode"] = g.rng.choice([None, "floor", "ceil", "round_prefer_floor", "round_prefer_ceil"])
    if mode == "cubic":
        attributes["cubic_coeff_a"] = g.rng.choice([None, -0.5])
        attributes["exclude_outside"] = g.rng.choice([None, 1])
    if mode != "nearest" and g.opset >= 18 and g.chance(0.3) and len(spatial) == 2:
        attributes["antialias"] = 1
    roi = g.constant(np.array([], np.float32)) if g.opset == 11 else None
    if g.opset >= 18 and g.chance(0.3):
        axes = list(range(2, x.rank))
        if g.chance(0.5):
            if mode == "nearest":
                raise Unfit("places between elements")
            return g.node(op, x, roi, None, g.integers(*(g.rng.randint(1, 10) for _ in axes)), axes=axes,
                          keep_aspect_ratio_policy=g.rng.choice([None, *(["not_larger", "not_smaller"] if coordinates not in ("align_corners", "pytorch_half_pixel") else []),
                                                                 "stretch"]), **attributes)
        return g.node(op, x, roi, g.constant(np.array(scales[2:], np.float32)), axes=axes, **attributes)
    if g.chance(0.5) or not x.static:
        return g.node(op, x, roi, scale(), **attributes)
    sizes = [*x.shape[:2], *(d * g.rng.choice([1, 2, 3]) if mode == "nearest" else g.rng.randint(1, 12) for d in spatial)]
    g.node(op, x, roi, g.constant(np.array([], np.float32)) if g.opset == 11 else None, g.integers(*sizes), **attributes)


@maker("Upsample")
def upsample(g, op):
    x = g.any("float32", dims=[g.size(), g.size(), g.rng.randint(1, 7), g.rng.randint(1, 7)])
    scales = [1.0, 1.0, g.rng.choice([1.0, 2.0, 3.0]), g.rng.choice([1.0, 2.0, 3.0])]
    mode = g.rng.choice([None, "nearest", "linear"])
    if g.opset >= 9:
        return g.node(op, x, g.constant(np.array(scales, np.float32)), mode=mode)
    g.node(op, x, scales=scales, mode=mode)


@maker("CenterCropPad")
def center_crop_pad(g, op):
    x = g.any(WORDS, least=1)
    axes = g.rng.sample(range(x.rank), g.rng.randint(1, x.rank))
    if g.chance(0.3):
        return g.node(op, x, g.integers(*(g.rng.randint(1, 7) for _ in range(x.rank))))
    g.node(op, x, g.integers(*(g.rng.randint(1, 7) for _ in axes)), axes=axes)


@maker("Col2Im")
def col2im(g, op):
    kernel, image = [g.rng.randint(1, 3) for _ in range(2)], [g.rng.randint(4, 7) for _ in range(2)]
    pads, dilations, strides = [g.rng.choice([0, 1]) for _ in range(4)], [g.rng.choice([1, 1, 2])] * 2, [g.rng.choice([1, 2]) for _ in range(2)]
    count = 1
    for i in range(2):
        count *= (image[i] + pads[i] + pads[i + 2] - dilations[i] * (kernel[i] - 1) - 1) // strides[i] + 1
    x = g.any("float32", dims=[g.size(), g.rng.randint(1, 3) * kernel[0] * kernel[1], count])
    g.node(op, x, g.integers(*image), g.integers(*kernel), pads=pads, dilations=dilations, strides=strides)


@maker("TensorScatter")
def tensor_scatter(g, op):
    batch, most, length = g.rng.randint(1, 3), g.rng.randint(3, 7), g.rng.randint(1, 3)
    rest = [g.rng.randint(1, 4)]
    heads = [g.rng.randint(1, 3)] if g.chance(0.5) else []
    past, update = g.any("float32", dims=[batch, *heads, most, *rest]), g.any("float32", dims=[batch, *heads, length, *rest])
    write = g.any("int64", dims=[batch], low=0, high=most - length) if g.chance(0.7) else None
    g.node(op, past, update, write, axis=None if g.chance(0.5) else -2, mode=g.rng.choice([None, "linear", "circular"]))


# --- layers -------------------------------------------------------------------------------------------------------------
CHANNELS = (1, 2, 3, 4, 8, 16, 17, 24, 32)


def image(g, spatial=None, channels=None, dtype="float32", most=12):
    """A value [N, C, spatial…]."""
    spatial = spatial or g.rng.choice([1, 2, 2, 2, 2, 3])
    found = [v for v in g.values if v.dtype == dtype and v.rank == spatial + 2 and not v.constant and len(set(v.dims[1])) == 1
             and (channels is None or set(v.dims[1]) == {channels}) and all(min(d) > 0 for d in v.dims[1:])]
    if found and g.chance(0.7):
        return found[-1]
    dims = ["N" if g.symbols and g.chance(0.7) else g.rng.choice([1, 1, 2, 3]), channels or g.rng.choice(CHANNELS)]
    dims += [g.rng.choice(["S", "T"]) if g.symbols and g.chance(0.25) else g.rng.randint(1, most) for _ in range(spatial)]
    return g.input(dtype, dims)


def window(g, spatial, most=5):
    """kernel_shape and the rest of a window's attributes."""
    kernel = [g.rng.choice([1, 2, 3, 3, 3, 5 if most >= 5 else 1, g.rng.randint(1, most)]) for _ in range(spatial)]
    attributes = {}
    if g.chance(0.5):
        attributes["strides"] = [g.rng.choice([1, 2, 2, 3]) for _ in range(spatial)]
    strides = attributes.get("strides", [1] * spatial)
    if g.chance(0.15) and all(s <= k for s, k in zip(strides, kernel)):
        attributes["auto_pad"] = g.rng.choice(["SAME_UPPER", "SAME_LOWER", "VALID"])
    elif g.chance(0.6):
        attributes["pads"] = [k // 2 for k in kernel] * 2 if g.chance(0.7) else [g.rng.randint(0, k - 1) for k in kernel * 2]
    return kernel, attributes


@maker("Conv", weight=8)
def conv(g, op):
    x = image(g)
    channels, spatial = x.dims[1][0], x.rank - 2
    kernel, attributes = window(g, spatial)
    if g.chance(0.2):
        attributes["dilations"] = [g.rng.choice([1, 2]) for _ in range(spatial)]
    group = g.rng.choice([1, 1, 1, channels, 2 if channels % 2 == 0 else 1])
    outs = group * g.rng.choice([1, 1, 2, 3, 4, 8] if group > 1 else CHANNELS)
    weight = g.random_constant("float32", [outs, channels // group, *kernel])
    bias = g.random_constant("float32", [outs]) if g.chance(0.5) else None
    return g.node(op, x, weight, bias, group=group if group > 1 or g.chance(0.2) else None, kernel_shape=kernel if g.chance(0.5) else None, **attributes)


@maker("ConvTranspose", weight=3)
def conv_transpose(g, op):
    x = image(g, most=6)
    channels, spatial = x.dims[1][0], x.rank - 2
    kernel, attributes = window(g, spatial, 3)
    if attributes.get("auto_pad") in ("SAME_UPPER", "SAME_LOWER"):
        del attributes["auto_pad"]
    strides = attributes.get("strides", [1] * spatial)
    if g.chance(0.3):
        attributes["output_padding"] = [g.rng.randint(0, s - 1) for s in strides]
    if g.chance(0.2):
        attributes["dilations"] = [g.rng.choice([1, 2]) for _ in range(spatial)]
    group = g.rng.choice([1, 1, channels, 2 if channels % 2 == 0 else 1])
    outs = g.rng.choice([1, 2, 3, 8])
    g.node(op, x, g.random_constant("float32", [channels, outs, *kernel]), g.random_constant("float32", [outs * group]) if g.chance(0.5) else None,
           group=group if group > 1 else None, **attributes)


@maker("ConvInteger")
def conv_integer(g, op):
    x = image(g, 2, dtype="uint8")
    channels = x.dims[1][0]
    kernel, attributes = window(g, 2, 3)
    g.node(op, x, g.random_constant(g.rng.choice(["uint8", "int8"]), [g.rng.choice([1, 3, 8]), channels, *kernel]),
           g.constant(np.uint8(g.rng.choice([0, 2]))) if g.chance(0.5) else None, **attributes)


@maker("DeformConv")
def deform_conv(g, op):
    kernel, channels, outs = [g.rng.randint(1, 3), g.rng.randint(1, 3)], g.rng.choice([1, 2, 4]), g.rng.choice([1, 2, 3])
    n, size, pad = g.rng.randint(1, 2), g.rng.randint(4, 6), g.rng.choice([0, 1])
    out = [size + 2 * pad - k + 1 for k in kernel]
    groups = g.rng.choice([1, channels])
    x = g.any("float32", dims=[n, channels, size, size])
    offset = g.any("float32", dims=[n, groups * 2 * kernel[0] * kernel[1], *out])
    mask = g.any("float32", dims=[n, groups * kernel[0] * kernel[1], *out]) if g.chance(0.5) else None
    g.node(op, x, g.random_constant("float32", [outs, channels, *kernel]), offset, g.random_constant("float32", [outs]) if g.chance(0.5) else None, mask,
           pads=[pad] * 4, offset_group=groups if groups > 1 else None)


@maker("MaxPool", "AveragePool", "LpPool", weight=3)
def pool(g, op):
    x = image(g, dtype=g.rng.choice(["float32", "float32", "float32", "float64", "uint8" if op == "MaxPool" and g.opset >= 12 else "float32"]))
    kernel, attributes = window(g, x.rank - 2)
    if g.chance(0.2) and g.opset >= {"MaxPool": 10, "AveragePool": 19, "LpPool": 18}[op] and not attributes.get("auto_pad", "").startswith("SAME"):
        attributes["dilations"] = [g.rng.choice([1, 2]) for _ in kernel]
    pads, dilations = attributes.get("pads", [0] * 2 * len(kernel)), attributes.get("dilations", [1] * len(kernel))
    if not attributes.get("auto_pad", "").startswith("SAME") and any(
            min(x.dims[2 + i]) + pads[i] + pads[i + len(kernel)] < dilations[i] * (kernel[i] - 1) + 1 for i in range(len(kernel))):
        raise Unfit("a window larger than its input")
    if g.chance(0.3) and g.opset >= {"MaxPool": 10, "AveragePool": 10, "LpPool": 18}[op] and "auto_pad" not in attributes:
        attributes["ceil_mode"] = 1
    if op == "AveragePool":
        attributes["count_include_pad"] = g.rng.choice([None, 0, 1])
    if op == "LpPool":
        attributes["p"] = g.rng.choice([None, 1, 2, 3])
    if op == "MaxPool" and g.opset >= 8 and g.chance(0.3):
        return g.node(op, x, outputs=2, kernel_shape=kernel, storage_order=g.rng.choice([None, 0, 1]), **attributes)
    g.node(op, x, kernel_shape=kernel, **attributes)


@maker("MaxUnpool")
def max_unpool(g, op):
    if g.opset < 9:
        raise Unfit("since 9")
    x = g.any("float32", dims=[g.rng.randint(1, 2), g.rng.randint(1, 3), 2 * g.rng.randint(1, 4), 2 * g.rng.randint(1, 4)])
    y, indices = g.node("MaxPool", x, outputs=2, kernel_shape=[2, 2], strides=[2, 2])
    g.node(op, y, indices, g.integers(*x.shape) if g.chance(0.4) else None, kernel_shape=[2, 2], strides=[2, 2])


@maker("GlobalAveragePool", "GlobalMaxPool", weight=2)
def global_pool(g, op):
    g.node(op, image(g, dtype=g.rng.choice(["float32", "float32", "float64"])))


@maker("BatchNormalization", weight=3)
def batch_normalization(g, op):
    x = image(g) if g.chance(0.8) else g.any("float32", rank=2, fit=lambda v: len(set(v.dims[1])) == 1)
    return batch_normalized(g, x)


def batch_normalized(g, x):
    channels = x.dims[1][0]
    tensors = [g.random_constant("float32", [channels]) for _ in range(3)]
    return g.node("BatchNormalization", x, *tensors, g.random_constant("float32", [channels], low=0.2, high=2),
                  epsilon=g.rng.choice([None, 1e-3, 1e-5]), momentum=g.rng.choice([None, 0.8]))


@maker("InstanceNormalization")
def instance_normalization(g, op):
    x = image(g)
    if any(np.prod(a.shape[2:]) < 2 for a in x.arrays):
        raise Unfit("a set of one")
    g.node(op, x, *(g.random_constant("float32", [x.dims[1][0]]) for _ in range(2)), epsilon=g.rng.choice([None, 1e-3]))


@maker("LayerNormalization", weight=3)
def layer_normalization(g, op):
    x = g.any(("float32", "float32", "float32", "float64"), least=1)
    axis = g.rng.randrange(x.rank)
    if any(len(set(d)) > 1 for d in x.dims[axis:]):
        raise Unfit("dynamic")
    shape = list(x.shape[axis:])
    g.node(op, x, g.random_constant(x.dtype, shape), g.random_constant(x.dtype, shape) if g.chance(0.6) else None,
           outputs=g.rng.choice([1, 1, 1, 3]), axis=axis - x.rank if g.chance(0.5) else axis, epsilon=g.rng.choice([None, 1e-3]))


@maker("RMSNormalization")
def rms_normalization(g, op):
    x = g.any("float32", least=1)
    axis = g.rng.randrange(x.rank)
    if any(len(set(d)) > 1 for d in x.dims[axis:]):
        raise Unfit("dynamic")
    g.node(op, x, g.random_constant(x.dtype, list(x.shape[axis:])), axis=axis - x.rank, epsilon=g.rng.choice([None, 1e-3]))


@maker("GroupNormalization")
def group_normalization(g, op):
    groups = g.rng.choice([1, 2, 3, 4])
    channels = groups * g.rng.choice([1, 2, 4])
    x = image(g, channels=channels)
    size = channels if g.opset >= 21 else groups
    g.node(op, x, g.random_constant("float32", [size]), g.random_constant("float32", [size]), num_groups=groups, epsilon=g.rng.choice([None, 1e-3]))


@maker("LpNormalization")
def lp_normalization(g, op):
    x = g.any(("float32", "float64"), least=1)
    g.node(op, x, axis=g.rng.choice([None, g.rng.randrange(x.rank)]), p=g.rng.choice([None, 1, 2]))


@maker("LRN")
def lrn(g, op):
    g.node(op, image(g, 2), size=g.rng.choice([1, 3, 5, 2]), alpha=g.rng.choice([None, 0.1]), beta=g.rng.choice([None, 0.5]), bias=g.rng.choice([None, 2.0]))


@maker("MeanVarianceNormalization")
def mvn(g, op):
    x = image(g, 2)
    if any(max(d) < 2 for d in x.dims[2:]):
        raise Unfit("a set of one")
    g.node(op, x, axes=g.rng.choice([None, [0, 2, 3], [2, 3], [0, 1, 2, 3]]))


@maker("Dropout")
def dropout(g, op):
    x = g.any("float32")
    if g.opset >= 12:
        return g.node(op, x, g.constant(np.float32(0.3)) if g.chance(0.5) else None, outputs=g.rng.choice([1, 1, 2]))
    g.node(op, x, ratio=0.3 if g.chance(0.5) else None)


@maker("Softmax", "LogSoftmax", "Hardmax", weight=2)
def softmax(g, op):
    x = g.any(WORDS, least=1)
    axis = g.rng.choice([None, g.rng.randrange(x.rank), -1 if g.opset >= 11 else 0])
    if axis is None and g.opset < 13 and x.rank < 2:
        axis = 0
    g.node(op, x, axis=axis)


@maker("MatMul", weight=8)
def matmul(g, op):
    a = g.any(("float32", "float32", "float32", "float64"), least=1)
    if a.rank >= 2 and g.chance(0.3):  # with another value
        found = [v for v in g.values if v.rank == a.rank and v.dtype == a.dtype and v.dims[:-2] == a.dims[:-2] and not v.constant]
        fits = [v for v in found if v.dims[-2] == a.dims[-1]]
        if fits:
            return g.node(op, a, g.rng.choice(fits))
        turned = [v for v in found if v.dims[-1] == a.dims[-1]]
        if turned:
            perm = list(range(a.rank))
            perm[-2:] = perm[:-3:-1]
            return g.node(op, a, g.node("Transpose", g.rng.choice(turned), perm=perm))
    if len(set(a.dims[-1])) > 1:
        raise Unfit("dynamic")
    k = a.dims[-1][0]
    lead = [g.rng.choice([1, d[0]]) if len(set(d)) == 1 else 1 for d in a.dims[:-2]] if g.chance(0.3) else []
    b = [*lead, k, g.rng.choice([1, 2, 5, 8, 16, 17])] if g.chance(0.85) else [k]
    b = g.random_constant(a.dtype, b) if g.chance(0.7) else g.input(a.dtype, b)
    g.node(op, a, b)


@maker("Gemm", weight=4)
def gemm(g, op):
    a = g.any(("float32", "float32", "float32", "float64"), rank=2)
    turned = g.chance(0.2)
    if len(set(a.dims[0 if turned else 1])) > 1:
        raise Unfit("dynamic")
    k, n = a.dims[0 if turned else 1][0], g.rng.choice([1, 3, 8, 16, 17])
    flip = g.chance(0.5)
    b = g.random_constant(a.dtype, [n, k] if flip else [k, n])
    m = a.dims[1 if turned else 0]
    c = g.rng.choice([None, [n], [1], [1, n], [m[0], 1] if len(set(m)) == 1 else [n], [m[0], n] if len(set(m)) == 1 else [1, 1], []])
    if c is None and g.opset < 11:
        c = [n]
    g.node(op, a, b, g.random_constant(a.dtype, c) if c is not None else None, transA=1 if turned else None, transB=1 if flip else None,
           alpha=g.rng.choice([None, 0.5]), beta=g.rng.choice([None, 0.5, 2.0]))


@maker("Einsum", weight=2)
def einsum(g, op):
    text = g.rng.choice(["ij,jk->ik", "bij,bjk->bik", "bij,bkj->bik", "bhid,bhjd->bhij", "ij->ji", "bii->bi", "ij->", "i,j->ij", "bij,jk->bik", "...ij,...jk->...ik",
                         "bfnd,ndh->bfh", "abc,cd", "ijk->ik", "ij,ij->i", "bsd,hd->bhs", "aij,ajk,ak->ai"])
    sizes = {}
    operands = []
    for term in text.split("->")[0].split(","):
        letters = [c for c in term.replace("...", "")]
        dims = [sizes.setdefault(c, g.rng.randint(1, 6)) for c in letters]
        operands.append(g.any("float32", dims=([2] if "..." in term else []) + dims))
    g.node(op, *operands, equation=text)


@maker("MatMulInteger")
def matmul_integer(g, op):
    a_type, b_type = g.rng.choice(["uint8", "int8"]), g.rng.choice(["uint8", "int8"])
    m, k, n = "N" if g.symbols else g.rng.randint(1, 5), g.rng.randint(1, 18), g.rng.randint(1, 17)
    a, b = g.any(a_type, dims=[2, m, k]), g.random_constant(b_type, [k, n])
    g.node(op, a, b, g.constant(np.array(g.rng.choice([0, 3]), a_type)) if g.chance(0.7) else None,
           g.constant(np.array(g.rng.choice([0, 1]), b_type)) if g.chance(0.5) else None)


def scale_of(g, shape=()):
    return g.constant(g.np.uniform(0.05, 0.5, shape).astype(np.float32))


@maker("QuantizeLinear", weight=2)
def quantize(g, op):
    if g.opset < 10:
        raise Unfit("since 10")
    x = g.any("float32", least=1)
    kind = g.rng.choice(["uint8", "int8"])
    per_axis = g.opset >= 13 and g.chance(0.4)
    axis = g.rng.randrange(x.rank)
    if per_axis and len(set(x.dims[axis])) > 1:
        raise Unfit("dynamic")
    shape = [x.dims[axis][0]] if per_axis else []
    zero = g.random_constant(kind, shape) if g.chance(0.8) else None
    scale = scale_of(g, shape)
    q = g.node(op, x, scale, zero, axis=axis if per_axis else None)
    if g.chance(0.7):
        g.node("DequantizeLinear", q, scale, zero, axis=axis if per_axis else None)


@maker("DequantizeLinear")
def dequantize(g, op):
    x = g.any(("uint8", "int8", "int32"), least=1)
    zero = None if x.dtype == "int32" else g.random_constant(x.dtype, [])
    g.node(op, x, scale_of(g), zero)


@maker("DynamicQuantizeLinear")
def dynamic_quantize(g, op):
    q, scale, zero = g.node(op, g.any("float32", fit=lambda v: v.static and all(a.any() for a in v.arrays), fresh=0.25), outputs=3)
    if g.chance(0.6):
        g.node("DequantizeLinear", q, scale, zero)


@maker("QLinearMatMul")
def qlinear_matmul(g, op):
    kind = g.rng.choice(["uint8", "int8"])
    k, n = g.rng.randint(1, 17), g.rng.randint(1, 17)
    a, b = g.any(kind, dims=[g.rng.randint(1, 4), k]), g.random_constant(kind, [k, n])
    zero = lambda: g.constant(np.array(g.rng.choice([0, 1, 3]), kind))
    g.node(op, a, scale_of(g), zero(), b, scale_of(g), zero(), scale_of(g), zero())


@maker("QLinearConv")
def qlinear_conv(g, op):
    x = image(g, 2, dtype="uint8")
    channels, outs = x.dims[1][0], g.rng.choice([1, 3, 8])
    kernel, attributes = window(g, 2, 3)
    w_type = g.rng.choice(["uint8", "int8"])
    per = [outs] if g.chance(0.4) else []
    g.node(op, x, scale_of(g), g.constant(np.uint8(3)), g.random_constant(w_type, [outs, channels, *kernel]), scale_of(g, per),
           g.constant(np.full(per, 0 if w_type == "int8" else 2, w_type)), scale_of(g), g.constant(np.uint8(7)),
           g.random_constant("int32", [outs]) if g.chance(0.5) else None, **attributes)


GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


@maker(*GATES)
def recurrent(g, op):
    gates, hidden, size = GATES[op], g.rng.choice([1, 3, 4, 8]), g.rng.choice([1, 3, 5, 8])
    direction = g.rng.choice([None, "forward", "reverse", "bidirectional"])
    both = 2 if direction == "bidirectional" else 1
    steps, batch = ("T" if g.symbols and g.chance(0.5) else g.rng.randint(1, 6)), ("N" if g.symbols and g.chance(0.5) else g.rng.randint(1, 3))
    layout = 1 if g.opset >= 14 and g.chance(0.2) else None
    x = g.any("float32", dims=[batch, steps, size] if layout else [steps, batch, size])
    w, r = g.random_constant("float32", [both, gates * hidden, size]), g.random_constant("float32", [both, gates * hidden, hidden])
    b = g.random_constant("float32", [both, 2 * gates * hidden]) if g.chance(0.6) else None
    state = lambda: g.any("float32", dims=[batch, both, hidden] if layout else [both, batch, hidden]) if g.chance(0.4) else None
    lengths = g.any("int32", dims=[batch], low=1, high=min(x.dims[1 if layout else 0])) if g.chance(0.25) and min(x.dims[1 if layout else 0]) > 0 else None
    attributes = dict(hidden_size=hidden, direction=direction, layout=layout, clip=g.rng.choice([None, None, 1.5]))
    if op == "GRU":
        attributes["linear_before_reset"] = g.rng.choice([None, 0, 1])
    if op == "LSTM":
        attributes["input_forget"] = g.rng.choice([None, None, 1])
    if g.chance(0.2):
        names = {"LSTM": ["Sigmoid", "Tanh", "Relu"], "GRU": ["Sigmoid", "Softsign"], "RNN": ["Relu"]}[op]
        attributes["activations"] = names * both
    inputs = [x, w, r, b, lengths, state()]
    outputs = 3 if op == "LSTM" else 2
    if op == "LSTM":
        inputs += [state(), g.random_constant("float32", [both, 3 * hidden]) if g.chance(0.2) else None]
    g.node(op, *inputs, outputs=g.rng.choice([outputs, outputs, 1]), **attributes)


@maker("Attention", weight=3)
def attention(g, op):
    batch, length, past = ("N" if g.symbols and g.chance(0.6) else g.rng.randint(1, 2)), ("S" if g.symbols and g.chance(0.5) else g.rng.randint(1, 9)), g.rng.randint(1, 9)
    kv = g.rng.choice([1, 2, 3])
    heads, size, v_size = kv * g.rng.choice([1, 1, 2]), g.rng.choice([4, 8, 16]), g.rng.choice([4, 8, 5])
    keys = length if g.chance(0.5) else past
    flat = g.chance(0.3)
    shapes = [[batch, length, heads * size], [batch, keys, kv * size], [batch, keys, kv * v_size]] if flat else \
             [[batch, heads, length, size], [batch, kv, keys, size], [batch, kv, keys, v_size]]
    q, k, v = (g.any("float32", dims=s) for s in shapes)
    mask = None
    if g.chance(0.5):
        kind = g.rng.choice(["float32", "bool"])
        mask_dims = [length, keys] if g.chance(0.6) else [1, 1, length, keys]
        mask = g.any(kind, dims=mask_dims)
        if kind == "bool":  # every query sees the first key
            for array in mask.arrays:
                array[..., :1] = True
    attributes = dict(is_causal=g.rng.choice([None, 0, 1]), scale=g.rng.choice([None, 0.3]), softcap=g.rng.choice([None, None, 2.0]))
    if flat:
        attributes |= dict(q_num_heads=heads, kv_num_heads=kv)
    if g.chance(0.2) and not flat and isinstance(keys, int):
        old = g.rng.randint(1, 4)
        if mask is not None:
            raise Unfit("the mask is too short")
        return g.node(op, q, k, v, None, g.any("float32", dims=[batch, kv, old, size]), g.any("float32", dims=[batch, kv, old, v_size]), outputs=3, **attributes)
    g.node(op, q, k, v, mask, **attributes)


@maker("RotaryEmbedding")
def rotary(g, op):
    batch, heads, length, size = g.rng.randint(1, 2), g.rng.randint(1, 3), g.rng.randint(1, 5), 2 * g.rng.randint(1, 4)
    flat = g.chance(0.4)
    x = g.any("float32", dims=[batch, length, heads * size] if flat else [batch, heads, length, size])
    most = length + 3
    ids = g.any("int64", dims=[batch, length], low=0, high=most - 1) if g.chance(0.6) else None
    shape = [most, size // 2] if ids else [batch, length, size // 2]
    g.node(op, x, g.random_constant("float32", shape), g.random_constant("float32", shape), ids,
           num_heads=heads if flat else None, interleaved=g.rng.choice([None, 0, 1]))


@maker("LinearAttention")
def linear_attention(g, op):
    batch, length, kv, size, v_size = g.rng.randint(1, 2), g.rng.randint(1, 5), g.rng.randint(1, 2), g.rng.choice([2, 4]), g.rng.choice([2, 3])
    heads = kv * g.rng.choice([1, 2])
    rule = g.rng.choice(["linear", "gated", "delta", "gated_delta"])
    q, k, v = g.any("float32", dims=[batch, length, heads * size]), g.any("float32", dims=[batch, length, kv * size]), g.any("float32", dims=[batch, length, kv * v_size])
    past = g.any("float32", dims=[batch, kv, size, v_size]) if g.chance(0.5) else None
    decay = g.any("float32", dims=[batch, length, kv], low=-1, high=0) if "gated" in rule else None
    beta = g.any("float32", dims=[batch, length, kv], low=0, high=1) if "delta" in rule else None
    g.node(op, q, k, v, past, decay, beta, outputs=2, q_num_heads=heads, kv_num_heads=kv, update_rule=rule)


@maker("CausalConvWithState")
def causal_conv(g, op):
    batch, channels, length, kernel = g.rng.randint(1, 2), g.rng.randint(1, 4), g.rng.randint(1, 6), g.rng.randint(2, 4)
    x = g.any("float32", dims=[batch, channels, length])
    g.node(op, x, g.random_constant("float32", [channels, 1, kernel]), g.random_constant("float32", [channels]) if g.chance(0.5) else None,
           g.any("float32", dims=[batch, channels, kernel - 1]) if g.chance(0.5) else None, outputs=2, activation=g.rng.choice([None, "silu"]))


@maker("GridSample")
def grid_sample(g, op):
    deep = g.opset >= 20 and g.chance(0.2)
    n, spatial = g.rng.randint(1, 2), [g.rng.randint(1, 6) for _ in range(3 if deep else 2)]
    x = g.any("float32", dims=[n, g.rng.randint(1, 3), *spatial])
    grid = g.any("float32", dims=[n, *(g.rng.randint(1, 4) for _ in spatial), len(spatial)], low=-1.3, high=1.3)
    words = ["linear", "nearest", *([] if deep else ["cubic"])] if g.opset >= 20 else ["bilinear", "nearest", "bicubic"]
    g.node(op, x, grid, mode=g.rng.choice(words), padding_mode=g.rng.choice([None, "zeros", "border", "reflection"]), align_corners=g.rng.choice([None, 0, 1]))


@maker("AffineGrid")
def affine_grid(g, op):
    n, deep = g.rng.randint(1, 2), g.chance(0.3)
    theta = g.any("float32", dims=[n, 3 if deep else 2, 4 if deep else 3])
    g.node(op, theta, g.integers(n, 2, *(g.rng.randint(2, 5) for _ in range(3 if deep else 2))), align_corners=g.rng.choice([None, 0, 1]))


@maker("RoiAlign")
def roi_align(g, op):
    n, regions = g.rng.randint(1, 2), g.rng.randint(1, 3)
    x = g.any("float32", dims=[n, g.rng.randint(1, 3), g.rng.randint(3, 8), g.rng.randint(3, 8)])
    low = g.np.uniform(0, 3, [regions, 2])
    rois = g.constant(np.concatenate([low, low + g.np.uniform(0.5, 4, [regions, 2])], 1).astype(np.float32))
    batch = g.random_constant("int64", [regions], low=0, high=n - 1)
    g.node(op, x, rois, batch, mode=g.rng.choice([None, "avg", "max"]), output_height=g.rng.randint(1, 3), output_width=g.rng.randint(1, 3),
           sampling_ratio=g.rng.choice([None, 0, 2]), spatial_scale=g.rng.choice([None, 0.5]),
           coordinate_transformation_mode=g.rng.choice([None, "half_pixel", "output_half_pixel"]) if g.opset >= 16 else None)


@maker("Det")
def det(g, op):
    n = g.rng.randint(1, 4)
    g.node(op, g.any(("float32", "float64"), dims=[*(g.size() for _ in range(g.rng.choice([0, 1, 2]))), n, n]))


@maker("DFT")
def dft(g, op):
    x = g.any("float32", dims=[g.rng.randint(1, 3), g.rng.randint(1, 9), g.rng.choice([1, 2])])
    length = g.constant(np.int64(g.rng.randint(1, 9))) if g.chance(0.3) else None
    onesided = 1 if x.shape[-1] == 1 and g.chance(0.4) else None
    inverse = 1 if onesided is None and g.chance(0.4) else None
    if g.opset >= 20:
        return g.node(op, x, length, g.constant(np.int64(1)) if g.chance(0.7) else None, onesided=onesided, inverse=inverse)
    g.node(op, x, length, axis=1, onesided=onesided, inverse=inverse)


@maker("STFT")
def stft(g, op):
    n, step = g.rng.randint(12, 30), g.rng.randint(1, 6)
    frame = g.rng.randint(2, 10)
    x = g.any("float32", dims=[g.rng.randint(1, 2), n, 1])
    window = g.random_constant("float32", [frame]) if g.chance(0.6) else None
    g.node(op, x, g.constant(np.int64(step)), window, g.constant(np.int64(frame)), onesided=g.rng.choice([None, 1]))


@maker("HannWindow", "HammingWindow", "BlackmanWindow")
def signal_window(g, op):
    g.node(op, g.constant(np.int64(g.rng.randint(3, 12))), periodic=g.rng.choice([None, 0, 1]))


@maker("MelWeightMatrix")
def mel(g, op):
    g.node(op, *(g.constant(n) for n in (np.int64(g.rng.randint(2, 6)), np.int64(16), np.int64(8000), np.float32(0), np.float32(4000))))


@maker("NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss")
def loss(g, op):
    n, classes = g.rng.randint(1, 4), g.rng.randint(1, 5)
    rest = [g.rng.randint(1, 4) for _ in range(g.rng.choice([0, 1, 2]))]
    x = g.any("float32", dims=[n, classes, *rest])
    labels = g.any("int64", dims=[n, *rest], low=0, high=classes - 1)
    weight = g.random_constant("float32", [classes], low=0.2, high=2) if g.chance(0.5) else None
    g.node(op, x, labels, weight, outputs=g.rng.choice([1, 2]) if op.startswith("Softmax") else 1,
           reduction=g.rng.choice([None, "mean", "sum", "none"]), ignore_index=g.rng.choice([None, 0]))


@maker("TfIdfVectorizer")
def tf_idf(g, op):
    g.node(op, g.any(("int64", "int32"), dims=[g.rng.randint(4, 9)] if g.chance(0.5) else [2, g.rng.randint(4, 9)], low=0, high=7),
           min_gram_length=1, max_gram_length=2, max_skip_count=g.rng.choice([0, 1, 2]), mode=g.rng.choice(["TF", "IDF", "TFIDF"]),
           ngram_counts=[0, 3], ngram_indexes=[0, 1, 2, 3, 4, 5], pool_int64s=[2, 3, 5, 5, 4, 2, 3, 6, 5], weights=[1.0, 2.0, 0.5, 1.0, 3.0, 1.5])
