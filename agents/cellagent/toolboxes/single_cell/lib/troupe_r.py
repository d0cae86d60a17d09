"""R from Python: runs R code, with Seurat or Bioconductor, on an AnnData and brings its tables back.

    import troupe_r
    out = troupe_r.run("result <- list(sizes = data.frame(n = table(obs$leiden)))", adata)
    out["sizes"]                                      # a pandas DataFrame
"""
import os
import subprocess
import tempfile

import numpy as np
import pandas as pd
import scipy.sparse as sp
from scipy.io import mmwrite

import troupe_sc

PROLOGUE = r"""
suppressPackageStartupMessages(library(Matrix))
read_genes_by_cells <- function(stem) {
  if (!file.exists(paste0(stem, ".mtx"))) return(NULL)
  matrix <- as(as(readMM(paste0(stem, ".mtx")), "generalMatrix"), "CsparseMatrix")
  dimnames(matrix) <- list(readLines(paste0(stem, ".genes")), readLines("cells"))
  matrix
}
counts <- read_genes_by_cells("counts")
expr <- read_genes_by_cells("expr")
obs <- read.csv("obs.csv", row.names = 1, check.names = FALSE)
result <- list()
set.seed(0)
source("code.R", echo = FALSE)
for (i in seq_along(result)) {
  write.csv(as.data.frame(result[[i]]), paste0("result-", i, ".csv"))
}
writeLines(as.character(names(result)), "results")
"""


def counts_of(adata):
    """The counts, cells x genes: layers['counts'], or X where that is counts; None without any."""
    matrix = adata.layers["counts"] if "counts" in adata.layers else adata.X
    matrix = sp.csr_matrix(matrix)
    whole = len(matrix.data) > 0 and matrix.data.min() >= 0 and np.allclose(matrix.data, np.round(matrix.data))
    return matrix if whole else None


def run(code, adata, timeout=540):
    """Runs R code and returns what it puts into the list `result`, by name, as tables.

    The code finds `counts` (genes x cells, sparse; NULL if the data has none), `expr` (the same of
    log-normalised values) and `obs` (a data.frame of the cells). It fills `result` with data.frames
    or matrices. What it prints is printed; an error in it is raised here."""
    with tempfile.TemporaryDirectory() as folder:
        def write(name, lines):
            with open(os.path.join(folder, name), "w") as file:
                file.writelines(str(line) + "\n" for line in lines)

        def write_matrix(stem, matrix, genes):
            mmwrite(os.path.join(folder, stem + ".mtx"), sp.coo_matrix(matrix).T)
            write(stem + ".genes", genes)

        counts = counts_of(adata)
        if counts is not None:
            write_matrix("counts", counts, adata.var_names)
        write_matrix("expr", *troupe_sc.expression(adata))
        write("cells", adata.obs_names)
        adata.obs.to_csv(os.path.join(folder, "obs.csv"))
        write("code.R", [code])
        write("run.R", [PROLOGUE])
        done = subprocess.run(["Rscript", "--vanilla", "run.R"], cwd=folder, capture_output=True, text=True,
                              timeout=timeout)
        if done.stdout:
            print(done.stdout, end="")
        if done.returncode != 0:
            raise RuntimeError("R failed:\n" + done.stderr[-4000:])
        with open(os.path.join(folder, "results")) as file:
            names = file.read().splitlines()
        return {name: pd.read_csv(os.path.join(folder, f"result-{i}.csv"), index_col=0)
                for i, name in enumerate(names, start=1)}
