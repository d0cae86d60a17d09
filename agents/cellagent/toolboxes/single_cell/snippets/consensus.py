import troupe_sc as sc
sc.annotate(adata, adata.uns["annotation"]["groupby"], CONSENSUS)
sc.plot(adata, "cell_type")
