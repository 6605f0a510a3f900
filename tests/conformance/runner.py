"""The runner of Python: docs/conformance.md. Started with the package in PYTHONPATH."""
import ctypes
import gc
import json
import sys
import threading

import numpy as np
import tenon


class Thrown(Exception):
    """What this program's own callbacks raise."""


class Hearer:
    """What a progress callback or a profiler is to do, and what it saw."""

    def __init__(self, mode, kernels=()):
        self.mode, self.kernels = mode, kernels
        self.thrown = Thrown("thrown on purpose" if not kernels else "thrown by the profiler")
        self.tried = threading.Event()
        self.start()

    def start(self):
        self.count, self.good, self.last = 0, True, 0.0

    def progress(self, phase, fraction):
        if self.mode == "cancel":
            raise tenon.CancelledError("stopped on purpose")
        if self.mode == "throw":
            raise self.thrown
        self.good = self.good and bool(phase) and self.last <= fraction <= 1
        self.last = fraction
        self.count += 1

    def layer(self, time):
        if self.mode == "throw":
            raise self.thrown
        if self.mode == "busy":
            self.tried.wait()
            return
        self.good = self.good and time.index == self.count < len(self.kernels) and time.kernel == self.kernels[time.index] and time.microseconds >= 0
        self.count += 1


class Heap:
    """An allocator that counts, or fails."""
    libc = ctypes.CDLL(None)
    libc.aligned_alloc.restype = ctypes.c_void_p
    libc.aligned_alloc.argtypes = [ctypes.c_size_t, ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]

    def __init__(self, mode):
        self.mode, self.calls, self.blocks, self.bytes = mode, 0, 0, 0
        self.thrown, self.lock = Thrown("no memory on purpose"), threading.Lock()

    def allocate(self, size, alignment):
        if self.mode == "throw":
            raise self.thrown
        with self.lock:
            self.calls, self.blocks, self.bytes = self.calls + 1, self.blocks + 1, self.bytes + size
        return self.libc.aligned_alloc(alignment, (size + alignment - 1) // alignment * alignment)

    def deallocate(self, memory, size, alignment):
        with self.lock:
            self.blocks, self.bytes = self.blocks - 1, self.bytes - size
        self.libc.free(memory)


class Missing(Exception):
    """No object has the name."""


class Runner:
    def __init__(self):
        self.objects, self.about = {}, {}   # by name: the object, and what belongs to it
        self.messages, self.builder = [], tenon.Builder()
        self.thrown = []                    # everything that a callback may raise

    # --- objects and lines
    def say(self, *words):
        print(" ", *words)

    def get(self, step, key, kind):
        found = self.objects.get(step.get(key))
        if not isinstance(found, kind):
            raise Missing
        return found

    def keep(self, step, thing, about=None):
        old = self.objects.pop(step["as"], None)
        if old is not None:
            old.close()
        self.objects[step["as"]], self.about[step["as"]] = thing, about

    def logger(self, step):
        if not step.get("log"):
            return None
        return tenon.Logger(lambda severity, message: self.messages.append(f"{severity.name.lower()} {message}"))

    def failed(self, error):
        if isinstance(error, Missing):
            self.say("error INVALID_HANDLE")
        elif isinstance(error, Thrown):
            self.say("thrown:" if any(error is own for own in self.thrown) else "thrown by another:", error)
        elif error.code.name in ("INVALID_HANDLE", "BUSY"):
            self.say("error", error.code.name)
        else:
            self.say(f"error {error.code.name}:", str(error).replace("\n", " / "))

    def tell(self, name, true):
        self.say(name, "yes" if true else "no")

    @staticmethod
    def dims(shape, names=None):
        return "[" + ",".join(name or str(dim) for dim, name in zip(shape, names or [""] * len(shape))) + "]"

    def document(self, holder):
        text = holder.text()
        self.tell("text", len(text) > 1 and text.endswith("\n"))
        self.tell("json", isinstance(holder.json(), dict))
        return text

    # --- networks and plans
    def device(self, step):
        device = tenon.Device(step["name"])
        self.say(device.name, device.type.name.lower())

    def network(self, step):
        by = self.builder
        if "nodes" in step or "log" in step:
            by = tenon.Builder()
            if "nodes" in step:
                by.set_limit(tenon.Limit.NODES, step["nodes"])
            by.set_logger(self.logger(step))
        kind = step.get("from", "file")
        if kind == "file":
            network = tenon.Network.from_onnx_file(by, step["file"])
        elif kind == "blob":
            network = tenon.Network.from_onnx_blob(by, tenon.Blob.from_file(step["file"]))
        else:
            network = tenon.Network.from_onnx(by, bytes(tenon.Blob.from_file(step["file"])))
        self.keep(step, network)
        self.say("network", network.name or "-", "nodes", network.node_count)
        for t in network.tensors:
            shape = "?" if t.shape is None else self.dims(t.shape, t.dim_names)
            self.say(t.mode.name.lower(), t.name, tenon.dtype_name(t.data_type), shape)

    def describe(self, step):
        self.document(self.get(step, "network", tenon.Network))

    def config(self, step):
        config = tenon.BuilderConfig()
        if "device" in step:
            config.set_device(step["device"])
        if "threads" in step:
            config.thread_count = step["threads"]
        if "level" in step:
            config.optimization_level = step["level"]
        if "onednn" in step:
            config.onednn_enabled = step["onednn"]
        if "deadline" in step:
            config.deadline = step["deadline"]
        if "tf32" in step:
            config.set_precision_allowed(tenon.Precision.TF32, step["tf32"])
        for key, value in step.get("options", {}).items():
            config.set_option(key, value)
        if "cache" in step:
            config.set_timing_cache(self.get(step, "cache", tenon.TimingCache))
        for profile in step.get("profiles", ()):
            shapes = tenon.OptimizationProfile()
            for name, dims in profile.items():
                shapes.set(name, *dims)
            config.add_profile(shapes)
        self.say(f"threads {config.thread_count} level {config.optimization_level} onednn {'yes' if config.onednn_enabled else 'no'} "
                 f"deadline {int(config.deadline)} tf32 {'yes' if config.get_precision_allowed(tenon.Precision.TF32) else 'no'} "
                 f"profiles {config.profile_count}")
        for key in step.get("options", {}):
            self.say("option", key, config.get_option(key))
        self.keep(step, config)

    def progress(self, step):
        hearer = Hearer(step["mode"])
        self.thrown.append(hearer.thrown)
        self.get(step, "config", tenon.BuilderConfig).set_progress(None if step["mode"] == "none" else hearer.progress)
        self.about[step["config"]] = hearer

    def build(self, step):
        network, config = self.get(step, "network", tenon.Network), self.get(step, "config", tenon.BuilderConfig)
        hearer, by = self.about.get(step["config"]), self.builder
        if step.get("log"):
            by = tenon.Builder(self.logger(step))
        if hearer:
            hearer.start()
        report = None
        if step.get("report"):
            plan, report = by.build_with_report(network, config)
        else:
            plan = by.build(network, config)
        self.keep(step, plan)
        if hearer and hearer.mode == "count":
            self.tell("progress", hearer.good and hearer.count)
        if report is not None:
            self.tell("report", isinstance(report, dict))

    # --- blobs and caches
    def blob(self, step):
        self.keep(step, tenon.Blob(step["text"].encode()))
        self.say("blob", len(self.objects[step["as"]]), "bytes")

    def save(self, step):
        self.get(step, "blob", tenon.Blob).save(step["file"])

    def read(self, step):
        self.keep(step, tenon.Blob.from_file(step["file"]))

    def share(self, step):
        self.keep(step, self.get(step, "blob", tenon.Blob).share())

    def cut(self, step):
        self.keep(step, tenon.Blob(self.get(step, "blob", tenon.Blob).view()[:step["bytes"]]))
        self.say("blob", len(self.objects[step["as"]]), "bytes")

    def same(self, step):
        self.say("yes" if bytes(self.get(step, "a", tenon.Blob)) == bytes(self.get(step, "b", tenon.Blob)) else "no")

    def cache(self, step):
        cache = tenon.TimingCache()
        if "load" in step:
            cache.load(self.get(step, "load", tenon.Blob).view())
        self.keep(step, cache)
        self.tell("entries", len(cache))

    def cache_blob(self, step):
        cache = self.get(step, "cache", tenon.TimingCache)
        self.keep(step, cache.serialize())
        self.tell("entries", len(cache))

    def merge(self, step):
        cache = self.get(step, "cache", tenon.TimingCache)
        cache.merge(self.get(step, "other", tenon.TimingCache))
        self.tell("entries", len(cache))

    # --- engines
    def allocator(self, step):
        heap = Heap(step["mode"])
        self.thrown.append(heap.thrown)
        self.keep(step, tenon.Allocator(heap), heap)

    def balance(self, step):
        heap = self.get(step, "allocator", tenon.Allocator) and self.about[step["allocator"]]
        self.tell("allocated", heap.calls)
        self.tell("balanced", heap.blocks == 0 and heap.bytes == 0)

    def engine(self, step):
        runtime = tenon.Runtime()
        if "threads" in step:
            runtime.thread_count = step["threads"]
        if "limit" in step:
            runtime.set_limit(tenon.Limit.PLAN_BYTES, step["limit"])
        if "allocator" in step:
            runtime.set_allocator(self.get(step, "allocator", tenon.Allocator))
        runtime.set_logger(self.logger(step))
        engine = tenon.Engine(self.get(step, "plan", tenon.Blob), runtime)
        self.keep(step, engine)
        self.say("engine", engine.name or "-", "threads", engine.thread_count, "profiles", engine.profile_count)
        for t in engine.tensors:
            self.say(t.mode.name.lower(), t.name, tenon.dtype_name(t.data_type), self.dims(t.shape), t.format.name.lower(), t.location.name.lower())
        for profile in range(engine.profile_count):
            for t in engine.inputs:
                self.say("profile", profile, t.name, *map(self.dims, engine.profile_shapes(t.name, profile)))
        layers = engine.layers(0)
        self.tell("layers", layers and all(layer.name and layer.kernel for layer in layers))

    def serialize(self, step):
        self.keep(step, self.get(step, "engine", tenon.Engine).serialize())

    def inspect(self, step):
        def make():
            if "engine" in step:
                return self.get(step, "engine", tenon.Engine).inspector()
            return tenon.EngineInspector.from_plan(self.get(step, "plan", tenon.Blob))
        first, second = make(), make()
        text = self.document(first)
        self.tell("same", text == second.text())

    # --- contexts
    def context(self, step):
        context = self.get(step, "engine", tenon.Engine).create_context(step.get("profile", 0))
        about = (context.engine.tensors, [layer.kernel for layer in context.engine.layers(0)])
        self.keep(step, context, about)
        self.say("profile", context.profile)

    def set_profile(self, step):
        context = self.get(step, "context", tenon.ExecutionContext)
        context.set_profile(step["profile"])
        self.say("profile", context.profile)

    def shape(self, step):
        self.get(step, "context", tenon.ExecutionContext).set_input_shape(step["tensor"], step["dims"])

    def get_shape(self, step):
        self.say(step["tensor"], self.dims(self.get(step, "context", tenon.ExecutionContext).get_shape(step["tensor"])))

    def buffer(self, step):
        self.get(step, "context", tenon.ExecutionContext).set_buffer(step["tensor"], bytearray(step["bytes"]))

    @staticmethod
    def set_all(context, tensors, inputs):
        """Sets the inputs and new outputs, which it returns with their shapes."""
        types = {t.name: tenon.numpy_dtype(t.data_type) for t in tensors}
        for name, tensor in inputs.items():
            context.set_input_shape(name, tensor["dims"])
            context.set_buffer(name, bytearray(np.array(tensor["values"], types.get(name, np.float32)).tobytes()))
        outputs = []
        for t in tensors:
            if t.mode == tenon.IoMode.OUTPUT:
                outputs.append((t, np.zeros(context.get_shape(t.name), types[t.name])))
                context.set_buffer(t.name, outputs[-1][1])
        return outputs

    def show(self, outputs):
        for t, array in outputs:
            values = [str(int(v)) if abs(float(v)) < 1e15 and float(v) == int(v) else "?" for v in array.ravel()]
            print(" ", t.name, tenon.dtype_name(t.data_type), " ".join([self.dims(array.shape) + ":", *values]))

    def run_as(self, context, how):
        if how == "measured":
            self.tell("microseconds", context.run_measured() >= 0)
        elif how == "parts":
            parts = context.run_in_parts()
            self.tell("microseconds", min(parts.input, parts.enqueue, parts.output) >= 0)
        elif how == "enqueue":
            context.enqueue()
            context.wait()
        else:
            if how == "prepare":
                context.prepare()
            context.run()

    def run(self, step):
        context = self.get(step, "context", tenon.ExecutionContext)
        outputs = self.set_all(context, self.about[step["context"]][0], step["inputs"]) if "inputs" in step else None
        self.run_as(context, step.get("how", "run"))
        if outputs is None:
            self.say("ran")
        else:
            self.show(outputs)

    def wait(self, step):
        self.get(step, "context", tenon.ExecutionContext).wait()

    def profile(self, step):
        context = self.get(step, "context", tenon.ExecutionContext)
        tensors, kernels = self.about[step["context"]]
        hearer = Hearer(step["mode"], kernels)
        self.thrown.append(hearer.thrown)
        outputs = self.set_all(context, tensors, step["inputs"])
        context.set_profiler(hearer.layer)
        try:
            context.run()
        finally:
            context.set_profiler(None)
        self.show(outputs)
        self.tell("layers", hearer.good and hearer.count == len(kernels) > 0)

    def busy(self, step):
        context = self.get(step, "context", tenon.ExecutionContext)
        hearer = Hearer("busy")
        outputs = self.set_all(context, self.about[step["context"]][0], step["inputs"])
        context.set_profiler(hearer.layer)
        context.enqueue()
        try:
            context.run()
            self.say("not busy")
        except tenon.TenonError as error:
            self.failed(error)
        hearer.tried.set()
        try:
            context.wait()
        finally:
            context.set_profiler(None)
        self.show(outputs)

    def threads(self, step):
        engine = self.get(step, "engine", tenon.Engine)
        results = [None] * step["count"]

        def work(at):
            try:
                runs = []
                with engine.create_context() as context:
                    for _ in range(step["runs"]):
                        outputs = self.set_all(context, engine.tensors, step["inputs"])
                        context.run()
                        runs.append(outputs)
                results[at] = runs
            except tenon.TenonError as error:
                results[at] = error
        workers = [threading.Thread(target=work, args=(at,)) for at in range(step["count"])]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        for result in results:
            if isinstance(result, Exception):
                raise result
        first = results[0][0]
        self.show(first)
        self.tell("equal", all(a.tobytes() == b.tobytes() for runs in results for outputs in runs for (_, a), (_, b) in zip(first, outputs)))

    # --- weights
    def weights(self, step):
        for weight in self.get(step, "engine", tenon.Engine).refitter().weights:
            self.say("weight", weight.name, tenon.dtype_name(weight.data_type), self.dims(weight.shape), "pinned" if weight.pin_reason else "free")

    def refit(self, step):
        refitter = self.get(step, "engine", tenon.Engine).refitter()
        for name, tensor in step.get("weights", {}).items():
            refitter.set_weight(name, np.array(tensor["values"], np.float32).reshape(tensor["dims"]))
        if "network" in step:
            self.say("set", refitter.set_weights_from_network(self.get(step, "network", tenon.Network)))
        for name in refitter.missing:
            self.say("missing", name)
        refitter.apply()
        self.say("refitted")

    def close(self, step):
        self.get(step, "name", object).close() if step["name"] in self.objects else self.say("error INVALID_HANDLE")
        self.objects.pop(step["name"], None)

    def live(self, step):
        gc.collect()
        self.say(step["type"], tenon.live_count(step["type"]))

    # --- all of it
    def take(self, number, step):
        print(number, step["do"])
        try:
            getattr(self, step["do"])(step)
        except (tenon.TenonError, Thrown, Missing) as error:
            self.failed(error)
            error.__traceback__ = None  # it holds the step's objects, which hold the callback that holds the error
        for message in self.messages:
            self.say("log", message.replace("\n", " / "))
        self.messages.clear()

    def end(self):
        for name in sorted(self.objects):
            self.objects.pop(name).close()
        self.about.clear()
        self.thrown.clear()
        self.builder.close()
        gc.collect()
        print("live", tenon.live_count("all"))


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        steps = json.load(file)
    runner = Runner()
    for number, step in enumerate(steps, 1):
        runner.take(number, step)
        gc.collect()
    runner.end()


if __name__ == "__main__":
    main()
