# Writes the counts of pbmc_small, which comes with Debian's r-cran-seuratobject, as a Matrix Market
# folder: 80 peripheral blood mononuclear cells, 230 genes, without any labels.
#   Rscript export_pbmc_small.R FOLDER
folder <- commandArgs(trailingOnly = TRUE)[1]
suppressPackageStartupMessages(library(SeuratObject))
data("pbmc_small", package = "SeuratObject")
counts <- GetAssayData(pbmc_small, slot = "counts")
dir.create(folder, recursive = TRUE, showWarnings = FALSE)
invisible(Matrix::writeMM(counts, file.path(folder, "matrix.mtx")))
write.table(data.frame(rownames(counts), rownames(counts)), file.path(folder, "genes.tsv"),
            sep = "\t", quote = FALSE, row.names = FALSE, col.names = FALSE)
writeLines(colnames(counts), file.path(folder, "barcodes.tsv"))
