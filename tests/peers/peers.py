#!/usr/bin/env python3
"""Side by side on one exported network, full depth, one thread, one image at a time: joulebench, ONNX Runtime, oneDNN.

Needs: build/joulebench, PyPI packages numpy gguf onnx onnxruntime, and for oneDNN build/peers/dnnl_net (make peers; Debian's libdnnl-dev).
Answers are compared before speed. Runs are interleaved: each round times every contestant once; the table gives the median over rounds and
the ratio to joulebench round by round, so that a drifting machine shifts both sides.
"""
import argparse, gzip, json, os, statistics, subprocess, sys, tempfile, time
import numpy as np


def read_idx(path):
    raw = gzip.open(path).read()
    dims = [int.from_bytes(raw[4 + 4 * i:8 + 4 * i], "big") for i in range(raw[3])]
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * len(dims)).reshape(dims)


class Net:
    """The graph and weights of a `jbcnn` container (docs/model-format.md)."""

    def __init__(self, path):
        from gguf import GGUFReader
        reader = GGUFReader(path)
        self.meta = {k: f.contents() for k, f in reader.fields.items()}
        self.weights = {t.name: np.array(t.data, dtype=np.float32) for t in reader.tensors}
        self.stages = int(self.meta["jb.stages"])
        self.shape = [int(v) for v in self.meta["jb.input.shape"]]
        self.mean = np.array(self.meta["jb.input.mean"], np.float32)
        self.std = np.array(self.meta["jb.input.std"], np.float32)

    def lines(self):
        """Operations from the image to the final exit; earlier heads left out."""
        for k in range(self.stages):
            yield from self.meta[f"jb.stage.{k}.graph"]
        yield from self.meta[f"jb.stage.{self.stages - 1}.head"]


def pair(text):
    a, _, b = text.partition("x")
    return [int(a), int(b or a)]


def to_onnx(net, path):
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    nodes, inits = [], []
    h, w, c = net.shape
    shapes = {"input": (c, h, w)}

    def act(kind, src, dst):
        if kind == "relu":
            nodes.append(helper.make_node("Relu", [src], [dst]))
        elif kind != "none":
            sys.exit(f"peers.py has no rule for act={kind}")

    for line in net.lines():
        words = line.split()
        out, op, ins = words[0], words[2], [x for x in words[3:] if "=" not in x]
        arg = dict(x.split("=", 1) for x in words[3:] if "=" in x)
        kind = arg.get("act", "none")
        raw = out if kind == "none" else out + "_raw"
        ci, hi, wi = shapes[ins[0]]
        if op in ("conv", "fc"):
            weight, bias = net.weights[arg["w"] + ".weight"], net.weights[arg["w"] + ".bias"]
            inits.append(numpy_helper.from_array(bias.reshape(-1), arg["w"] + "_b"))
        if op == "conv":
            k, s, p = pair(arg["k"]), pair(arg.get("s", "1")), pair(arg.get("p", "0"))
            groups = int(arg.get("g", 1))
            weight = weight.reshape(-1, k[0], k[1], ci // groups).transpose(0, 3, 1, 2)
            inits.append(numpy_helper.from_array(np.ascontiguousarray(weight), arg["w"] + "_w"))
            nodes.append(helper.make_node("Conv", [ins[0], arg["w"] + "_w", arg["w"] + "_b"], [raw], kernel_shape=k, strides=s, pads=p + p, group=groups))
            shapes[out] = (weight.shape[0], (hi + 2 * p[0] - k[0]) // s[0] + 1, (wi + 2 * p[1] - k[1]) // s[1] + 1)
        elif op == "fc":
            # Our rows are in NHWC order, ONNX flattens NCHW: the weights are put into that order once.
            weight = weight.reshape(-1, hi, wi, ci).transpose(0, 3, 1, 2).reshape(weight.shape[0] if weight.ndim > 1 else -1, -1)
            inits.append(numpy_helper.from_array(np.ascontiguousarray(weight), arg["w"] + "_w"))
            nodes.append(helper.make_node("Flatten", [ins[0]], [out + "_flat"]))
            nodes.append(helper.make_node("Gemm", [out + "_flat", arg["w"] + "_w", arg["w"] + "_b"], [raw], transB=1))
            shapes[out] = (weight.shape[0], 1, 1)
        elif op == "add":
            nodes.append(helper.make_node("Add", ins, [raw]))
            shapes[out] = shapes[ins[0]]
        elif op in ("maxpool", "avgpool"):
            k, s, p = pair(arg["k"]), pair(arg.get("s", "1")), pair(arg.get("p", "0"))
            nodes.append(helper.make_node("MaxPool" if op == "maxpool" else "AveragePool", [ins[0]], [raw], kernel_shape=k, strides=s, pads=p + p))
            shapes[out] = (ci, (hi + 2 * p[0] - k[0]) // s[0] + 1, (wi + 2 * p[1] - k[1]) // s[1] + 1)
        elif op == "gap":
            nodes.append(helper.make_node("GlobalAveragePool", [ins[0]], [raw]))
            shapes[out] = (ci, 1, 1)
        elif op == "act":
            raw = ins[0]
        else:
            sys.exit(f"peers.py has no rule for {op}")
        act(kind, raw, out)
        last = out
    graph = helper.make_graph(nodes, "net", [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, c, h, w])],
                              [helper.make_tensor_value_info(last, TensorProto.FLOAT, [1, shapes[last][0]])], inits)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    onnx.save(model, path)


def quantize(f32_path, int8_path, samples):
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    import logging
    logging.disable(logging.WARNING)

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.rest = iter(samples)

        def get_next(self):
            x = next(self.rest, None)
            return None if x is None else {"input": x}

    quantize_static(f32_path, int8_path, Reader(), quant_format=QuantFormat.QDQ, per_channel=True,
                    activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)


class Ort:
    """ONNX Runtime with bound buffers: what remains of Python per call is measured with an empty network and printed."""

    def __init__(self, path):
        import onnxruntime as ort
        o = ort.SessionOptions()
        o.intra_op_num_threads = o.inter_op_num_threads = 1
        self.session = ort.InferenceSession(path, o, providers=["CPUExecutionProvider"])
        self.x = np.zeros(self.session.get_inputs()[0].shape, np.float32)
        self.y = np.zeros(self.session.get_outputs()[0].shape, np.float32)
        self.bind = self.session.io_binding()
        self.bind.bind_ortvalue_input("input", ort.OrtValue.ortvalue_from_numpy(self.x))
        # bind by pointer, so that writing self.x changes the input
        self.bind.bind_input("input", "cpu", 0, np.float32, self.x.shape, self.x.ctypes.data)
        self.bind.bind_output(self.session.get_outputs()[0].name, "cpu", 0, np.float32, self.y.shape, self.y.ctypes.data)

    def predict(self, xs):
        out = np.empty(len(xs), np.int64)
        for i, x in enumerate(xs):
            np.copyto(self.x, x)
            self.session.run_with_iobinding(self.bind)
            out[i] = self.y.argmax()
        return out

    def time_ns(self, xs, seconds):
        run, bind, now = self.session.run_with_iobinding, self.bind, time.perf_counter_ns
        times, end, i = [], now() + int(seconds * 1e9), 0
        while now() < end:
            np.copyto(self.x, xs[i % len(xs)])
            i += 1
            a = now()
            run(bind)
            times.append(now() - a)
        return statistics.median(times)


def empty_call_ns(folder):
    from onnx import TensorProto, helper, save
    g = helper.make_graph([helper.make_node("Relu", ["input"], ["y"])], "n", [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 1])],
                          [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1])])
    m = helper.make_model(g, opset_imports=[helper.make_opsetid("", 17)])
    m.ir_version = 8
    path = os.path.join(folder, "empty.onnx")
    save(m, path)
    return Ort(path).time_ns([np.zeros((1, 1), np.float32)], 1.0)


def joulebench(args, model, precision, extra):
    cmd = ["taskset", "-c", args.cpu, args.joulebench, "run", model, "--workload", "fashion", "--precision", precision, "--policy", "final", "--json"] + extra
    done = subprocess.run(cmd, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(cmd)}\n{done.stderr}")
    return json.loads(done.stdout)


def joulebench_ns(args, precision):
    return joulebench(args, args.model, precision, ["--seconds", str(args.seconds)])["cells"][0]["latency_ns"]["p50"]


def joulebench_predictions(args, precision, folder):
    dump = os.path.join(folder, f"dump-{precision}.csv")
    joulebench(args, args.model, precision, ["--seconds", "0", "--dump", dump])
    rows = [line.split(",") for line in open(dump).read().splitlines()[1:]]
    return np.array([int(r[2]) for r in rows])


def dnnl(args, precision, what, extra):
    env = dict(os.environ, OMP_NUM_THREADS="1", ONEDNN_MAX_CPU_ISA=args.dnnl_isa)
    cmd = ["taskset", "-c", args.cpu, args.dnnl, args.model, precision, what] + extra
    done = subprocess.run(cmd, capture_output=True, text=True, env=env)
    if done.returncode != 0:
        sys.exit(f"{' '.join(cmd)}\n{done.stderr}")
    return done.stdout


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", default="workloads/fashion/models/fashion-ee.gguf")
    p.add_argument("--data", default="workloads/fashion/data")
    p.add_argument("--joulebench", default="build/joulebench")
    p.add_argument("--dnnl", default="build/peers/dnnl_net")
    p.add_argument("--dnnl-isa", default="AVX512_CORE_VNNI")
    p.add_argument("--cpu", default="0", help="the one processor that every contestant is pinned to")
    p.add_argument("--rounds", type=int, default=7)
    p.add_argument("--seconds", type=float, default=1.0, help="per contestant and round")
    p.add_argument("--json", help="also write the figures here")
    args = p.parse_args()
    os.sched_setaffinity(0, {int(args.cpu)})

    net = Net(args.model)
    test = read_idx(f"{args.data}/test-images-idx3-ubyte.gz").astype(np.float32)
    labels = read_idx(f"{args.data}/test-labels-idx1-ubyte.gz").astype(np.int64)
    fit = read_idx(f"{args.data}/fit-images-idx3-ubyte.gz").astype(np.float32)
    scale = lambda x: (((x / 255.0)[:, None, None, :, :] - net.mean[0]) / net.std[0]).astype(np.float32)
    test, fit = scale(test), scale(fit)
    have_dnnl = os.path.exists(args.dnnl)
    with tempfile.TemporaryDirectory() as folder:
        f32_path, int8_path = os.path.join(folder, "f32.onnx"), os.path.join(folder, "int8.onnx")
        to_onnx(net, f32_path)
        quantize(f32_path, int8_path, fit[:1000])
        overhead = empty_call_ns(folder)
        result = {"model": args.model, "python_call_ns": overhead, "rows": []}
        for precision, path in (("f32", f32_path), ("int8", int8_path)):
            ours, ort = joulebench_predictions(args, precision, folder), Ort(path)
            theirs = {"ONNX Runtime": ort.predict(test)}
            if have_dnnl:
                theirs["oneDNN"] = np.array([int(x) for x in dnnl(args, precision, "predict", [f"{args.data}/test-images-idx3-ubyte.gz"]).split()])
            rounds = []
            for _ in range(args.rounds):
                row = {"joulebench": joulebench_ns(args, precision), "ONNX Runtime": ort.time_ns(test[:512], args.seconds)}
                if have_dnnl:
                    row["oneDNN"] = float(dnnl(args, precision, "time", [f"{args.data}/test-images-idx3-ubyte.gz", str(args.seconds)]))
                rounds.append(row)
            for name in rounds[0]:
                agree = 1.0 if name == "joulebench" else float((theirs[name] == ours).mean())
                accuracy = float(((ours if name == "joulebench" else theirs[name]) == labels).mean())
                ratios = [r[name] / r["joulebench"] for r in rounds]
                result["rows"].append({"precision": precision, "name": name, "p50_ns": statistics.median(r[name] for r in rounds), "ratio": statistics.median(ratios),
                                       "ratio_min": min(ratios), "ratio_max": max(ratios), "accuracy": accuracy, "agreement": agree})
    print(f"{args.model}: full depth, one thread, batch 1, CPU {args.cpu}, {args.rounds} interleaved rounds of {args.seconds} s")
    print(f"An empty ONNX Runtime call from Python takes {overhead / 1000:.1f} us; it is contained in its figures.\n")
    print("| precision | library | median us | time / joulebench (min-max) | accuracy | same answer as joulebench |\n|---|---|---|---|---|---|")
    for r in result["rows"]:
        print(f"| {r['precision']} | {r['name']} | {r['p50_ns'] / 1000:.1f} | {r['ratio']:.2f} ({r['ratio_min']:.2f}-{r['ratio_max']:.2f}) | {100 * r['accuracy']:.2f} % | {100 * r['agreement']:.2f} % |")
    if not have_dnnl:
        print("\noneDNN: skipped, build/peers/dnnl_net is not there (make peers, with libdnnl-dev)")
    if args.json:
        json.dump(result, open(args.json, "w"), indent=1)


if __name__ == "__main__":
    main()
