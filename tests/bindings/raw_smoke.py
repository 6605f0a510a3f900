"""The raw layer of Python: `raw_smoke.py DIR` with model.onnx, input.bin and expected.bin (see run.py). Prints one line a
check; nothing but the standard library is used."""
import array
import gc
import pathlib
import sys
import threading

import _raw as raw


def check(error):
    if error:
        text = message_of(error)
        raw.tn_error_destroy(error)
        raise AssertionError(text)


def message_of(error):
    size = raw.tn_error_get_message(error, None)
    buffer = bytearray(size + 1)
    raw.tn_error_get_message(error, buffer)
    return buffer[:size].decode()


def given(result):
    """What a function gives back when it must not fail."""
    error, *values = result
    check(error)
    return values[0] if len(values) == 1 else values


def code_of(error):
    code = raw.tn_error_get_code(error)
    raw.tn_error_destroy(error)
    return code


class Progress:
    def __init__(self):
        self.phases, self.released = [], 0

    def update(self, phase, fraction):
        assert 0 <= fraction <= 1
        self.phases.append(phase)

    def release(self):
        self.released += 1


class Refusal(Exception):
    tn_error_code = raw.TN_ERROR_CANCELLED


class Refusing:
    def __init__(self, exception):
        self.exception = exception

    def update(self, phase, fraction):
        raise self.exception


class Profiler:
    def __init__(self):
        self.layers, self.threads = [], set()

    def layer(self, index, name, kernel, origins, microseconds):
        assert microseconds >= 0
        self.threads.add(threading.get_ident())
        self.layers.append((index, name, kernel, origins))


class Smoke:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.input = (self.folder / "input.bin").read_bytes()
        self.expected = array.array("f", (self.folder / "expected.bin").read_bytes())
        self.batch = len(self.expected) // 3

    def version(self):
        assert raw.tn_version() == raw.TN_VERSION and raw.tn_abi_version() == raw.TN_ABI_VERSION
        assert raw.tn_build_info().startswith("tenon ") and raw.tn_data_type_get_name(raw.TN_DATA_TYPE_INT64) == "i64"

    def config(self, progress):
        config = given(raw.tn_builder_config_create())
        check(raw.tn_builder_config_set_option(config, "timer", "fake"))
        check(raw.tn_builder_config_set_thread_count(config, 1))
        check(raw.tn_builder_config_set_progress(config, progress))
        profile = given(raw.tn_optimization_profile_create())
        for selector, batch in enumerate((1, self.batch, 8)):
            check(raw.tn_optimization_profile_set_shape(profile, "x", selector, array.array("q", [batch, 1, 4, 4])))
        assert given(raw.tn_builder_config_add_profile(config, profile)) == 0
        raw.tn_optimization_profile_destroy(profile)
        return config

    def build(self):
        self.builder = given(raw.tn_builder_create())
        self.network = given(raw.tn_network_create_from_onnx(self.builder, (self.folder / "model.onnx").read_bytes()))
        progress = Progress()
        config = self.config(progress)
        self.plan, report = given(raw.tn_builder_build(self.builder, self.network, config, False))
        assert report == 0 and progress.phases
        plan, report = given(raw.tn_builder_build(self.builder, self.network, config, True))
        address, size = given(raw.tn_blob_get_data(report))
        assert bytes(raw.Memory(address, size)).startswith(b"{")
        raw.tn_blob_destroy(plan)
        raw.tn_blob_destroy(report)
        raw.tn_builder_config_destroy(config)
        assert progress.released == 1

    def file(self):
        path = str(self.folder / "plän 🙂 python.plan")
        check(raw.tn_blob_save(self.plan, path))
        assert pathlib.Path(path).exists()
        copy = given(raw.tn_blob_create_from_file(path))
        assert given(raw.tn_blob_get_data(copy))[1] == given(raw.tn_blob_get_data(self.plan))[1] == pathlib.Path(path).stat().st_size
        raw.tn_blob_destroy(copy)

    def run(self):
        runtime = given(raw.tn_runtime_create())
        check(raw.tn_runtime_set_thread_count(runtime, 2))
        address, size = given(raw.tn_blob_get_data(self.plan))
        view = memoryview(raw.Memory(address, size, owner=self))
        assert raw.address(view) == (address, size)
        self.engine = given(raw.tn_engine_create(runtime, view))
        raw.tn_runtime_destroy(runtime)
        buffer = bytearray(16)
        size = given(raw.tn_engine_get_tensor_name(self.engine, 0, buffer))
        assert buffer[:size] == b"x" and given(raw.tn_engine_find_tensor(self.engine, "y")) == 1
        dims = array.array("q", [0] * raw.TN_MAX_RANK)
        rank = given(raw.tn_engine_get_tensor_shape(self.engine, 0, dims))
        assert list(dims[:rank]) == [-1, 1, 4, 4]
        self.context = given(raw.tn_execution_context_create(self.engine, 0))
        check(raw.tn_execution_context_set_input_shape(self.context, "x", array.array("q", [self.batch, 1, 4, 4])))
        self.output = array.array("f", [0] * len(self.expected))
        check(raw.tn_execution_context_set_buffer(self.context, "x", *raw.address(self.input)))
        check(raw.tn_execution_context_set_buffer(self.context, "y", *raw.address(self.output, True)))
        check(raw.tn_execution_context_run(self.context))
        assert all(abs(a - b) < 1e-4 for a, b in zip(self.output, self.expected)), (self.output, self.expected)

    def profile(self):
        profiler = Profiler()
        check(raw.tn_execution_context_set_profiler(self.context, profiler))
        check(raw.tn_execution_context_enqueue(self.context, None))
        check(raw.tn_execution_context_wait(self.context))
        assert threading.get_ident() not in profiler.threads, "not called on a thread of the library's"
        count = given(raw.tn_engine_get_layer_count(self.engine, 0))
        assert [layer[0] for layer in profiler.layers] == list(range(count)) and all(layer[2] for layer in profiler.layers)
        check(raw.tn_execution_context_set_profiler(self.context, None))

    def errors(self):
        runtime = given(raw.tn_runtime_create())
        error, engine = raw.tn_engine_create(runtime, b"not a plan")
        assert engine == 0 and "plan" in message_of(error)
        assert code_of(error) == raw.TN_ERROR_INVALID_PLAN
        raw.tn_runtime_destroy(runtime)
        for handle in (None, 0, runtime, self.plan, 12345):
            assert code_of(raw.tn_runtime_set_thread_count(handle, 1)) == raw.TN_ERROR_INVALID_HANDLE
        for wrong in (lambda: raw.tn_blob_create_from_file("a\0b"), lambda: raw.tn_blob_create_from_file(7),
                      lambda: raw.tn_execution_context_set_input_shape(self.context, "x", array.array("i", [1]))):
            try:
                wrong()
                raise AssertionError("a wrong argument was taken")
            except (ValueError, TypeError):
                pass

    def exception(self):
        for exception, code in ((Refusal("not today"), raw.TN_ERROR_CANCELLED), (KeyError("k"), raw.TN_ERROR_CALLBACK)):
            config = self.config(Refusing(exception))
            error, plan, _ = raw.tn_builder_build(self.builder, self.network, config, False)
            raw.tn_builder_config_destroy(config)
            assert plan == 0 and raw.payload(raw.tn_error_get_payload(error)) is exception
            assert str(exception) in message_of(error) and exception.__traceback__
            assert code_of(error) == code
        error = raw.tn_error_create(raw.TN_ERROR_CALLBACK, "m", 4711, None)
        assert raw.payload(raw.tn_error_get_payload(error)) is None
        raw.tn_error_destroy(error)

    def destroy(self):
        for type_ in ("builder", "network", "engine", "execution_context"):
            name = {"execution_context": "context"}.get(type_, type_)
            getattr(raw, f"tn_{type_}_destroy")(getattr(self, name))
        raw.tn_blob_destroy(self.plan)
        gc.collect()
        assert given(raw.tn_debug_get_live_count("all")) == 0


def main():
    smoke = Smoke(sys.argv[1])
    for name in ("version", "build", "file", "run", "profile", "errors", "exception", "destroy"):
        try:
            getattr(smoke, name)()
            print(f"passed {name}")
        except Exception as error:
            print(f"FAILED {name}: {type(error).__name__}: {error}".replace("\n", " "))


main()
