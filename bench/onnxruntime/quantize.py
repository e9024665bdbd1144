#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""quantize.py MODEL.onnx OUT.onnx

Makes a product with a constant matrix a dynamic int8 one, as onnxruntime.quantization.quantize_dynamic does with
per_channel=True: DynamicQuantizeLinear and MatMulInteger, which ONNX Runtime fuses. That package is not Debian's;
needs onnx and numpy (python3-onnx).
"""
import sys

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper


class Quantizer:
    def __init__(self, graph):
        self.graph, self.nodes, self.rounded = graph, [], {}
        self.constants = {tensor.name: tensor for tensor in graph.initializer}

    def is_product(self, node):
        return node.op_type == "MatMul" and len(self.constants.get(node.input[1], onnx.TensorProto()).dims) == 2

    def activation(self, name):
        """The names of a tensor as uint8, of its scale and of its zero."""
        if name not in self.rounded:
            self.rounded[name] = [name + suffix for suffix in ("_uint8", "_scale", "_zero")]
            self.nodes.append(helper.make_node("DynamicQuantizeLinear", [name], self.rounded[name]))
        return self.rounded[name]

    def product(self, node):
        name, out = node.input[1], node.output[0]
        matrix = numpy_helper.to_array(self.constants[name]).astype(numpy.float32)
        scale = numpy.maximum(numpy.abs(matrix).max(0), 1e-12) / 127
        parts = {"_int8": numpy.clip(numpy.rint(matrix / scale), -127, 127).astype(numpy.int8),
                 "_scale": scale.astype(numpy.float32), "_zero": numpy.zeros(len(scale), numpy.int8)}
        self.graph.initializer.extend(numpy_helper.from_array(value, name + key) for key, value in parts.items())
        rows, row_scale, row_zero = self.activation(node.input[0])
        self.nodes += [
            helper.make_node("MatMulInteger", [rows, name + "_int8", row_zero, name + "_zero"], [out + "_sums"]),
            helper.make_node("Cast", [out + "_sums"], [out + "_float"], to=TensorProto.FLOAT),
            helper.make_node("Mul", [row_scale, name + "_scale"], [out + "_scale"]),
            helper.make_node("Mul", [out + "_float", out + "_scale"], [out])]

    def run(self):
        products = 0
        for node in self.graph.node:
            if self.is_product(node):
                self.product(node)
                products += 1
            else:
                self.nodes.append(node)
        used = {name for node in self.nodes for name in node.input}
        kept = [tensor for tensor in self.graph.initializer if tensor.name in used]
        del self.graph.initializer[:], self.graph.node[:]
        self.graph.initializer.extend(kept)
        self.graph.node.extend(self.nodes)
        return products


def main():
    model = onnx.load(sys.argv[1])
    print(Quantizer(model.graph).run(), "products in int8")
    onnx.save(model, sys.argv[2])


main()
