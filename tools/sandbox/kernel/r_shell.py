"""R inside the kernel's process, in the place of IPython's shell (see kernel.py).

R by itself cannot take a descriptor from a socket, so R is loaded here as a library: then a state is
one process in either language, and everything about channels, forks and limits is written once.
"""
import ctypes
import os

WRITE_CONSOLE = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_int, ctypes.c_int)
SIGINT = 2
SIG_IGN = 1
UTF8 = 1


class RShell:
    def __init__(self, kernel, home):
        self.kernel = kernel
        folder = os.path.dirname(os.path.abspath(__file__))
        os.environ.update(R_HOME=home, R_SHARE_DIR="/usr/share/R/share",
                          R_INCLUDE_DIR="/usr/share/R/include", R_DOC_DIR="/usr/share/R/doc")
        self.lib = lib = ctypes.CDLL(f"{home}/lib/libR.so", mode=ctypes.RTLD_GLOBAL)
        self.libc = ctypes.CDLL(None)
        for name, result, arguments in (
                ("R_ParseEvalString", ctypes.c_void_p, [ctypes.c_char_p, ctypes.c_void_p]),
                ("Rf_install", ctypes.c_void_p, [ctypes.c_char_p]),
                ("Rf_lang1", ctypes.c_void_p, [ctypes.c_void_p]),
                ("Rf_lang2", ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_void_p]),
                ("Rf_mkCharLenCE", ctypes.c_void_p, [ctypes.c_char_p, ctypes.c_int, ctypes.c_int]),
                ("Rf_ScalarString", ctypes.c_void_p, [ctypes.c_void_p]),
                ("Rf_ScalarInteger", ctypes.c_void_p, [ctypes.c_int]),
                ("Rf_protect", ctypes.c_void_p, [ctypes.c_void_p]),
                ("Rf_unprotect", None, [ctypes.c_int]),
                ("R_tryEval", ctypes.c_void_p,
                 [ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(ctypes.c_int)]),
                ("Rf_length", ctypes.c_int, [ctypes.c_void_p]),
                ("STRING_ELT", ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_ssize_t]),
                ("Rf_translateCharUTF8", ctypes.c_char_p, [ctypes.c_void_p])):
            function = getattr(lib, name)
            function.restype, function.argtypes = result, arguments
        arguments = [b"R", b"--vanilla", b"--no-echo", b"--no-save"]
        lib.Rf_initEmbeddedR(len(arguments), (ctypes.c_char_p * len(arguments))(*arguments))
        self.world = ctypes.c_void_p.in_dll(lib, "R_GlobalEnv")
        # R stops its own loops at an interrupt, which needs its own handler; between cells none.
        self.libc.signal.restype = ctypes.c_void_p
        self.libc.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
        self.interrupt_handler = self.libc.signal(SIGINT, SIG_IGN)
        self.take_over_console()
        path = os.path.join(folder, "kernel.R")
        command = f'sys.source("{path}", envir = attach(NULL, name = "troupe"))'
        lib.R_ParseEvalString(command.encode(), self.world)

    def take_over_console(self):
        def write(text, length, kind):
            collector = self.kernel.collector
            if collector is not None:
                collector.stream("stderr" if kind else "stdout",
                                 text[:length].decode("utf-8", "replace"))

        self.write_console = WRITE_CONSOLE(write)  # kept, or R would call what is gone
        for name in ("R_Outputfile", "R_Consolefile", "ptr_R_WriteConsole"):
            ctypes.c_void_p.in_dll(self.lib, name).value = None
        ctypes.c_void_p.in_dll(self.lib, "ptr_R_WriteConsoleEx").value = ctypes.cast(
            self.write_console, ctypes.c_void_p).value
        ctypes.c_int.in_dll(self.lib, "R_Interactive").value = 0

    def call(self, function, argument=None):
        """The strings that an R function returns; None if R itself failed."""
        lib = self.lib
        name = lib.Rf_install(function.encode())
        protected = 1
        if isinstance(argument, str):
            data = argument.encode()
            value = lib.Rf_protect(lib.Rf_ScalarString(
                lib.Rf_protect(lib.Rf_mkCharLenCE(data, len(data), UTF8))))
            protected = 3
        elif argument is not None:
            value = lib.Rf_protect(lib.Rf_ScalarInteger(argument))
            protected = 2
        expression = lib.Rf_protect(
            lib.Rf_lang1(name) if argument is None else lib.Rf_lang2(name, value))
        error = ctypes.c_int(0)
        result = lib.R_tryEval(expression, self.world, ctypes.byref(error))
        strings = None
        if not error.value and result:
            lib.Rf_protect(result)
            strings = [lib.Rf_translateCharUTF8(lib.STRING_ELT(result, i)).decode("utf-8", "replace")
                       for i in range(lib.Rf_length(result))] if function != "troupe_seed" else []
            lib.Rf_unprotect(1)
        lib.Rf_unprotect(protected)
        return strings

    def seed(self, seed):
        self.call("troupe_seed", seed % 2**31)

    def before_fork(self):
        return None

    def after_fork(self, carried):
        pass  # all of R's state is in its memory

    def run_cell(self, code):
        """Whether the cell ran well."""
        if "\0" in code:
            self.kernel.collector.error("ValueError", "the code has a zero byte in it", [])
            return False
        self.libc.signal(SIGINT, self.interrupt_handler)
        failure = self.call("troupe_run", code)
        self.libc.signal(SIGINT, SIG_IGN)
        self.libc.fflush(None)
        if failure == []:
            return True
        name, message, *calls = failure or ["error", "R gave up on the cell"]
        head = f"Error: {message}"
        trace = [head] + ([f"  at {call}" for call in reversed(calls)] if calls else [])
        self.kernel.collector.error(name, message, trace)
        return False

    def flush_figures(self):
        for path in self.call("troupe_figures") or []:
            with open(path, "rb") as file:
                self.kernel.collector.display("display_data", {
                    "image/png": file.read(), "text/plain": "<figure>"})
            os.unlink(path)
