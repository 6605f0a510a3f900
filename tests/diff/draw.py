"""The graph of a seed."""
import operators
import patterns
from graph import NEWEST, Graph, Unfit


def _weighted(rng, table):
    names = sorted(table)
    return rng.choices(names, [table[n][1] for n in names])[0]


def draw(seed, oracle, only=None):
    """A case and how many nodes of each operator it has; (None, {}) where no graph came of it."""
    graph = Graph(seed, oracle)
    rng = graph.rng
    table = {n: operators.MAKERS[n] for n in only} if only else operators.MAKERS
    style = "few" if only else rng.choice(["one", "few", "few", "many", "pattern", "pattern"])
    if style == "one":  # each operator as often as any other, in an op set that has it
        name = rng.choice(sorted(table))
        if not graph.has(name):
            graph.opset = NEWEST
        steps = [name]
    elif style == "pattern":
        steps = [None] * rng.choice([1, 1, 2]) + [_weighted(rng, table) for _ in range(rng.randint(0, 4))]
        if rng.random() < 0.3:
            rng.shuffle(steps)
    else:
        steps = [_weighted(rng, table) for _ in range(rng.randint(2, 5) if style == "few" else rng.randint(6, 14))]
    for name in steps:
        for _ in range(3):
            before = len(graph.nodes)
            try:
                if name is None:
                    patterns.PATTERNS[_weighted(rng, patterns.PATTERNS)][0](graph)
                else:
                    operators.add(graph, name)
                break
            except Unfit:
                if len(graph.nodes) > before:  # what was added stays, as part of the graph
                    break
            except (ValueError, IndexError, ZeroDivisionError):  # nothing to choose from
                break
    try:
        return graph.case(), dict(graph.kinds)
    except Unfit:
        return None, {}
