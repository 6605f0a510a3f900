"""What a script's plans are built for: the processor, or a GPU in one precision."""
import zoo

PRECISIONS = ("fp32", "tf32", "fp16", "bf16")


def add_options(parser):
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help="the reduced one that is allowed; fp32: none")
    parser.add_argument("--level", type=int, help="the build's optimisation level; 3, on a GPU 1")


def flags(arguments):
    """The same options, for a process of its own."""
    level = [] if arguments.level is None else ["--level", str(arguments.level)]
    return ["--device", arguments.device, "--precision", arguments.precision, *level]


def on_gpu(arguments):
    return arguments.device != "cpu"


def label(arguments):
    """For names of files that belong to one target; empty for the processor."""
    return f"{arguments.device.replace(':', '-')}-{arguments.precision}-" if on_gpu(arguments) else ""


def build(arguments, name, weights="A", *, cpu_timer="real", code_cache=None, **more):
    """A network of the zoo, by the real timer on a GPU; compiled code is kept in `code_cache`, by default one for all."""
    import tenon_ctypes as tenon
    if on_gpu(arguments):
        more["options"] = {"code_cache": str(code_cache or zoo.CACHE / "code"), **more.get("options", {})}
    return tenon.build(zoo.path(name, weights), [zoo.profile(name)], device=arguments.device,
                       precisions=() if arguments.precision == "fp32" else (arguments.precision,),
                       level=arguments.level if arguments.level is not None else 1 if on_gpu(arguments) else 3,
                       timer="real" if on_gpu(arguments) else cpu_timer, **more)
