"""Networks beyond the zoo's, small and with drawn weights: what exporters write for grouped and dense convolutions, shuffled
channels, detectors, shifted windows, decoders with rotary positions, transposed and one-dimensional convolutions, mixers.

NETWORKS maps a name to a function that gives an onnx.ModelProto of fixed shapes. The structures follow the papers that are named;
widths and depths are reduced.
"""
import math

import numpy as np
from onnx import TensorProto, helper, numpy_helper

OPSET = 17


class Builder:
    """Adds nodes one by one; each method returns the name of what its node gives."""

    def __init__(self, name):
        self.name, self.nodes, self.initializers, self.inputs = name, [], [], []
        self.random = np.random.default_rng(len(name))

    def model(self, *outputs):
        values = [helper.make_tensor_value_info(o, TensorProto.FLOAT, None) for o in outputs]
        graph = helper.make_graph(self.nodes, self.name, self.inputs, values, self.initializers)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)

    def input(self, dims, dtype=TensorProto.FLOAT):
        self.inputs.append(helper.make_tensor_value_info(f"x{len(self.inputs)}", dtype, dims))
        return self.inputs[-1].name

    def op(self, op_type, *inputs, outputs=1, **attributes):
        names = [f"{op_type.lower()}_{len(self.nodes)}" + (f"_{i}" if outputs > 1 else "") for i in range(outputs)]
        self.nodes.append(helper.make_node(op_type, list(inputs), names, name=f"{op_type}_{len(self.nodes)}", **attributes))
        return names[0] if outputs == 1 else names

    def constant(self, array):
        array = np.asarray(array)
        self.initializers.append(numpy_helper.from_array(array, f"w{len(self.initializers)}"))
        return self.initializers[-1].name

    def weight(self, *dims, deviation, mean=0.0):
        return self.constant((self.random.standard_normal(dims) * deviation + mean).astype(np.float32))

    def ints(self, *values):
        return self.constant(np.array(values, np.int64))

    def scalar(self, value):
        return self.constant(np.float32(value))

    # --- Layers

    def conv(self, x, into, out, kernel=3, stride=1, pad=None, group=1, dilation=1, dims=2):
        pad = dilation * (kernel - 1) // 2 if pad is None else pad
        taps = kernel ** dims * into // group
        return self.op("Conv", x, self.weight(out, into // group, *[kernel] * dims, deviation=math.sqrt(2 / taps)), self.weight(out, deviation=0.1),
                       kernel_shape=[kernel] * dims, strides=[stride] * dims, pads=[pad] * 2 * dims, group=group, dilations=[dilation] * dims)

    def conv_transpose(self, x, into, out, kernel, stride, pad=0, dims=2, **attributes):
        w = self.weight(into, out, *[kernel] * dims, deviation=math.sqrt(stride ** dims / (into * kernel ** dims)))
        return self.op("ConvTranspose", x, w, self.weight(out, deviation=0.1), kernel_shape=[kernel] * dims, strides=[stride] * dims,
                       pads=[pad] * 2 * dims, **attributes)

    def batch_norm(self, x, channels):
        variance = self.constant(np.abs(self.random.standard_normal(channels) * 0.1 + 1).astype(np.float32))
        return self.op("BatchNormalization", x, self.weight(channels, deviation=0.1, mean=1), self.weight(channels, deviation=0.1),
                       self.weight(channels, deviation=0.1), variance)

    def relu(self, x):
        return self.op("Relu", x)

    def silu(self, x):
        return self.op("Mul", x, self.op("Sigmoid", x))

    def gelu(self, x):
        grown = self.op("Add", self.op("Erf", self.op("Div", x, self.scalar(math.sqrt(2)))), self.scalar(1))
        return self.op("Mul", self.op("Mul", x, grown), self.scalar(0.5))

    def max_pool(self, x, kernel=3, stride=2, pad=1):
        return self.op("MaxPool", x, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4)

    def linear(self, x, into, out, bias=True):
        y = self.op("MatMul", x, self.weight(into, out, deviation=1 / math.sqrt(into)))
        return self.op("Add", y, self.weight(out, deviation=0.1)) if bias else y

    def classifier(self, x, into, out):
        flat = self.op("Flatten", self.op("GlobalAveragePool", x), axis=1)
        return self.op("Gemm", flat, self.weight(out, into, deviation=1 / math.sqrt(into)), self.weight(out, deviation=0.1), transB=1)

    def layer_norm(self, x, width):
        return self.op("LayerNormalization", x, self.weight(width, deviation=0.1, mean=1), self.weight(width, deviation=0.1), axis=-1)

    def reshape(self, x, *dims):
        return self.op("Reshape", x, self.ints(*dims))

    def transpose(self, x, *perm):
        return self.op("Transpose", x, perm=list(perm))

    def concat(self, *parts, axis=1):
        return self.op("Concat", *parts, axis=axis)

    def split(self, x, *sizes, axis=1):
        return self.op("Split", x, self.ints(*sizes), outputs=len(sizes), axis=axis)

    def slice(self, x, axis, begin, end, step=1):
        return self.op("Slice", x, self.ints(begin), self.ints(end), self.ints(axis), self.ints(step))

    def squeeze_excite(self, x, channels, inner, gate):
        z = self.relu(self.conv(self.op("GlobalAveragePool", x), channels, inner, 1))
        return self.op("Mul", x, gate(self.conv(z, inner, channels, 1)))

    def attention(self, q, k, v, length, width, heads, mask=None):
        """q, k, v: [heads' batch, heads, length, width / heads]."""
        scores = self.op("Mul", self.op("MatMul", q, self.transpose(k, 0, 1, 3, 2)), self.scalar((width // heads) ** -0.5))
        scores = self.op("Add", scores, mask) if mask else scores
        return self.op("MatMul", self.op("Softmax", scores, axis=-1), v)

    def heads(self, x, length, width, heads):
        return self.transpose(self.reshape(x, 1, length, heads, width // heads), 0, 2, 1, 3)

    def mlp(self, x, width, inner):
        return self.linear(self.gelu(self.linear(x, width, inner)), inner, width)


def resnext():
    """Xie et al. 2017: bottlenecks whose 3 x 3 convolution has 32 groups."""
    b = Builder("resnext")
    x = b.max_pool(b.relu(b.conv(b.input([1, 3, 96, 96]), 3, 64, 7, 2)))
    channels = 64
    for stage, (inner, out) in enumerate([(128, 256), (256, 512), (512, 1024)]):
        for i in range(2):
            stride = 2 if i == 0 and stage > 0 else 1
            y = b.relu(b.conv(b.relu(b.conv(x, channels, inner, 1)), inner, inner, 3, stride, group=32))
            short = b.conv(x, channels, out, 1, stride, pad=0) if i == 0 else x
            x, channels = b.relu(b.op("Add", b.conv(y, inner, out, 1), short)), out
    return b.model(b.classifier(x, channels, 100))


def densenet():
    """Huang et al. 2017: every layer reads all layers of its block."""
    b = Builder("densenet")
    x = b.max_pool(b.relu(b.batch_norm(b.conv(b.input([1, 3, 96, 96]), 3, 64, 7, 2), 64)))
    channels = 64
    for layers in (4, 6, 4):
        parts = [x]
        for i in range(layers):
            into = channels + 32 * i
            y = b.concat(*parts) if i else parts[0]
            y = b.relu(b.batch_norm(b.conv(b.relu(b.batch_norm(y, into)), into, 128, 1), 128))
            parts.append(b.conv(y, 128, 32))
        channels += 32 * layers
        x = b.conv(b.relu(b.batch_norm(b.concat(*parts), channels)), channels, channels // 2, 1)
        channels //= 2
        x = b.op("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
    return b.model(b.classifier(x, channels, 100))


def shufflenet():
    """Ma et al. 2018 (ShuffleNet V2): halves of the channels, shuffled behind each unit."""
    b = Builder("shufflenet")
    x, channels, size = b.max_pool(b.relu(b.conv(b.input([1, 3, 96, 96]), 3, 24, 3, 2))), 24, 24

    def shuffle(left, right, out):
        y = b.transpose(b.reshape(b.concat(left, right), 1, 2, out // 2, size, size), 0, 2, 1, 3, 4)
        return b.reshape(y, 1, out, size, size)

    for units, out in [(3, 116), (4, 232)]:
        half, size = out // 2, size // 2
        left = b.relu(b.conv(b.conv(x, channels, channels, 3, 2, group=channels), channels, half, 1))
        right = b.conv(b.relu(b.conv(x, channels, half, 1)), half, half, 3, 2, group=half)
        x, channels = shuffle(left, b.relu(b.conv(right, half, half, 1)), out), out
        for _ in range(units - 1):
            left, right = b.split(x, half, half)
            right = b.conv(b.relu(b.conv(right, half, half, 1)), half, half, group=half)
            x = shuffle(left, b.relu(b.conv(right, half, half, 1)), out)
    return b.model(b.classifier(x, channels, 100))


def mobilenet_v3():
    """Howard et al. 2019: inverted residuals with hard swish and squeeze-and-excite."""
    b = Builder("mobilenet_v3")
    hard_swish = lambda x: b.op("HardSwish", x)
    gate = lambda x: b.op("HardSigmoid", x, alpha=1 / 6, beta=0.5)
    x, channels = hard_swish(b.conv(b.input([1, 3, 96, 96]), 3, 16, 3, 2)), 16
    for kernel, wide, out, excite, swish, stride in [(3, 16, 16, 0, 0, 1), (3, 64, 24, 0, 0, 2), (3, 72, 24, 0, 0, 1), (5, 72, 40, 1, 0, 2),
                                                     (5, 120, 40, 1, 0, 1), (3, 240, 80, 0, 1, 2), (3, 200, 80, 0, 1, 1), (5, 480, 112, 1, 1, 1)]:
        act = hard_swish if swish else b.relu
        y = act(b.conv(x, channels, wide, 1)) if wide != channels else x
        y = act(b.conv(y, wide, wide, kernel, stride, group=wide))
        y = b.squeeze_excite(y, wide, max(8, wide // 32 * 8), gate) if excite else y
        y = b.conv(y, wide, out, 1)
        x, channels = b.op("Add", x, y) if stride == 1 and channels == out else y, out
    return b.model(b.classifier(hard_swish(b.conv(x, channels, 320, 1)), 320, 100))


def inception():
    """Szegedy et al. 2015 (GoogLeNet): branches of several sizes, joined."""
    b = Builder("inception")
    x = b.max_pool(b.relu(b.conv(b.input([1, 3, 96, 96]), 3, 64, 7, 2)), pad=1)
    x, channels = b.max_pool(b.relu(b.conv(x, 64, 192))), 192
    for one, three_in, three, five_in, five, pool in [(64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64), (160, 112, 224, 24, 64, 64)]:
        branch = lambda y, *shape: b.relu(b.conv(y, *shape))
        x = b.concat(branch(x, channels, one, 1), branch(branch(x, channels, three_in, 1), three_in, three),
                     branch(branch(x, channels, five_in, 1), five_in, five, 5), branch(b.max_pool(x, 3, 1), channels, pool, 1))
        channels = one + three + five + pool
    return b.model(b.classifier(x, channels, 100))


def yolo():
    """A detector as Ultralytics exports YOLOv8: splits and joins of channels, pyramids up and down, a head for three scales."""
    b, size = Builder("yolo"), 96
    layer = lambda x, into, out, kernel=1, stride=1: b.silu(b.conv(x, into, out, kernel, stride))

    def block(x, into, out, count, residual):
        half = out // 2
        parts = list(b.split(layer(x, into, out), half, half))
        for _ in range(count):
            y = layer(layer(parts[-1], half, half, 3), half, half, 3)
            parts.append(b.op("Add", y, parts[-1]) if residual else y)
        return layer(b.concat(*parts), half * (2 + count), out)

    def up(x):
        scales = b.constant(np.array([1, 1, 2, 2], np.float32))
        return b.op("Resize", x, "", scales, mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")

    x = block(layer(layer(b.input([1, 3, size, size]), 3, 16, 3, 2), 16, 32, 3, 2), 32, 32, 1, True)
    third = block(layer(x, 32, 64, 3, 2), 64, 64, 2, True)
    fourth = block(layer(third, 64, 128, 3, 2), 128, 128, 2, True)
    y = layer(layer(fourth, 128, 256, 3, 2), 256, 128)
    pools = [y]
    for _ in range(3):
        pools.append(b.max_pool(pools[-1], 5, 1, 2))
    fifth = layer(b.concat(*pools), 512, 256)
    fourth = block(b.concat(up(fifth), fourth), 384, 128, 1, False)
    third = block(b.concat(up(fourth), third), 192, 64, 1, False)
    heads, cells = [], 0
    for x, channels, cut in [(third, 64, size // 8), (fourth, 128, size // 16), (fifth, 256, size // 32)]:
        boxes = b.conv(layer(x, channels, 64, 3), 64, 64, 1)
        classes = b.conv(layer(x, channels, 80, 3), 80, 80, 1)
        heads.append(b.reshape(b.concat(boxes, classes), 1, 144, cut * cut))
        cells += cut * cut
    boxes, classes = b.split(b.concat(*heads, axis=2), 64, 80)
    bins = b.op("Softmax", b.transpose(b.reshape(boxes, 1, 4, 16, cells), 0, 2, 1, 3), axis=1)
    places = b.op("Conv", bins, b.constant(np.arange(16, dtype=np.float32).reshape(1, 16, 1, 1)), kernel_shape=[1, 1])
    return b.model(b.concat(b.reshape(places, 1, 4, cells), b.op("Sigmoid", classes)))


def swin():
    """Liu et al. 2021: attention in windows, every second time shifted; patches merged between stages."""
    b, window, size, width = Builder("swin"), 7, 28, 48
    x = b.op("Conv", b.input([1, 3, 4 * size, 4 * size]), b.weight(width, 3, 4, 4, deviation=0.1), b.weight(width, deviation=0.1),
             kernel_shape=[4, 4], strides=[4, 4])
    x = b.layer_norm(b.transpose(x, 0, 2, 3, 1), width)
    roll = lambda y, axis, by: b.concat(b.slice(y, axis, by % size, size), b.slice(y, axis, 0, by % size), axis=axis)
    for stage, heads in enumerate([2, 4]):
        for i in range(2):
            count, inner = size // window, width // heads
            y = b.layer_norm(x, width)
            y = roll(roll(y, 1, 3), 2, 3) if i else y
            y = b.transpose(b.reshape(y, 1, count, window, count, window, width), 0, 1, 3, 2, 4, 5)
            y = b.linear(b.reshape(y, count * count, window * window, width), width, 3 * width)
            y = b.transpose(b.reshape(y, count * count, window * window, 3, heads, inner), 2, 0, 3, 1, 4)
            q, k, v = [b.op("Squeeze", part, b.ints(0)) for part in b.split(y, 1, 1, 1, axis=0)]
            y = b.attention(q, k, v, window * window, width, heads, b.weight(1, heads, window ** 2, window ** 2, deviation=0.1))
            y = b.linear(b.reshape(b.transpose(y, 0, 2, 1, 3), count * count, window * window, width), width, width)
            y = b.transpose(b.reshape(y, 1, count, count, window, window, width), 0, 1, 3, 2, 4, 5)
            y = b.reshape(y, 1, size, size, width)
            y = roll(roll(y, 1, -3), 2, -3) if i else y
            x = b.op("Add", x, y)
            x = b.op("Add", x, b.mlp(b.layer_norm(x, width), width, 4 * width))
        if stage == 0:
            corners = [b.slice(b.slice(x, 1, i, size, 2), 2, j, size, 2) for j in (0, 1) for i in (0, 1)]
            x = b.linear(b.layer_norm(b.concat(*corners, axis=3), 4 * width), 4 * width, 2 * width, bias=False)
            size, width = size // 2, 2 * width
    return b.model(b.op("ReduceMean", b.layer_norm(x, width), axes=[1, 2], keepdims=0))


def llama():
    """Touvron et al. 2023: root-mean-square norms, rotary positions, grouped queries, gated units."""
    b, length, width, heads, groups, inner = Builder("llama"), 24, 256, 8, 2, 704
    size = width // heads
    x = b.op("Gather", b.weight(1000, width, deviation=1), b.input([1, length], TensorProto.INT64), axis=0)
    angles = np.outer(np.arange(length), 1 / 10000 ** (np.arange(0, size, 2) / size))
    cosines, sines = (b.constant(np.concatenate([f(angles)] * 2, 1).astype(np.float32)[None, None]) for f in (np.cos, np.sin))
    mask = b.constant(np.triu(np.full((length, length), -1e9, np.float32), 1)[None, None])

    def norm(y):
        square = b.op("ReduceMean", b.op("Pow", y, b.scalar(2)), axes=[-1], keepdims=1)
        return b.op("Mul", b.weight(width, deviation=0.1, mean=1), b.op("Div", y, b.op("Sqrt", b.op("Add", square, b.scalar(1e-6)))))

    def rotate(y):
        low, high = b.split(y, size // 2, size // 2, axis=3)
        return b.op("Add", b.op("Mul", y, cosines), b.op("Mul", b.concat(b.op("Neg", high), low, axis=3), sines))

    def repeat(y):
        y = b.op("Expand", b.op("Unsqueeze", y, b.ints(2)), b.ints(1, groups, heads // groups, length, size))
        return b.reshape(y, 1, heads, length, size)

    for _ in range(2):
        y = norm(x)
        q = rotate(b.heads(b.linear(y, width, width, False), length, width, heads))
        k = rotate(b.heads(b.linear(y, width, groups * size, False), length, groups * size, groups))
        v = b.heads(b.linear(y, width, groups * size, False), length, groups * size, groups)
        y = b.attention(q, repeat(k), repeat(v), length, width, heads, mask)
        x = b.op("Add", x, b.linear(b.reshape(b.transpose(y, 0, 2, 1, 3), 1, length, width), width, width, False))
        y = norm(x)
        gated = b.op("Mul", b.silu(b.linear(y, width, inner, False)), b.linear(y, width, inner, False))
        x = b.op("Add", x, b.linear(gated, inner, width, False))
    return b.model(b.linear(norm(x), width, 1000, False))


def whisper():
    """Radford et al. 2022, the encoder: one-dimensional convolutions, then attention over all of a long sequence."""
    b, length, width, heads = Builder("whisper"), 150, 192, 3
    x = b.gelu(b.conv(b.input([1, 80, 2 * length]), 80, width, 3, dims=1))
    x = b.op("Add", b.transpose(b.gelu(b.conv(x, width, width, 3, 2, dims=1)), 0, 2, 1), b.weight(length, width, deviation=0.1))
    for _ in range(2):
        y = b.layer_norm(x, width)
        q, k, v = (b.heads(b.linear(y, width, width), length, width, heads) for _ in range(3))
        y = b.attention(q, k, v, length, width, heads)
        x = b.op("Add", x, b.linear(b.reshape(b.transpose(y, 0, 2, 1, 3), 1, length, width), width, width))
        x = b.op("Add", x, b.mlp(b.layer_norm(x, width), width, 4 * width))
    return b.model(b.layer_norm(x, width))


def super_resolution():
    """Lim et al. 2017 (EDSR): residuals of 3 x 3 convolutions, channels that become pixels."""
    b = Builder("super_resolution")
    x = first = b.conv(b.input([1, 3, 48, 40]), 3, 64)
    for _ in range(3):
        y = b.conv(b.relu(b.conv(x, 64, 64)), 64, 64)
        x = b.op("Add", x, b.op("Mul", y, b.scalar(0.1)))
    x = b.op("DepthToSpace", b.conv(b.op("Add", b.conv(x, 64, 64), first), 64, 256), blocksize=2, mode="CRD")
    return b.model(b.conv(x, 64, 3))


def deeplab():
    """Chen et al. 2017 (DeepLab v3): dilated convolutions side by side, resized linearly."""
    b = Builder("deeplab")
    x = b.relu(b.conv(b.max_pool(b.relu(b.conv(b.input([1, 3, 96, 96]), 3, 64, 7, 2))), 64, 128, 3, 2))
    x = b.relu(b.conv(x, 128, 256, 3, dilation=2))
    branches = [b.relu(b.conv(x, 256, 64, 1))] + [b.relu(b.conv(x, 256, 64, dilation=d)) for d in (2, 4, 9)]
    pooled = b.relu(b.conv(b.op("GlobalAveragePool", x), 256, 64, 1))
    linear = lambda y, *dims: b.op("Resize", y, "", "", b.ints(*dims), mode="linear", coordinate_transformation_mode="half_pixel")
    x = b.relu(b.conv(b.concat(*branches, linear(pooled, 1, 64, 12, 12)), 320, 64, 1))
    return b.model(linear(b.conv(x, 64, 21, 1), 1, 21, 96, 96))


def speech_features():
    """Baevski et al. 2020 (wav2vec 2.0), the first layers: samples to frames by one-dimensional convolutions."""
    b, channels = Builder("speech_features"), 1
    x = b.input([1, 1, 4000])
    for i, (kernel, stride) in enumerate([(10, 5), (3, 2), (3, 2), (2, 2)]):
        x, channels = b.conv(x, channels, 128, kernel, stride, pad=0, dims=1), 128
        if i == 0:
            x = b.op("InstanceNormalization", x, b.weight(128, deviation=0.1, mean=1), b.weight(128, deviation=0.1))
        x = b.gelu(x)
    return b.model(b.linear(b.layer_norm(b.transpose(x, 0, 2, 1), 128), 128, 192))


def generator():
    """Radford et al. 2016 (DCGAN): an image from a vector by transposed convolutions."""
    b = Builder("generator")
    x, channels = b.relu(b.batch_norm(b.conv_transpose(b.input([1, 64, 1, 1]), 64, 256, 4, 1), 256)), 256
    for out in (128, 64):
        x, channels = b.relu(b.batch_norm(b.conv_transpose(x, channels, out, 4, 2, 1), out)), out
    return b.model(b.op("Tanh", b.conv_transpose(x, channels, 3, 4, 2, 1)))


def vocoder():
    """Kong et al. 2020 (HiFi-GAN): samples from frames, 64 for one, by one-dimensional transposed convolutions."""
    b, channels = Builder("vocoder"), 128
    x = b.conv(b.input([1, 80, 24]), 80, channels, 7, dims=1)
    for kernel, stride in [(16, 8), (16, 8)]:
        leaky = lambda y: b.op("LeakyRelu", y, alpha=0.1)
        x = b.conv_transpose(leaky(x), channels, channels // 2, kernel, stride, (kernel - stride) // 2, dims=1)
        channels //= 2
        x = b.op("Add", x, b.conv(leaky(x), channels, channels, 3, dilation=3, dims=1))
    return b.model(b.op("Tanh", b.conv(x, channels, 1, 7, dims=1)))


def u_net():
    """Ronneberger et al. 2015, with transposed convolutions on the way up: what the way down made is joined late."""
    b, channels, kept = Builder("u_net"), 3, []
    x = b.input([1, 3, 64, 48])
    double = lambda y, into, out: b.relu(b.conv(b.relu(b.conv(y, into, out)), out, out))
    for out in (32, 64):
        x, channels = double(x, channels, out), out
        kept.append(x)
        x = b.max_pool(x, 2, 2, 0)
    x, channels = double(x, 64, 128), 128
    for out in (64, 32):
        x = double(b.concat(kept.pop(), b.conv_transpose(x, channels, out, 2, 2)), 2 * out, out)
        channels = out
    return b.model(b.conv(x, 32, 1, 1))


def video():
    """Tran et al. 2015 (C3D): convolutions and pools over time too."""
    b = Builder("video")
    pool = lambda y, time: b.op("MaxPool", y, kernel_shape=[time, 2, 2], strides=[time, 2, 2])
    x = pool(b.relu(b.conv(b.input([1, 3, 8, 28, 28]), 3, 32, dims=3)), 1)
    x = b.relu(b.conv(pool(b.relu(b.conv(x, 32, 64, dims=3)), 2), 64, 64, dims=3))
    return b.model(b.classifier(x, 64, 101))


def mixer():
    """Tolstikhin et al. 2021: layers over the patches, then over their channels."""
    b, width, patches = Builder("mixer"), 128, 49
    x = b.op("Conv", b.input([1, 3, 112, 112]), b.weight(width, 3, 16, 16, deviation=0.05), b.weight(width, deviation=0.1),
             kernel_shape=[16, 16], strides=[16, 16])
    x = b.transpose(b.reshape(x, 1, width, patches), 0, 2, 1)
    for _ in range(2):
        x = b.op("Add", x, b.transpose(b.mlp(b.transpose(b.layer_norm(x, width), 0, 2, 1), patches, 64), 0, 2, 1))
        x = b.op("Add", x, b.mlp(b.layer_norm(x, width), width, 4 * width))
    return b.model(b.op("ReduceMean", b.layer_norm(x, width), axes=[1], keepdims=0))


def recurrent():
    """Two layers of LSTM, both ways, and one of GRU behind them, a batch of 3."""
    b, into, hidden = Builder("recurrent"), 40, 48
    x = b.input([20, 3, into])
    for _ in range(2):
        y, _, _ = b.op("LSTM", x, b.weight(2, 4 * hidden, into, deviation=0.1), b.weight(2, 4 * hidden, hidden, deviation=0.1),
                       b.weight(2, 8 * hidden, deviation=0.1), outputs=3, hidden_size=hidden, direction="bidirectional")
        x, into = b.reshape(b.transpose(y, 0, 2, 1, 3), 20, 3, 2 * hidden), 2 * hidden
    y, _ = b.op("GRU", x, b.weight(1, 3 * hidden, into, deviation=0.1), b.weight(1, 3 * hidden, hidden, deviation=0.1),
                b.weight(1, 6 * hidden, deviation=0.1), outputs=2, hidden_size=hidden, linear_before_reset=1)
    return b.model(b.linear(b.op("Squeeze", y, b.ints(1)), hidden, 16))


NETWORKS = {f.__name__: f for f in (resnext, densenet, shufflenet, mobilenet_v3, inception, yolo, swin, llama, whisper, super_resolution, deeplab,
                                    speech_features, generator, vocoder, u_net, video, mixer, recurrent)}
