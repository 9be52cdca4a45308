"""The networks of tests/suite/pytorch.rs in PyTorch. Writes the expected results of each case to a JSON file
beside this script.

Run with Python 3, torch 2.9.1 (the CPU is enough) and numpy 2:

    python networks.py            # all cases
    python networks.py nn2        # some of them
    python networks.py --search nn2 300

All inputs and parameters are pseudorandom values that depend on the tensor's name and the index
(`value`), so that Rust and Python share nothing but names. Everything is computed in float64. For each
result, the embeddings and the gradient of every parameter as `d:NAME`, a file has the shape, the norm
and the projections

    projection k = sum over i of tensor[i] * value("projection k", i)        k = 0 .. 7

Layouts are those of Rust: faces [n, height, width, channels], weights of convolutions
[rows, columns, inputs, outputs], of fully connected layers [inputs, outputs].

Face k is the tensor named "face k". A ReLU whose input is nearly 0, or a max pool whose two largest
elements are nearly equal, may select differently in float32 than in float64; the gradient then differs
by far more than rounding errors. The faces in `CASES` are therefore those farthest from such kinks
among the first COUNT, as found by `--search CASE COUNT`. For the large networks the batch is a single
face, since a second one would only be closer to a kink.
"""

import copy
import functools
import json
import math
import pathlib
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

EPSILON = 1e-3
PROJECTIONS = 8


def fnv1a64(text):
    state = 0xCBF29CE484222325
    for byte in text.encode("utf-8"):
        state = (state ^ byte) * 0x100000001B3 % 2**64
    return state


def splitmix64(x):
    """The output function of SplitMix64 (Steele, Lea and Flood 2014) on an array of states."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def value(name, count):
    """Values in [-1, 1), the i-th from 53 bits of splitmix64(fnv1a64(name) + i)."""
    drawn = splitmix64(np.uint64(fnv1a64(name)) + np.arange(count, dtype=np.uint64))
    return (drawn >> np.uint64(11)).astype(np.float64) * 2.0**-53 * 2.0 - 1.0


def values(name, shape):
    return torch.from_numpy(value(name, math.prod(shape))).reshape(shape)


@functools.cache
def projection(k, count):
    return value(f"projection {k}", count)


class Network:
    """The building blocks of networks. Parameters are created when their layer is first computed;
    `parameters` has the learned ones by name, in layer order. While `distances` is a list, every
    activation and max pool appends the distances of its elements from a kink."""

    def __init__(self, normalization="batch_norm", training=False):
        self.normalization = normalization
        self.training = training
        self.scalar_type = torch.float64
        self.parameters = {}
        self.distances = None

    def parameter(self, name, shape, center, radius):
        if name not in self.parameters:
            tensor = center + radius * values(name, shape)
            self.parameters[name] = tensor.to(self.scalar_type).requires_grad_()
        return self.parameters[name]

    def weight(self, name, shape):
        return self.parameter(f"{name}.weight", shape, 0.0, math.sqrt(6.0 / math.prod(shape[:-1])))

    def normalize(self, name, x, normalization):
        """Normalization and activation of a layer; channels are the second axis."""
        shape = [x.shape[1]]
        if normalization == "batch_norm":
            scale = self.parameter(f"{name}.batch_norm.scale", shape, 1.0, 0.2)
            shift = self.parameter(f"{name}.batch_norm.shift", shape, 0.0, 0.1)
            if self.training:
                return F.batch_norm(x, None, None, scale, shift, training=True, eps=EPSILON)
            mean = (0.1 * values(f"{name}.batch_norm.mean", shape)).to(self.scalar_type)
            variance = (1.0 + 0.5 * values(f"{name}.batch_norm.variance", shape)).to(self.scalar_type)
            return F.batch_norm(x, mean, variance, scale, shift, training=False, eps=EPSILON)
        if normalization == "bias":
            bias = self.parameter(f"{name}.bias", shape, 0.0, 0.1)
            return x + bias.reshape([1, -1] + [1] * (x.dim() - 2))
        return x

    def activate(self, name, x, activation):
        if activation != "none" and self.distances is not None:
            self.distances.append(x.flatten())
        if activation == "relu":
            return F.relu(x)
        if activation == "prelu":
            return F.prelu(x, self.parameter(f"{name}.slope", [x.shape[1]], 0.25, 0.1))
        return x

    def max_pool(self, x, kernel, stride, padding=0):
        """The distance of a window is that of its maximum from the next smaller value. Equal values are
        copies of one value by an earlier pool, so it does not matter which is selected; if no value is
        positive, the ReLU before passes no gradient."""
        if self.distances is not None:
            windows = F.pad(x, [padding] * 4, value=-math.inf).unfold(2, kernel, stride).unfold(3, kernel, stride)
            windows = windows.flatten(4)
            best = windows.amax(-1, keepdim=True)
            second = torch.where(windows < best, windows, -math.inf).amax(-1, keepdim=True)
            self.distances.append(torch.where(best > 0, best - second, math.nan).flatten())
        return F.max_pool2d(x, kernel, stride, padding)

    def convolution(self, name, x, channels, kernel, stride=1, padding=0, normalization=None, activation="relu"):
        rows, columns = kernel if isinstance(kernel, tuple) else (kernel, kernel)
        weight = self.weight(name, [rows, columns, x.shape[1], channels])
        y = F.conv2d(x, weight.permute(3, 2, 0, 1), stride=stride, padding=padding)
        return self.activate(name, self.normalize(name, y, normalization or self.normalization), activation)

    def fully_connected(self, name, x, channels, normalization, activation):
        y = x @ self.weight(name, [x.shape[1], channels])
        return self.activate(name, self.normalize(name, y, normalization), activation)

    def inception(self, name, x, one, three, five, pool, projected, stride=1):
        """An inception block. `one`: outputs of the 1x1 branch; `three`, `five`: reduction and outputs of
        the 3x3 and 5x5 branches; `pool`: kind of the 3x3 pooling; `projected`: outputs of the 1x1
        convolution after it. None if absent."""
        branches = []
        if one:
            branches.append(self.convolution(f"{name}.branch_1x1.conv", x, one, 1))
        for branch, widths, kernel in [("branch_3x3", three, 3), ("branch_5x5", five, 5)]:
            if widths:
                reduced = self.convolution(f"{name}.{branch}.reduce", x, widths[0], 1)
                branches.append(self.convolution(f"{name}.{branch}.conv", reduced, widths[1], kernel, stride, kernel // 2))
        pooled = self.max_pool(x, 3, stride, 1) if pool == "max" else l2_pool(x, stride)
        branches.append(self.convolution(f"{name}.branch_pool.conv", pooled, projected, 1) if projected else pooled)
        return torch.cat(branches, 1)

    def squeeze_excitation(self, name, x, reduced):
        channels = x.shape[1]
        hidden = self.fully_connected(f"{name}.reduce", x.mean((2, 3)), reduced, "bias", "relu")
        gate = torch.sigmoid(self.fully_connected(f"{name}.expand", hidden, channels, "bias", "none"))
        return x * gate[:, :, None, None]

    def embedding(self, x, dimension, normalization):
        """Global average pooling, fully connected layer, L2 normalization."""
        y = self.fully_connected("embedding", x.mean((2, 3)), dimension, normalization, "none")
        return y / y.norm(dim=1, keepdim=True)


def l2_pool(x, stride):
    """L2 pooling of 3x3 windows, with gradient 0 where the result is 0."""
    squares = F.avg_pool2d(x * x, 3, stride, 1, divisor_override=1)
    lit = squares > 0
    return torch.where(lit, torch.sqrt(torch.where(lit, squares, 1.0)), 0.0)


def local_response_norm(x):
    return F.local_response_norm(x, size=5, alpha=1e-4, beta=0.75, k=1.0)


# Blocks: 1x1, 3x3, 5x5, kind of pooling, its projection, stride.
NN4_SMALL2 = {
    "3a": (64, (96, 128), (16, 32), "max", 32, 1),
    "3b": (64, (96, 128), (32, 64), "l2", 64, 1),
    "3c": (None, (128, 256), (32, 64), "max", None, 2),
    "4a": (256, (96, 192), (32, 64), "l2", 128, 1),
    "4e": (None, (160, 256), (64, 128), "max", None, 2),
    "5a": (256, (96, 384), None, "l2", 96, 1),
    "5b": (256, (96, 384), None, "max", 96, 1),
}
NN2 = {
    "3a": (64, (96, 128), (16, 32), "max", 32, 1),
    "3b": (64, (96, 128), (32, 64), "l2", 64, 1),
    "3c": (None, (128, 256), (32, 64), "max", None, 2),
    "4a": (256, (96, 192), (32, 64), "l2", 128, 1),
    "4b": (224, (112, 224), (32, 64), "l2", 128, 1),
    "4c": (192, (128, 256), (32, 64), "l2", 128, 1),
    "4d": (160, (144, 288), (32, 64), "l2", 128, 1),
    "4e": (None, (160, 256), (64, 128), "max", None, 2),
    "5a": (384, (192, 384), (48, 128), "l2", 128, 1),
    "5b": (384, (192, 384), (48, 128), "max", 128, 1),
}


def facenet(net, x, rows):
    """Stem and blocks of Schroff et al. 2015, table 2, with local response normalization unless there is
    another normalization."""
    respond = local_response_norm if net.normalization == "bias" else lambda x: x
    x = net.convolution("conv1", x, 64, 7, 2, 3)
    x = respond(net.max_pool(x, 3, 2, 1))
    x = net.convolution("inception_2.reduce", x, 64, 1)
    x = respond(net.convolution("inception_2.conv", x, 192, 3, 1, 1))
    x = net.max_pool(x, 3, 2, 1)
    for row, numbers in rows.items():
        x = net.inception(f"inception_{row}", x, *numbers)
    return net.embedding(x, 128, "bias")


def inception_resnet_v1(net, x):
    """Szegedy et al. 2016, with the channels and the layer order of the FaceNet networks trained on
    VGGFace2."""

    def residual(name, x, branches, scale, activation="relu"):
        """`branches`: chains of (layer, channels, kernel) whose outputs are concatenated, projected and
        added to x."""
        outputs = []
        for chain in branches:
            y = x
            for layer, channels, (rows, columns) in chain:
                y = net.convolution(f"{name}.{layer}", y, channels, (rows, columns), 1, (rows // 2, columns // 2))
            outputs.append(y)
        y = net.convolution(f"{name}.project", torch.cat(outputs, 1), x.shape[1], 1, normalization="bias", activation="none")
        return net.activate(name, x + scale * y, activation)

    def shrink(name, x, branches):
        """`branches`: chains of (layer, channels, kernel); the last kernel of each has stride 2 and no
        padding, and so has a max pool."""
        outputs = []
        for chain in branches:
            y = x
            for layer, channels, kernel in chain[:-1]:
                y = net.convolution(f"{name}.{layer}", y, channels, kernel, 1, kernel // 2)
            layer, channels, kernel = chain[-1]
            outputs.append(net.convolution(f"{name}.{layer}", y, channels, kernel, 2))
        return torch.cat([*outputs, net.max_pool(x, 3, 2)], 1)

    x = net.convolution("conv2d_1a", x, 32, 3, 2)
    x = net.convolution("conv2d_2a", x, 32, 3)
    x = net.convolution("conv2d_2b", x, 64, 3, 1, 1)
    x = net.max_pool(x, 3, 2)
    x = net.convolution("conv2d_3b", x, 80, 1)
    x = net.convolution("conv2d_4a", x, 192, 3)
    x = net.convolution("conv2d_4b", x, 256, 3, 2)
    block35 = [
        [("branch_0", 32, (1, 1))],
        [("branch_1.conv_1", 32, (1, 1)), ("branch_1.conv_2", 32, (3, 3))],
        [("branch_2.conv_1", 32, (1, 1)), ("branch_2.conv_2", 32, (3, 3)), ("branch_2.conv_3", 32, (3, 3))],
    ]
    for block in range(1, 6):
        x = residual(f"block35_{block}", x, block35, 0.17)
    mixed_6a = [
        [("branch_0", 384, 3)],
        [("branch_1.conv_1", 192, 1), ("branch_1.conv_2", 192, 3), ("branch_1.conv_3", 256, 3)],
    ]
    x = shrink("mixed_6a", x, mixed_6a)
    block17 = [
        [("branch_0", 128, (1, 1))],
        [("branch_1.conv_1", 128, (1, 1)), ("branch_1.conv_2", 128, (1, 7)), ("branch_1.conv_3", 128, (7, 1))],
    ]
    for block in range(1, 11):
        x = residual(f"block17_{block}", x, block17, 0.10)
    mixed_7a = [
        [("branch_0.conv_1", 256, 1), ("branch_0.conv_2", 384, 3)],
        [("branch_1.conv_1", 256, 1), ("branch_1.conv_2", 256, 3)],
        [("branch_2.conv_1", 256, 1), ("branch_2.conv_2", 256, 3), ("branch_2.conv_3", 256, 3)],
    ]
    x = shrink("mixed_7a", x, mixed_7a)
    block8 = [
        [("branch_0", 192, (1, 1))],
        [("branch_1.conv_1", 192, (1, 1)), ("branch_1.conv_2", 192, (1, 3)), ("branch_1.conv_3", 192, (3, 1))],
    ]
    for block in range(1, 6):
        x = residual(f"block8_{block}", x, block8, 0.20)
    x = residual("block8_6", x, block8, 1.0, "none")
    return net.embedding(x, 512, "batch_norm")


def shallow(net, x):
    """One layer of each kind, for faces that are not square."""
    x = net.convolution("conv1", x, 12, 5, 1, 2)
    x = net.max_pool(x, 3, 2, 1)
    x = net.inception("inception_2", x, 8, (6, 10), (4, 6), "l2", 8)
    x = net.inception("inception_3", x, None, (8, 12), (4, 8), "max", None, 2)
    y = net.convolution("residual_4.conv", x, 16, (1, 3), 1, (0, 1), activation="prelu")
    y = net.convolution("residual_4.project", y, x.shape[1], 1, normalization="bias", activation="none")
    x = net.activate("residual_4", x + 0.5 * y, "relu")
    x = net.squeeze_excitation("squeeze_5", x, 13)
    return net.embedding(x, 16, "batch_norm")


# Faces, height, width, network, function that computes it. Margins of the faces, and how many `search`
# examined: 2.1 of 300, 2.5 of 300, 27 of 100, 2.2 of 500, and 19 of 40 batches.
CASES = {
    "nn2": ([274], 224, 224, Network(), functools.partial(facenet, rows=NN2)),
    "nn2_local_response": ([13], 224, 224, Network("bias"), functools.partial(facenet, rows=NN2)),
    "nn4_small2": ([28, 33], 96, 96, Network(), functools.partial(facenet, rows=NN4_SMALL2)),
    "inception_resnet_v1": ([31], 160, 160, Network(), inception_resnet_v1),
    "training": ([102, 103, 104, 105, 106, 107], 34, 30, Network(training=True), shallow),
}


def draw_faces(indices, height, width):
    """Faces [n, 3, height, width]."""
    return torch.stack([values(f"face {k}", [height, width, 3]) for k in indices]).permute(0, 3, 1, 2)


@torch.no_grad()
def search(case, count):
    """Lists `count` faces sorted by margin, or `count` batches of consecutive faces if batch
    normalization makes faces depend on each other. The margin is the smallest distance from a kink in
    units of the error of float32: the RMS, over a ReLU or pool, of the difference between distances in
    float32 and float64."""
    indices, height, width, net, compute = CASES[case]
    size = len(indices) if net.training else 1
    single = copy.deepcopy(net)
    single.scalar_type = torch.float32
    margins = []
    for first in range(0, count * size, size):
        indices = list(range(first, first + size))
        faces = draw_faces(indices, height, width)
        net.distances, single.distances = [], []
        compute(net, faces)
        compute(single, faces.float())
        margin = math.inf
        for exact, rounded in zip(net.distances, single.distances):
            rounding = (rounded - exact).square().nanmean().sqrt()
            margin = min(margin, float(exact.abs().nan_to_num(nan=math.inf).min() / rounding))
        margins.append((margin, indices))
    for margin, indices in sorted(margins, reverse=True)[:10]:
        print(f"{case}: faces {indices}, margin {margin:.2f}")


def record(name, tensor):
    numbers = tensor.detach().contiguous().numpy().reshape(-1)
    projections = [float(numbers @ projection(k, 1 << (numbers.size - 1).bit_length())[: numbers.size]) for k in range(PROJECTIONS)]
    norm = float(np.linalg.norm(numbers))
    assert math.isfinite(norm) and norm > 0.0, f"{name} has norm {norm}"
    listed = ", ".join(f"{number:.16e}" for number in projections)
    return f'{{"name": {json.dumps(name)}, "shape": {list(tensor.shape)}, "norm": {norm:.16e}, "projections": [{listed}]}}'


def main():
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    if sys.argv[1:2] == ["--search"]:
        search(sys.argv[2], int(sys.argv[3]))
        return
    for case in sys.argv[1:] or CASES:
        started = time.monotonic()
        indices, height, width, net, compute = CASES[case]
        embeddings = compute(net, draw_faces(indices, height, width))
        embeddings.backward(values("dembeddings", list(embeddings.shape)))
        lines = [record("embeddings", embeddings)]
        lines += [record(f"d:{name}", parameter.grad) for name, parameter in net.parameters.items()]
        path = pathlib.Path(__file__).parent / f"{case}.json"
        version = json.dumps(torch.__version__.split("+")[0])
        path.write_text(f'{{"torch": {version}, "faces": {indices}, "tensors": [\n' + ",\n".join(lines) + "\n]}\n")
        print(f"{path.name}: {len(lines)} tensors, {time.monotonic() - started:.1f} s")


if __name__ == "__main__":
    main()
