"""Lives in Python, as run.py describes them."""
import gc
import sys

import numpy as np
import tenon

leaked = []


def life(model, leak):
    profile = {"x": ((1, 4), (2, 4), (8, 4))}
    with tenon.build(model, profiles=[profile], threads=1, options={"timer": "fake"}) as engine, engine.create_context() as context:
        layers = []
        context.set_profiler(layers.append)
        try:
            engine.tensor("none")
            sys.exit(2)
        except tenon.NotFoundError:
            pass
        y = context.run({"x": np.ones((1, 4), np.float32)})["y"]
        if y.tolist() != [[12, 24, 38]] or not layers:
            sys.exit(3)
        if leak:
            leaked.append((tenon.Engine(engine.serialize()), open("/dev/null")))


def main():
    model, cycles, warm_up = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    for cycle in range(1, cycles + 1):
        life(model, len(sys.argv) > 4)
        if cycle in (warm_up, cycles):
            gc.collect()
            print(tenon.live_count(), "objects", flush=True)
            sys.stdin.readline()


main()
