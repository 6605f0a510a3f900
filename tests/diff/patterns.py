"""Motifs that Tenon's passes and tactics look for, as exporters write them, each with turns that must keep them from it."""
import numpy as np
from onnx import helper

import operators
from graph import Unfit
from operators import batch_normalized, dim, image, reduce, squeeze, unsqueeze

PATTERNS = {}


def pattern(weight=1):
    def register(function):
        PATTERNS[function.__name__] = (function, weight)
        return function
    return register


def number(g, value, dtype="float32"):
    return g.constant(np.array(value, dtype))


def activated(g, x):
    """One of the activations that follow convolutions and products."""
    kind = g.rng.choice(["none", "Relu", "Clip", "LeakyRelu", "Sigmoid", "Tanh", "SiLU", "hard swish", "gelu", "HardSwish", "PRelu", "Elu", "mish"])
    if kind in ("Relu", "Sigmoid", "Tanh"):
        return g.node(kind, x)
    if kind == "Clip":
        return g.node("Clip", x, number(g, 0.0), number(g, 6.0)) if g.opset >= 11 else g.node("Clip", x, min=0.0, max=6.0)
    if kind in ("LeakyRelu", "Elu"):
        return g.node(kind, x, alpha=0.1)
    if kind == "SiLU":
        return g.node("Mul", *operators.ordered(g, x, g.node("Sigmoid", x)))
    if kind == "hard swish":
        inner = g.node("Add", x, number(g, 3.0))
        inner = g.node("Clip", inner, number(g, 0.0), number(g, 6.0)) if g.opset >= 11 else g.node("Clip", inner, min=0.0, max=6.0)
        return g.node("Div", g.node("Mul", x, inner), number(g, 6.0)) if g.chance(0.7) else g.node("Mul", x, g.node("Div", inner, number(g, 6.0)))
    if kind == "HardSwish":
        return g.node("HardSwish", x) if g.opset >= 14 else x
    if kind == "gelu":
        return gelu_of(g, x)
    if kind == "PRelu":
        return g.node("PRelu", x, g.random_constant(x.dtype, [x.dims[1][0], *[1] * (x.rank - 2)] if x.rank > 1 and len(set(x.dims[1])) == 1 else [1]))
    if kind == "mish":
        return g.node("Mul", x, g.node("Tanh", g.node("Softplus", x)))
    return x


def gelu_of(g, x):
    if g.opset >= 9 and g.chance(0.6):
        inner = g.node("Erf", g.node("Div", x, number(g, 2**0.5, x.dtype)))
        inner = g.node("Add", inner, number(g, 1, x.dtype))
        if g.chance(0.5):
            return g.node("Mul", g.node("Mul", x, inner), number(g, 0.5, x.dtype))
        return g.node("Mul", g.node("Mul", x, number(g, 0.5, x.dtype)), inner)
    cube = g.node("Pow", x, number(g, 3, x.dtype)) if g.chance(0.5) else g.node("Mul", x, g.node("Mul", x, x))
    inner = g.node("Add", x, g.node("Mul", cube, number(g, 0.044715, x.dtype)))
    inner = g.node("Tanh", g.node("Mul", inner, number(g, 0.7978845608, x.dtype)))
    return g.node("Mul", g.node("Mul", x, number(g, 0.5, x.dtype)), g.node("Add", inner, number(g, 1, x.dtype)))


@pattern()
def gelu(g):
    gelu_of(g, g.any(("float32", "float32", "float64")))


@pattern(4)
def conv_block(g):
    """conv, batch normalisation, activation, residual, in several orders; the first value may be used elsewhere too."""
    x = image(g, g.rng.choice([1, 2, 2, 2, 2, 3]))
    for _ in range(g.rng.choice([1, 1, 2, 3])):
        channels, spatial = x.dims[1][0], x.rank - 2
        kernel = [g.rng.choice([1, 3, 3, 5, 2])] * spatial
        group = g.rng.choice([1, 1, channels, 2 if channels % 2 == 0 else 1])
        keep = g.chance(0.5)
        outs = channels if keep else group * g.rng.choice([1, 2, 4, 8, 16, 3])
        strides = [1] * spatial if keep else [g.rng.choice([1, 2])] * spatial
        y = g.node("Conv", x, g.random_constant("float32", [outs, channels // group, *kernel]),
                   g.random_constant("float32", [outs]) if g.chance(0.5) else None, group=group, strides=strides,
                   pads=[k // 2 for k in kernel] + [(k - 1) // 2 for k in kernel])
        residual = x if keep and g.chance(0.6) and x.dims == y.dims else None
        if g.chance(0.5):
            y = batch_normalized(g, y)
        elif g.chance(0.3):
            y = g.node("Mul", y, g.random_constant("float32", [outs, *[1] * spatial]))
            y = g.node("Add", y, g.random_constant("float32", [1, outs, *[1] * spatial]))
        if residual is not None and g.chance(0.5):
            y = g.node("Add", *operators.ordered(g, y, residual))
            residual = None
        y = activated(g, y)
        if residual is not None:
            y = g.node("Add", *operators.ordered(g, y, residual))
        if g.chance(0.3):
            y = g.node("Relu", y)
        x = y


@pattern(2)
def squeeze_excite(g):
    x = image(g, 2)
    channels = x.dims[1][0]
    if g.chance(0.6):
        y = g.node("GlobalAveragePool", x)
    else:
        y = reduce(g, "ReduceMean", x, [2, 3] if g.chance(0.6) else [-2, -1] if g.opset >= 11 else [2, 3], 1)
    inner = g.rng.choice([1, 2, 4, 8])
    if g.chance(0.6):
        y = g.node("Conv", y, g.random_constant("float32", [inner, channels, 1, 1]), g.random_constant("float32", [inner]))
        y = g.node("Relu", y) if g.chance(0.6) else activated(g, y)
        y = g.node("Conv", y, g.random_constant("float32", [channels, inner, 1, 1]), g.random_constant("float32", [channels]))
    else:
        y = g.node("Flatten", y)
        y = g.node("Relu", g.node("Gemm", y, g.random_constant("float32", [inner, channels]), g.random_constant("float32", [inner]), transB=1))
        y = g.node("Gemm", y, g.random_constant("float32", [channels, inner]), g.random_constant("float32", [channels]), transB=1)
        y = unsqueeze(g, y, [2, 3])
    y = g.node(g.rng.choice(["Sigmoid", "HardSigmoid"]), y)
    g.node("Mul", *operators.ordered(g, x, y))


@pattern(2)
def inverted_residual(g):
    x = image(g, 2, channels=g.rng.choice([4, 8, 16]))
    channels, wide = x.dims[1][0], x.dims[1][0] * g.rng.choice([2, 3, 6])
    if min(min(d) for d in x.dims[2:]) < 1:
        raise Unfit("empty")
    y = activated(g, batch_normalized(g, g.node("Conv", x, g.random_constant("float32", [wide, channels, 1, 1]))))
    k, stride = g.rng.choice([3, 5]), g.rng.choice([1, 1, 2])
    y = g.node("Conv", y, g.random_constant("float32", [wide, 1, k, k]), group=wide, pads=[k // 2] * 4, strides=[stride, stride])
    y = activated(g, batch_normalized(g, y))
    y = batch_normalized(g, g.node("Conv", y, g.random_constant("float32", [channels, wide, 1, 1])))
    if stride == 1:
        g.node("Add", x, y)


def layer_normalized(g, x):
    """Layer normalisation spelled out, along the last dim."""
    size = x.dims[-1][0]
    mean = reduce(g, "ReduceMean", x, [-1] if g.opset >= 11 or g.opset < 11 and g.chance(0.5) and False else [x.rank - 1], 1)
    d = g.node("Sub", x, mean)
    square = g.node("Pow", d, number(g, 2, x.dtype)) if g.chance(0.6) else g.node("Mul", d, d)
    variance = reduce(g, "ReduceMean", square, [x.rank - 1], 1)
    deviation = g.node("Sqrt", g.node("Add", variance, number(g, g.rng.choice([1e-5, 1e-6, 1e-2]), x.dtype)))
    y = g.node("Div", d, deviation) if g.chance(0.6) else g.node("Mul", d, g.node("Reciprocal", deviation))
    y = g.node("Mul", *operators.ordered(g, y, g.random_constant(x.dtype, [size])))
    return g.node("Add", y, g.random_constant(x.dtype, [size]))


def sequence(g, size=None):
    """A value [batch, length, size]."""
    found = [v for v in g.values if v.rank == 3 and v.dtype == "float32" and not v.constant and len(set(v.dims[2])) == 1
             and (size is None or v.dims[2][0] == size) and 0 < v.dims[2][0] <= 64]
    if found and g.chance(0.7):
        return found[-1]
    batch = "N" if g.symbols and g.chance(0.7) else g.rng.choice([1, 1, 2])
    length = g.rng.choice(["S", "T"]) if g.symbols and g.chance(0.7) else g.rng.choice([1, 3, 4, 7, 16, 17])
    return g.input("float32", [batch, length, size or g.rng.choice([4, 8, 16, 24, 32])])


@pattern(2)
def layer_norm(g):
    x = sequence(g) if g.chance(0.6) else g.any("float32", least=1, fit=lambda v: len(set(v.dims[-1])) == 1)
    if g.chance(0.3):
        x = g.node("Add", x, g.partner(x))
    layer_normalized(g, x)


@pattern(2)
def rms_norm(g):
    x = sequence(g)
    square = g.node("Pow", x, number(g, 2.0)) if g.chance(0.6) else g.node("Mul", x, x)
    y = g.node("Add", reduce(g, "ReduceMean", square, [2], 1), number(g, 1e-6))
    if g.chance(0.5):
        y = g.node("Mul", x, g.node("Div", number(g, 1.0), g.node("Sqrt", y)) if g.chance(0.5) else g.node("Reciprocal", g.node("Sqrt", y)))
    else:
        y = g.node("Div", x, g.node("Sqrt", y))
    g.node("Mul", g.random_constant("float32", [x.dims[2][0]]), y)


def projected(g, x, outs, bias=None):
    """x times a weight, as MatMul and Add, or as Gemm where x has 2 dims."""
    y = g.node("MatMul", x, g.random_constant("float32", [x.dims[-1][0], outs]))
    if bias if bias is not None else g.chance(0.7):
        y = g.node("Add", *operators.ordered(g, y, g.random_constant("float32", [outs])))
    return y


def split_heads(g, x, heads, size, perm):
    """[batch, length, heads·size] as heads, with a computed or a constant shape."""
    if g.chance(0.4) and not any(0 in d for d in x.dims):
        shape = g.integers(0, g.rng.choice([0, -1]), heads, size)
    else:
        parts = [dim(g, x, 0, scalar=False), dim(g, x, 1, scalar=False) if g.chance(0.5) else g.integers(-1), g.integers(heads), g.integers(size)]
        if any(0 in d for d in x.dims) and parts[1].constant:
            raise Unfit("-1 of nothing")
        shape = g.node("Concat", *parts, axis=0)
    return g.node("Transpose", g.node("Reshape", x, shape), perm=perm)


@pattern(6)
def attention(g):
    """Attention as PyTorch's exporters write it: products, scale before or after, masks, heads merged again."""
    heads, size = g.rng.choice([1, 2, 3, 4]), g.rng.choice([4, 8, 16])
    x = sequence(g, heads * size if g.chance(0.6) else None)
    width = heads * size
    memory = x
    if g.chance(0.2):
        batch = next((s for s, at in g.symbols.items() if at == x.dims[0]), x.dims[0][0])
        memory = g.input("float32", [batch, g.rng.choice([1, 5, 9]), g.rng.choice([8, 12])])
    turned = g.chance(0.5)  # keys are transposed at once, or afterwards
    if g.chance(0.25) and memory is x:  # one product, then Split or Slice
        packed = projected(g, x, 3 * width)
        if g.chance(0.5):
            parts = g.node("Split", packed, outputs=3, axis=2, num_outputs=3 if g.opset >= 18 else None)
        elif g.opset >= 10:
            parts = [operators.slice_of(g, packed, [i * width], [(i + 1) * width], [2]) for i in range(3)]
        else:
            raise Unfit("no Slice")
    elif g.chance(0.2) and memory is x:  # [batch, length, 3, heads, size], as in vision transformers
        packed = projected(g, x, 3 * width)
        shape = g.node("Concat", dim(g, x, 0, scalar=False), dim(g, x, 1, scalar=False), g.integers(3), g.integers(heads), g.integers(size), axis=0)
        packed = g.node("Transpose", g.node("Reshape", packed, shape), perm=[2, 0, 3, 1, 4])
        parts = [g.node("Gather", packed, g.constant(np.array(i, np.int64)), axis=0) for i in range(3)]
        attend(g, x, *parts, heads, size, False)
        return
    else:
        parts = [projected(g, x, width), projected(g, memory, width), projected(g, memory, width)]
    if g.chance(0.1):
        parts[0] = g.node("Mul", parts[0], number(g, size**-0.5))
    q = split_heads(g, parts[0], heads, size, [0, 2, 1, 3])
    k = split_heads(g, parts[1], heads, size, [0, 2, 3, 1] if turned else [0, 2, 1, 3])
    v = split_heads(g, parts[2], heads, size, [0, 2, 1, 3])
    attend(g, x, q, k, v, heads, size, turned)


def attend(g, x, q, k, v, heads, size, turned):
    scale = size**-0.5
    before = g.rng.choice(["none", "q", "k", "both", "after div", "after mul"])
    if before in ("q", "both"):
        q = g.node("Mul", q, number(g, scale if before == "q" else scale**0.5))
    if not turned:
        k = g.node("Transpose", k, perm=[0, 1, 3, 2])
    if before in ("k", "both"):
        k = g.node("Mul", k, number(g, scale if before == "k" else scale**0.5))
    s = g.node("MatMul", q, k)
    if before == "after div":
        s = g.node("Div", s, number(g, 1 / scale))
    if before == "after mul":
        s = g.node("Mul", s, number(g, scale))
    mask = g.rng.choice(["none", "none", "add", "where", "padding", "causal"])
    if mask == "add":
        s = g.node("Add", *operators.ordered(g, s, g.partner(s)))
    if mask == "where":
        keep = g.partner(s, "bool")
        for array in keep.arrays:
            if array.ndim and not keep.name.startswith(("v", "c")):
                array[..., :1] = True
        s = g.node("Where", *([keep, s, number(g, -1e9)] if g.chance(0.6) else [g.node("Not", keep), number(g, g.rng.choice([-1e9, -3.4e38, -1e4])), s]))
    if mask == "padding" and s.static:
        m = g.input("int64", [q.dims[0][0], s.dims[3][0]], low=0, high=1)
        for array in m.arrays:
            array[..., :1] = 1
        m = g.node("Cast", unsqueeze(g, unsqueeze(g, m, [1]), [2]), to=1)
        m = g.node("Mul", g.node("Sub", number(g, 1.0), m), number(g, g.rng.choice([-10000.0, -3.4028234663852886e38])), most=1e39)
        s = g.node("Add", s, m, most=1e39)
    if mask == "causal" and s.static and g.opset >= 9:
        rows, columns = s.dims[2][0], s.dims[3][0]
        upper = np.triu(np.full((rows, columns), -np.inf, np.float32), 1) if g.chance(0.5) else np.triu(np.full((rows, columns), -1e9, np.float32), 1)
        if g.wild or upper.size and np.isfinite(upper).all():
            s = g.node("Add", s, g.constant(upper), most=1e39)
    p = g.node("Softmax", s, axis=3 if g.opset < 11 or g.chance(0.5) else -1)
    if g.chance(0.1) and g.opset >= 12:
        p = g.node("Dropout", p)
    if g.chance(0.07):
        g.node("Mul", p, number(g, 2.0))  # used elsewhere too
    y = g.node("MatMul", p, v)
    y = g.node("Transpose", y, perm=[0, 2, 1, 3] if g.chance(0.9) else [0, 1, 3, 2])
    if y.dims[2] == (heads,) * g.points:
        if g.chance(0.5) and not any(0 in d for d in y.dims):
            y = g.node("Reshape", y, g.integers(0, 0, heads * size) if g.chance(0.5) else g.integers(0, -1, heads * size))
        else:
            y = g.node("Reshape", y, g.node("Concat", dim(g, y, 0, scalar=False), dim(g, y, 1, scalar=False), g.integers(heads * size), axis=0))
        y = projected(g, y, x.dims[2][0])
        if g.chance(0.6) and y.dims == x.dims:
            y = g.node("Add", *operators.ordered(g, x, y))
            if g.chance(0.5):
                layer_normalized(g, y)


@pattern(3)
def feed_forward(g):
    x = sequence(g)
    y = projected(g, x, g.rng.choice([8, 16, 32, 48]))
    if g.chance(0.3):  # gated
        y = g.node("Mul", activated(g, projected(g, x, y.dims[2][0])), y)
    else:
        y = activated(g, y)
    y = projected(g, y, x.dims[2][0])
    if g.chance(0.7):
        y = g.node("Add", x, y)
    if g.chance(0.5):
        layer_normalized(g, y)


@pattern(3)
def products_and_moves(g):
    """Products with transposes, slices, concatenations and reshapes before and behind them."""
    rank = g.rng.choice([2, 3, 4])
    k = g.rng.choice([2, 4, 8, 16])
    dims = g.dims(rank)
    dims[-1] = k
    a = g.input("float32", dims)
    for _ in range(g.rng.choice([0, 1, 1, 2])):
        kind = g.rng.choice(["transpose", "slice", "concat", "unsqueeze", "scale"])
        if kind == "transpose":
            perm = list(range(a.rank))
            g.rng.shuffle(perm)
            a = g.node("Transpose", a, perm=perm)
        elif kind == "slice" and min(a.dims[-1]) > 1:
            a = operators.slice_of(g, a, [1], [2**31 - 1], [a.rank - 1])
        elif kind == "concat":
            a = g.node("Concat", a, a, axis=g.rng.randrange(a.rank))
        elif kind == "unsqueeze" and a.rank < 5:
            a = unsqueeze(g, a, [0])
        elif kind == "scale":
            a = g.node("Mul", a, number(g, 0.5))
    if len(set(a.dims[-1])) > 1:
        if a.rank < 2:
            raise Unfit("dynamic")
        perm = list(range(a.rank))
        at = next((i for i, d in enumerate(a.dims) if len(set(d)) == 1), None)
        if at is None:
            raise Unfit("dynamic")
        perm[at], perm[-1] = perm[-1], perm[at]
        a = g.node("Transpose", a, perm=perm)
    if g.chance(0.4):  # the same product of several weights, side by side
        parts = [g.node("MatMul", a, g.random_constant("float32", [a.dims[-1][0], g.rng.choice([3, 8])])) for _ in range(g.rng.choice([2, 3]))]
        y = g.node("Concat", *parts, axis=a.rank - 1)
    elif g.chance(0.5) and a.rank >= 2:  # with itself, turned
        perm = list(range(a.rank))
        perm[-2:] = perm[:-3:-1]
        y = g.node("MatMul", a, g.node("Transpose", a, perm=perm))
    else:
        y = projected(g, a, g.rng.choice([1, 5, 8, 17]))
    if g.chance(0.6):
        perm = list(range(y.rank))
        g.rng.shuffle(perm)
        y = g.node("Transpose", y, perm=perm)
    if g.chance(0.5):
        y = activated(g, y) if y.rank > 1 and len(set(y.dims[1])) == 1 else g.node("Relu", y)
    if g.chance(0.4):
        g.node("Add", y, g.partner(y))


@pattern(2)
def patches(g):
    """The first layer of a vision transformer, with a class token."""
    patch, channels, width = g.rng.choice([2, 3, 4]), g.rng.choice([1, 3]), g.rng.choice([8, 16])
    rows, columns = g.rng.randint(1, 4), g.rng.randint(1, 4)
    rest = g.rng.choice([0, 0, 0, 1])
    batch = "N" if g.symbols else g.rng.choice([1, 2])
    x = g.input("float32", [batch, channels, rows * patch + rest, columns * patch])
    y = g.node("Conv", x, g.random_constant("float32", [width, channels, patch, patch]), g.random_constant("float32", [width]) if g.chance(0.8) else None,
               strides=[patch, patch])
    if any(0 in d for d in y.dims):
        raise Unfit("empty")
    y = g.node("Reshape", y, g.integers(0, width, -1)) if g.chance(0.6) else g.node("Flatten", y, axis=2)
    y = g.node("Transpose", y, perm=[0, 2, 1]) if y.rank == 3 else y
    if g.chance(0.6) and y.rank == 3:
        token = g.node("Expand", g.random_constant("float32", [1, 1, width]), g.node("Concat", dim(g, x, 0, scalar=False), g.integers(1, width), axis=0))
        y = g.node("Concat", token, y, axis=1)
        y = g.node("Add", y, g.random_constant("float32", [1, y.dims[1][0], width]))
    if g.chance(0.4) and y.rank == 3:
        layer_normalized(g, y)


@pattern(2)
def shape_arithmetic(g):
    """Dims of a value through arithmetic into Reshape, Expand, Slice, ConstantOfShape, Range, Tile."""
    x = g.any("float32", least=2)
    if any(0 in d for d in x.dims):
        raise Unfit("empty")
    a, b = dim(g, x, 0), dim(g, x, 1)
    kind = g.rng.choice(["reshape", "slice half", "zeros", "positions", "where", "expand", "floor"])
    one = lambda v: unsqueeze(g, v, [0])
    if kind == "reshape":
        product = one(g.node("Mul", a, b))
        rest = [dim(g, x, i, scalar=False) for i in range(2, x.rank)]
        g.node("Reshape", x, g.node("Concat", product, *rest, axis=0) if rest else product)
    elif kind == "slice half" and g.opset >= 10:
        if g.chance(0.5):
            half = g.node("Div", b, g.constant(np.int64(2)))
            if g.chance(0.5):
                half = g.node("Cast", g.node("Cast", half, to=6), to=7)
        else:
            half = g.node("Mul", g.node("Cast", b, to=1), number(g, g.rng.choice([0.5, 0.25, 1.5, 1.0])))
            if g.chance(0.3):
                half = g.node("Add", half, number(g, g.rng.choice([0.5, 1.0])))
            half = g.node("Cast", g.node(g.rng.choice(["Floor", "Ceil"]), half) if g.chance(0.8) else half, to=7)
        y = g.node("Slice", x, g.integers(0), one(half), g.integers(1))
        z = g.node("Slice", x, one(half), g.integers(2**63 - 1), g.integers(1))
        if g.chance(0.7):
            g.node("Concat", g.node("Neg", z), y, axis=1)
    elif kind == "zeros" and g.opset >= 9:
        y = g.node("ConstantOfShape", g.node("Concat", one(a), one(b), axis=0))
        g.node("Add", y, number(g, 1.0))
    elif kind == "positions" and g.opset >= 11:
        r = g.node("Range", g.constant(np.int64(0)), b, g.constant(np.int64(1)))
        r = g.node("Cast", r, to=1)
        if x.dims[1] == x.dims[-1]:
            g.node("Mul", x, r)
        mask = g.node("Less", unsqueeze(g, r, [0]), unsqueeze(g, r, [1]))
        g.node("Where", mask, number(g, 1.0), number(g, -2.0))
    elif kind == "where":
        shape = g.node("Shape", x)
        if g.opset < 9:
            raise Unfit("no ConstantOfShape")
        big = g.node("ConstantOfShape", g.node("Shape", shape), value=helper.make_tensor("v", 7, [1], [1]))
        minus = g.node("Mul", big, g.integers(*[-1] * x.rank))
        target = g.node("Where", g.node("Equal", g.node("Mul", big, shape), minus), big, shape)
        row = g.random_constant("float32", [1] * x.rank)
        g.node("Expand", row, target)
    elif kind == "expand" and g.opset >= 8:
        y = g.node("Expand", g.random_constant("float32", [1, 1, 3]), g.node("Concat", one(a), one(b), g.integers(3), axis=0))
        g.node("Mul", y, number(g, 2.0))
    elif kind == "floor" and g.opset >= 10:
        count = g.node("Div", g.node("Add", b, g.constant(np.int64(1))), g.constant(np.int64(2)))
        count = g.node("Sub", count, g.constant(np.int64(0)))
        g.node("Tile", operators.slice_of(g, x, [0], [1], [1]), g.node("Concat", g.integers(1), one(count), *([g.integers(*[1] * (x.rank - 2))] if x.rank > 2 else []), axis=0))
    else:
        raise Unfit("another op set")


@pattern(2)
def cuts_and_joins(g):
    """Split or Slice, something on a part, Concat: channel shuffles, CSP blocks, rotary halves."""
    x = image(g, 2, channels=g.rng.choice([4, 8, 16, 6]))
    half = x.dims[1][0] // 2
    if g.chance(0.5):
        a, b = g.node("Split", x, outputs=2, axis=1, num_outputs=2 if g.opset >= 18 else None)
    else:
        a, b = operators.slice_of(g, x, [0], [half], [1]), operators.slice_of(g, x, [half], [2**31 - 1], [1])
    if g.chance(0.6):
        b = activated(g, g.node("Conv", b, g.random_constant("float32", [half, half, 3, 3]), pads=[1, 1, 1, 1]))
    else:
        b = g.node("Relu", b)
    y = g.node("Concat", *operators.ordered(g, a, b), *([b] if g.chance(0.2) else []), axis=1)
    if g.chance(0.4) and y.dims[1][0] == 2 * half and all(len(set(d)) == 1 for d in y.dims[2:]) and not any(0 in d for d in y.dims):
        height, width = y.dims[2][0], y.dims[3][0]
        y = g.node("Reshape", y, g.integers(-1, 2, half, height, width))
        y = g.node("Transpose", y, perm=[0, 2, 1, 3, 4])
        y = g.node("Reshape", y, g.integers(-1, 2 * half, height, width))
    if g.chance(0.4):
        g.node("Conv", y, g.random_constant("float32", [8, y.dims[1][0], 1, 1]), g.random_constant("float32", [8]))


@pattern(2)
def quantised_conv(g):
    """Q and DQ around a convolution or a product, as quantisers place them."""
    if g.opset < 10:
        raise Unfit("since 10")
    x = image(g, 2)
    channels, outs = x.dims[1][0], g.rng.choice([1, 4, 8])

    def round_trip(v):
        kind = g.rng.choice(["uint8", "int8"])
        scale, zero = number(g, 0.05), number(g, 128 if kind == "uint8" else 0, kind)
        return g.node("DequantizeLinear", g.node("QuantizeLinear", v, scale, zero), scale, zero)
    per = g.opset >= 13 and g.chance(0.5)
    w = g.random_constant("int8", [outs, channels, 3, 3])
    w = g.node("DequantizeLinear", w, g.constant(g.np.uniform(0.01, 0.1, [outs] if per else []).astype(np.float32)),
               g.constant(np.zeros([outs] if per else [], np.int8)), axis=0 if per else None)
    y = g.node("Conv", round_trip(x), w, g.random_constant("float32", [outs]) if g.chance(0.5) else None, pads=[1, 1, 1, 1])
    round_trip(g.node("Relu", y) if g.chance(0.5) else y)


@pattern(2)
def pooled_head(g):
    x = image(g, 2)
    y = g.node("GlobalAveragePool", x) if g.chance(0.6) else reduce(g, "ReduceMean", x, [2, 3], g.rng.choice([0, 1]))
    if y.rank == 4:
        y = g.rng.choice([lambda: g.node("Flatten", y), lambda: squeeze(g, y, [2, 3]), lambda: g.node("Reshape", y, g.integers(-1, y.dims[1][0]))])()
    y = g.node("Gemm", y, g.random_constant("float32", [10, y.dims[1][0]]), g.random_constant("float32", [10]), transB=1)
    g.node("Softmax", y, axis=1)


@pattern(1)
def many_operands(g):
    """More operands in one chain of elementwise nodes than a program holds, and broadcasts in the middle."""
    x = g.any("float32", least=1)
    y = x
    for _ in range(g.rng.randint(5, 24)):
        op = g.rng.choice(["Add", "Mul", "Sub", "Max" if g.opset >= 8 else "Add", "Min" if g.opset >= 8 else "Sub"])
        y = g.node(op, *operators.ordered(g, y, g.partner(y)))
        if g.chance(0.3):
            y = g.node(g.rng.choice(["Tanh", "Sigmoid", "Abs", "Relu", "Neg"]), y)
