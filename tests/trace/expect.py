#!/usr/bin/env python3
"""Makes expected/ anew with the package of microsoft/Trace: expect.py FOLDER_OF_TRACE [PROGRAM ...]

Each program runs in a process of its own, with `opto.trace` in the place of `troupe.trace`. Its imports of graphviz, black,
litellm and openai, which nothing here needs, are met by empty modules. No model is asked."""
import importlib.util
import json
import pathlib
import subprocess
import sys
import types

HERE = pathlib.Path(__file__).resolve().parent
UNUSED = ("graphviz", "black", "litellm", "openai")


class Nothing(types.ModuleType):
    """A module that has every name."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def opto_trace(folder):
    """The package as `troupe.trace`, with the names that the programs import."""
    sys.path.insert(0, str(folder))
    for name in UNUSED:
        sys.modules[name] = Nothing(name)
    import opto.trace as trace
    from opto.trace import operators
    from opto.trace.errors import ExecutionError
    trace.ExecutionError, trace.operators = ExecutionError, operators
    sys.modules["troupe"] = types.ModuleType("troupe")
    sys.modules["troupe.trace"] = sys.modules["troupe"].trace = trace


def problem_of(program):
    from opto.optimizers.optoprime import OptoPrime
    from opto.trace.nodes import GRAPH
    GRAPH.clear()
    spec = importlib.util.spec_from_file_location(program.stem, program)
    module = importlib.util.module_from_spec(spec)
    sys.modules[program.stem] = module
    spec.loader.exec_module(module)
    parameters, output, feedback = module.run()
    optimizer = OptoPrime(parameters, llm=object())
    optimizer.zero_feedback()
    optimizer.backward(output, feedback)
    summary = optimizer.summarize()

    wrapped = {}  # classes with @model, by the name that the package gives them

    def values(given):
        return dict(sorted((name, value_of(name, *each)) for name, each in given.items()))

    def value_of(name, value, constraint):
        if "__code" in name:  # the constraint is that package's wording
            return {"type": "code", "value": str(value)}
        kind = type(value).__name__
        if kind == "ModelWrapper":
            wrapped[kind] = type(value).__mro__[1].__name__
        return {"type": kind, "value": str(value), **({"constraint": constraint} if constraint else {})}

    made = {"code": [text for _, text in sorted(summary.graph)], "documented": sorted(summary.documentation),
            "variables": values(summary.variables), "inputs": values(summary.inputs), "others": values(summary.others),
            "outputs": values(summary.output), "feedback": str(summary.user_feedback)}
    text = json.dumps(made, indent=1)
    for name, meant in wrapped.items():
        text = text.replace(name, meant)
    return text


def main(folder, *names):
    if names and names[0] == "--one":
        opto_trace(folder)
        print(problem_of(pathlib.Path(names[1])))
        return 0
    programs = [HERE / "programs" / f"{name}.py" for name in names] or sorted((HERE / "programs").glob("*.py"))
    for program in programs:
        done = subprocess.run([sys.executable, __file__, folder, "--one", program], capture_output=True, text=True)
        if done.returncode != 0:
            print(f"{program.stem}: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
            continue
        (HERE / "expected" / f"{program.stem}.json").write_text(done.stdout[done.stdout.index("{\n"):])
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
