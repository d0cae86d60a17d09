"""IPython's shell in the kernel's process (see kernel.py): runs cells, shows values and figures."""
import builtins
import io
import random
import sys

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell


class Hook(DisplayHook):
    kernel = None

    def write_output_prompt(self):
        pass

    def write_format_data(self, data, metadata=None):
        self.kernel.collector.display("execute_result", data, metadata, execution_count=None)

    def finish_displayhook(self):
        pass


class Publisher(DisplayPublisher):
    kernel = None

    def publish(self, data, metadata=None, source=None, *, transient=None, update=False, **kwargs):
        self.kernel.collector.display("display_data", data, metadata)

    def clear_output(self, wait=False):
        pass


class Shell(InteractiveShell):
    displayhook_class = Hook
    display_pub_class = Publisher
    kernel = None

    def _showtraceback(self, etype, evalue, stb):
        self.kernel.collector.error(str(getattr(etype, "__name__", etype)), str(evalue),
                                    [str(line) for line in stb])

    def raw_input(self, prompt=""):
        raise RuntimeError("input() has nobody to answer it here")

    def enable_gui(self, gui=None):
        pass


class PythonShell:
    def __init__(self, kernel, preload):
        self.kernel = kernel
        Hook.kernel = Publisher.kernel = Shell.kernel = kernel
        InteractiveShell.colors = "NoColor"
        self.shell = Shell.instance(colors="NoColor", history_load_length=0)
        self.shell.history_manager.enabled = False
        builtins.input = self.shell.raw_input
        self.preload(preload)

    def preload(self, names):
        for name in names:
            try:
                __import__(name)
            except ImportError:
                pass  # a cell that needs it will say so
        if "matplotlib" in sys.modules:
            import matplotlib
            matplotlib.use("Agg")
            matplotlib.rcParams["figure.dpi"] = 80
            import matplotlib.pyplot as plt
            plt.show = lambda *args, **kwargs: self.flush_figures()

    def seed(self, seed):
        random.seed(seed)
        if "numpy" in sys.modules:
            sys.modules["numpy"].random.seed(seed % 2**32)

    def before_fork(self):
        return random.getstate()

    def after_fork(self, carried):
        # Python gives a forked process random numbers of its own; ours are to go on.
        random.setstate(carried)

    def run_cell(self, code):
        """Whether the cell ran well."""
        return self.shell.run_cell(code, store_history=True).success

    def flush_figures(self):
        if "matplotlib.pyplot" not in sys.modules:
            return
        import matplotlib.pyplot as plt
        for number in plt.get_fignums():
            figure = plt.figure(number)
            image = io.BytesIO()
            figure.savefig(image, format="png", bbox_inches="tight")
            self.kernel.collector.display("display_data", {
                "image/png": image.getvalue(),
                "text/plain": f"<Figure with {len(figure.axes)} axes>"})
        plt.close("all")
