"""Single-cell analysis with what Debian packages: numpy, scipy, pandas, anndata, scikit-learn,
igraph, leidenalg and matplotlib. Every function works on an AnnData whose X is cells x genes.

    import troupe_sc as sc
    adata = sc.load("inputs")
    sc.quality_control(adata); sc.normalize(adata); sc.highly_variable(adata)
    sc.pca(adata); sc.neighbors(adata); sc.leiden(adata, resolution=1.0); sc.embed(adata)
    markers = sc.markers(adata, "leiden")
    scores = sc.marker_overlap(markers, tissue="blood")
"""
import csv
import json
import os

import anndata
import numpy as np
import pandas as pd
import scipy.sparse as sp

HERE = os.path.dirname(os.path.abspath(__file__))


# ---------------------------------------------------------------- reading and describing

def load(folder="inputs"):
    """Reads the data set in a folder: an .h5ad file, a 10x folder or matrix.mtx with genes and
    barcodes, or a .csv/.tsv table with cells in rows (or genes in rows: told by the gene names)."""
    names = sorted(os.listdir(folder))
    for name in names:
        if name.endswith(".h5ad"):
            return anndata.read_h5ad(os.path.join(folder, name))
    if any(name.startswith("matrix.mtx") for name in names):
        return read_mtx(folder)
    for name in names:
        if name.endswith((".csv", ".tsv", ".txt")):
            table = pd.read_csv(os.path.join(folder, name), index_col=0,
                                sep="," if name.endswith(".csv") else "\t")
            if _looks_like_genes(table.index) and not _looks_like_genes(table.columns):
                table = table.T
            adata = anndata.AnnData(sp.csr_matrix(table.values.astype(np.float32)))
            adata.obs_names, adata.var_names = table.index.astype(str), table.columns.astype(str)
            return adata
    raise FileNotFoundError(f"no .h5ad, .mtx, .csv or .tsv in {folder}: {names}")


def read_mtx(folder):
    """A Matrix Market folder: matrix.mtx[.gz], genes.tsv or features.tsv[.gz], barcodes.tsv[.gz]."""
    from scipy.io import mmread

    def find(*stems):
        for stem in stems:
            for ending in ("", ".gz"):
                path = os.path.join(folder, stem + ending)
                if os.path.exists(path):
                    return path
        raise FileNotFoundError(f"{stems[0]} is missing in {folder}")

    matrix = sp.csr_matrix(mmread(find("matrix.mtx"))).T.tocsr().astype(np.float32)
    genes = pd.read_csv(find("features.tsv", "genes.tsv"), sep="\t", header=None)
    cells = pd.read_csv(find("barcodes.tsv"), sep="\t", header=None)[0].astype(str)
    adata = anndata.AnnData(matrix)
    adata.obs_names = cells.values
    adata.var_names = genes[1 if genes.shape[1] > 1 else 0].astype(str).values
    adata.var_names_make_unique()
    return adata


def _looks_like_genes(names):
    known = {"CD3D", "CD3E", "LYZ", "MS4A1", "NKG7", "ACTB", "GAPDH", "MALAT1", "B2M", "CD79A"}
    return len(known & {str(name).upper() for name in names}) >= 2


def describe(adata):
    """The data as text: shape, what X holds, and what is in obs, var, obsm, layers, uns and raw."""
    values = adata.X.data if sp.issparse(adata.X) else np.asarray(adata.X).ravel()
    values = values[:200000]
    lines = [f"AnnData: {adata.n_obs} cells x {adata.n_vars} genes",
             f"X: {'sparse' if sp.issparse(adata.X) else 'dense'}, min {values.min():.3g}, "
             f"max {values.max():.3g}, {matrix_kind(values)}"]
    if adata.raw is not None:
        raw = adata.raw.X.data if sp.issparse(adata.raw.X) else np.asarray(adata.raw.X).ravel()
        lines.append(f"raw: {adata.raw.n_vars} genes, max {raw.max():.3g}, {matrix_kind(raw[:200000])}")
    for column in adata.obs.columns:
        values = adata.obs[column]
        if values.dtype.kind in "fiu":
            lines.append(f"obs['{column}']: numbers {values.min():.4g} to {values.max():.4g}")
        else:
            counts = values.astype(str).value_counts()
            shown = ", ".join(f"{k} ({v})" for k, v in counts.head(12).items())
            lines.append(f"obs['{column}']: {len(counts)} values: {shown}")
    lines.append("var columns: " + (", ".join(map(str, adata.var.columns)) or "none"))
    lines.append("genes: " + ", ".join(map(str, adata.var_names[:12])) + ", ...")
    for part in ("obsm", "varm", "obsp", "layers", "uns"):
        keys = list(getattr(adata, part).keys())
        if keys:
            lines.append(f"{part}: " + ", ".join(map(str, keys)))
    return "\n".join(lines)


def matrix_kind(values):
    """What numbers these are: counts, log-normalised or scaled."""
    if values.min() < 0:
        return "scaled (has negative values)"
    if np.allclose(values, np.round(values)):
        return "whole numbers (counts)"
    return "not whole numbers (normalised, log scale)" if values.max() < 20 else "not whole numbers"


# ---------------------------------------------------------------- preparing

def expression(adata):
    """A dense matrix of non-negative expression on a log scale, with its gene names: X, or raw where
    X is scaled."""
    matrix, names = adata.X, adata.var_names
    sample = matrix.data if sp.issparse(matrix) else np.asarray(matrix)
    if sample.min() < 0 and adata.raw is not None:
        matrix, names = adata.raw.X, adata.raw.var_names
    return (matrix.toarray() if sp.issparse(matrix) else np.asarray(matrix)), names


def quality_control(adata, min_genes=200, max_mito=20.0, min_cells=3):
    """Adds n_genes, n_counts and percent_mito to obs and drops poor cells and rare genes. Only for
    counts; data that was normalised before is left as it is."""
    matrix = sp.csr_matrix(adata.X)
    if matrix_kind(matrix.data[:200000]) != "whole numbers (counts)":
        print("quality_control: X is not counts; no cell is dropped")
        return adata
    genes = np.asarray((matrix > 0).sum(axis=1)).ravel()
    counts = np.asarray(matrix.sum(axis=1)).ravel()
    mito = np.array([str(name).upper().startswith("MT-") for name in adata.var_names])
    share = 100 * np.asarray(matrix[:, mito].sum(axis=1)).ravel() / np.maximum(counts, 1)
    adata.obs["n_genes"], adata.obs["n_counts"], adata.obs["percent_mito"] = genes, counts, share
    limit = min(min_genes, np.quantile(genes, 0.05)) if len(genes) else min_genes
    cells = (genes >= limit) & (share <= max_mito)
    kept = np.asarray((matrix > 0).sum(axis=0)).ravel() >= min_cells
    print(f"quality_control: {cells.sum()} of {len(cells)} cells and {kept.sum()} of {len(kept)} "
          f"genes are kept (at least {limit:.0f} genes, at most {max_mito}% mitochondrial)")
    adata._inplace_subset_obs(cells)
    adata._inplace_subset_var(kept)
    return adata


def normalize(adata, target=1e4):
    """Scales every cell of counts to `target` and takes log1p; keeps counts in layers['counts']. Data
    that is not counts is left as it is."""
    matrix = sp.csr_matrix(adata.X).astype(np.float64)
    if matrix_kind(matrix.data[:200000]) != "whole numbers (counts)":
        print("normalize: X is not counts; left as it is")
        return adata
    adata.layers["counts"] = matrix.copy()
    totals = np.asarray(matrix.sum(axis=1)).ravel()
    matrix = sp.diags(target / np.maximum(totals, 1)) @ matrix
    matrix.data = np.log1p(matrix.data)
    adata.X = matrix.tocsr()
    return adata


def highly_variable(adata, n_top=2000, flavor="seurat"):
    """Marks var['highly_variable'] by normalised dispersion (flavor "seurat": dispersions binned by
    mean, z-score; "cell_ranger": bins by quantile, median and MAD). X must be log-normalised."""
    values, _ = expression(adata)
    if values.shape[1] != adata.n_vars or adata.n_vars <= n_top:
        adata.var["highly_variable"] = True
        return adata
    linear = np.expm1(values)
    mean, variance = linear.mean(axis=0), linear.var(axis=0, ddof=1)
    mean[mean == 0] = 1e-12
    dispersion = variance / mean
    if flavor == "seurat":
        dispersion[dispersion == 0] = np.nan
        frame = pd.DataFrame({"mean": np.log1p(mean), "dispersion": np.log(dispersion)})
        frame["bin"] = pd.cut(frame["mean"], bins=20)
        groups = frame.groupby("bin", observed=True)["dispersion"]
        spread = groups.transform("std").fillna(groups.transform("mean"))
        score = (frame["dispersion"] - groups.transform("mean")) / spread
    else:
        edges = np.unique(np.r_[-np.inf, np.percentile(mean, np.arange(10, 105, 5)), np.inf])
        frame = pd.DataFrame({"bin": pd.cut(mean, edges), "dispersion": dispersion})
        groups = frame.groupby("bin", observed=True)["dispersion"]
        mad = groups.transform(lambda x: np.median(np.abs(x - np.median(x))) / 0.6745)
        score = (frame["dispersion"] - groups.transform("median")) / mad.replace(0, np.nan)
    adata.var["dispersions_norm"] = score.fillna(-np.inf).values
    best = np.argsort(-adata.var["dispersions_norm"].values)[:n_top]
    chosen = np.zeros(adata.n_vars, bool)
    chosen[best] = True
    adata.var["highly_variable"] = chosen
    return adata


# ---------------------------------------------------------------- structure

def pca(adata, n_components=30, seed=0):
    """Principal components of the scaled highly variable genes, in obsm['X_pca']."""
    from sklearn.decomposition import PCA
    matrix = adata.X.toarray() if sp.issparse(adata.X) else np.asarray(adata.X)
    if "highly_variable" in adata.var and matrix.shape[1] == adata.n_vars:
        matrix = matrix[:, adata.var["highly_variable"].values.astype(bool)]
    deviation = matrix.std(axis=0)
    scaled = np.clip((matrix - matrix.mean(axis=0)) / np.where(deviation == 0, 1, deviation), -10, 10)
    count = min(n_components, min(scaled.shape) - 1)
    model = PCA(n_components=count, svd_solver="full" if scaled.shape[0] < 3000 else "randomized",
                random_state=seed)
    adata.obsm["X_pca"] = model.fit_transform(scaled)
    adata.uns["pca_variance_ratio"] = model.explained_variance_ratio_
    return adata


def combat(adata, batch):
    """Removes batch effects from X by ComBat's location-scale model without priors (linear)."""
    matrix = adata.X.toarray() if sp.issparse(adata.X) else np.asarray(adata.X).copy()
    groups = adata.obs[batch].astype(str).values
    mean, deviation = matrix.mean(axis=0), matrix.std(axis=0) + 1e-8
    for group in np.unique(groups):
        rows = groups == group
        centered = matrix[rows] - matrix[rows].mean(axis=0)
        matrix[rows] = centered / (matrix[rows].std(axis=0) + 1e-8) * deviation + mean
    adata.X = matrix
    return adata


def harmony(adata, batch, clusters=20, rounds=10, seed=0):
    """Harmony's idea in a few lines: cluster the components, and move every batch's mean within a
    cluster to the cluster's mean. Writes obsm['X_pca'] (the old one to obsm['X_pca_before'])."""
    from sklearn.cluster import KMeans
    points = adata.obsm["X_pca"].copy()
    adata.obsm["X_pca_before"] = adata.obsm["X_pca"].copy()
    groups = adata.obs[batch].astype(str).values
    for _ in range(rounds):
        model = KMeans(n_clusters=min(clusters, len(points) // 10 + 1), n_init=3,
                       random_state=seed).fit(points)
        for cluster in range(model.n_clusters):
            inside = model.labels_ == cluster
            for group in np.unique(groups):
                rows = inside & (groups == group)
                if rows.sum() >= 5:
                    points[rows] += points[inside].mean(axis=0) - points[rows].mean(axis=0)
    adata.obsm["X_pca"] = points
    return adata


def neighbors(adata, n_neighbors=15, use="X_pca", n_components=None):
    """A graph of shared nearest neighbours in obsp['connectivities'] (Jaccard weights)."""
    from sklearn.neighbors import NearestNeighbors
    points = adata.obsm[use][:, :n_components]
    k = min(n_neighbors, len(points) - 1)
    index = NearestNeighbors(n_neighbors=k + 1).fit(points).kneighbors(points, return_distance=False)
    rows = np.repeat(np.arange(len(points)), k + 1)
    member = sp.csr_matrix((np.ones(index.size), (rows, index.ravel())),
                           shape=(len(points), len(points)))
    shared = (member @ member.T).tocoo()
    weight = shared.data / (2 * (k + 1) - shared.data)
    keep = (weight > 1 / 15) & (shared.row != shared.col)
    adata.obsp["connectivities"] = sp.csr_matrix(
        (weight[keep], (shared.row[keep], shared.col[keep])), shape=shared.shape)
    return adata


def leiden(adata, resolution=1.0, key="leiden", seed=0):
    """Leiden clusters of the neighbour graph, in obs[key] as text, largest first."""
    import igraph
    import leidenalg
    upper = sp.triu(adata.obsp["connectivities"]).tocoo()
    graph = igraph.Graph(n=adata.n_obs, edges=list(zip(upper.row.tolist(), upper.col.tolist())))
    part = leidenalg.find_partition(graph, leidenalg.RBConfigurationVertexPartition,
                                    weights=upper.data.tolist(), resolution_parameter=resolution,
                                    n_iterations=10, seed=seed)
    order = pd.Series(part.membership).value_counts().index.tolist()
    names = {old: str(new) for new, old in enumerate(order)}
    adata.obs[key] = pd.Categorical([names[m] for m in part.membership])
    print(f"leiden(resolution={resolution}): {len(order)} clusters, sizes "
          f"{adata.obs[key].value_counts().tolist()}")
    return adata


def embed(adata, use="X_pca", seed=0):
    """Two dimensions for plots, in obsm['X_umap']: UMAP where it is installed, else t-SNE."""
    try:
        from umap import UMAP
        adata.obsm["X_umap"] = UMAP(random_state=seed).fit_transform(adata.obsm[use])
    except ImportError:
        from sklearn.manifold import TSNE
        points = adata.obsm[use][:, :30]
        adata.obsm["X_umap"] = TSNE(perplexity=min(30, max(5, len(points) // 10)), init="pca",
                                    learning_rate="auto", random_state=seed).fit_transform(points)
    return adata


def silhouette(adata, key, use="X_pca"):
    """Mean silhouette width of the groups on the components, -1 to 1."""
    from sklearn.metrics import silhouette_score
    groups = adata.obs[key].astype(str)
    if groups.nunique() < 2:
        return 0.0
    return float(silhouette_score(adata.obsm[use][:, :20], groups))


# ---------------------------------------------------------------- markers and annotation

def markers(adata, groupby, n_genes=25):
    """Genes that mark each group against all other cells, by Wilcoxon's rank-sum test with ties and
    Benjamini-Hochberg correction. A table: group, gene, score (z), logfoldchange (log2),
    pct_in, pct_out, padj; sorted, best first within each group."""
    from scipy.stats import norm, rankdata
    values, names = expression(adata)
    ranks = rankdata(values, axis=0)
    total = len(values)
    ties = np.array([(np.unique(column, return_counts=True)[1] ** 3.0).sum() - total
                     for column in values.T])
    linear = np.expm1(values)
    groups = adata.obs[groupby].astype(str).values
    rows = []
    for group in sorted(np.unique(groups), key=lambda g: (len(g), g)):
        inside = groups == group
        n, m = inside.sum(), (~inside).sum()
        if n < 2 or m < 2:
            continue
        spread = np.sqrt(n * m / 12 * (total + 1 - ties / (total * (total - 1))))
        z = (ranks[inside].sum(axis=0) - n * (total + 1) / 2) / np.maximum(spread, 1e-12)
        p = 2 * norm.sf(np.abs(z))
        order = np.argsort(p)
        adjusted = np.minimum.accumulate((p[order] * len(p) / np.arange(1, len(p) + 1))[::-1])[::-1]
        padj = np.empty_like(p)
        padj[order] = np.minimum(adjusted, 1)
        change = np.log2((linear[inside].mean(axis=0) + 1e-9) / (linear[~inside].mean(axis=0) + 1e-9))
        for gene in np.argsort(-z)[:n_genes]:
            rows.append((group, str(names[gene]), z[gene], change[gene],
                         (values[inside, gene] > 0).mean(), (values[~inside, gene] > 0).mean(),
                         padj[gene]))
    return pd.DataFrame(rows, columns=["group", "gene", "score", "logfoldchange", "pct_in", "pct_out",
                                       "padj"])


def marker_table(tissue="blood"):
    """Known markers of cell types: {type: {"parent": coarse type, "genes": [...]}}."""
    with open(os.path.join(HERE, "markers.tsv")) as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return {row["type"]: {"parent": row["parent"], "genes": row["genes"].split()}
            for row in rows if tissue in (None, "", row["tissue"])}


def marker_overlap(table, tissue="blood", n_genes=25, universe=None):
    """How well each group's markers fit each known type: hypergeometric test of the overlap, BH
    adjusted within a group. A table: group, type, parent, overlap, genes, padj; best first."""
    from scipy.stats import hypergeom
    known = marker_table(tissue)
    rows = []
    for group, part in table.groupby("group", sort=False):
        top = part[(part["padj"] < 0.05) & (part["logfoldchange"] > 0)].head(n_genes)["gene"].tolist()
        total = universe or 20000
        found = []
        for name, entry in known.items():
            shared = [gene for gene in top if gene in set(entry["genes"])]
            p = hypergeom.sf(len(shared) - 1, total, len(entry["genes"]), max(len(top), 1))
            found.append((group, name, entry["parent"], len(shared), " ".join(shared), p))
        found.sort(key=lambda row: row[5])
        worst = 1.0
        for rank in range(len(found), 0, -1):
            worst = min(worst, found[rank - 1][5] * len(found) / rank)
            found[rank - 1] = found[rank - 1][:5] + (worst,)
        rows += found
    return pd.DataFrame(rows, columns=["group", "type", "parent", "overlap", "genes", "padj"])


def signature_scores(adata, tissue="blood", groupby=None):
    """Mean z-score of each known type's genes that are in the data, per cell; with `groupby`, the
    mean of each group (groups x types)."""
    values, names = expression(adata)
    deviation = values.std(axis=0)
    z = (values - values.mean(axis=0)) / np.where(deviation == 0, 1, deviation)
    where = {str(name): i for i, name in enumerate(names)}
    scores = {}
    for name, entry in marker_table(tissue).items():
        columns = [where[gene] for gene in entry["genes"] if gene in where]
        if columns:
            scores[name] = z[:, columns].mean(axis=1)
    frame = pd.DataFrame(scores, index=adata.obs_names)
    return frame if groupby is None else frame.groupby(adata.obs[groupby].astype(str).values).mean()


def gene_means(adata, genes, groupby):
    """Mean log expression of genes in each group (genes x groups); genes not in the data left out."""
    values, names = expression(adata)
    where = {str(name): i for i, name in enumerate(names)}
    present = [gene for gene in genes if gene in where]
    frame = pd.DataFrame(values[:, [where[gene] for gene in present]], columns=present)
    return frame.groupby(adata.obs[groupby].astype(str).values).mean().T.round(2)


def annotate(adata, groupby, labels, key="cell_type"):
    """Writes a label for each cell by its group, and remembers which groups were labelled. Every
    group needs a label."""
    missing = sorted(set(adata.obs[groupby].astype(str)) - {str(group) for group in labels})
    if missing:
        raise ValueError(f"groups without a label: {missing}")
    mapping = {str(group): str(label) for group, label in labels.items()}
    adata.obs[key] = pd.Categorical(adata.obs[groupby].astype(str).map(mapping))
    adata.uns["annotation"] = {"groupby": groupby, "key": key,
                               "labels": json.dumps(mapping, sort_keys=True)}
    print(adata.obs[key].value_counts().to_string())
    return adata


def pseudotime(adata, root, n_components=10):
    """Diffusion pseudotime from the cell `root` (a name or a number), 0 to 1, in obs['pseudotime']."""
    graph = adata.obsp["connectivities"] + sp.eye(adata.n_obs) * 1e-3
    degree = np.asarray(graph.sum(axis=1)).ravel()
    normed = sp.diags(1 / np.sqrt(degree)) @ graph @ sp.diags(1 / np.sqrt(degree))
    count = min(n_components + 1, adata.n_obs - 1)
    values, vectors = np.linalg.eigh(normed.toarray()) if adata.n_obs < 3000 else \
        sp.linalg.eigsh(normed, k=count)
    order = np.argsort(-values)[1:count]
    weights = values[order] / (1 - np.clip(values[order], None, 0.9999))
    start = adata.obs_names.get_loc(root) if isinstance(root, str) else int(root)
    difference = (vectors[:, order] - vectors[start, order]) * weights
    distance = np.sqrt((difference ** 2).sum(axis=1))
    adata.obs["pseudotime"] = distance / distance.max()
    return adata


# ---------------------------------------------------------------- plots

def plot(adata, colors, use="X_umap", size=None):
    """Scatter plots of the embedding, one for each column of obs or gene in `colors`."""
    import matplotlib.pyplot as plt
    colors = [colors] if isinstance(colors, str) else list(colors)
    points = adata.obsm[use]
    fig, axes = plt.subplots(1, len(colors), figsize=(5.2 * len(colors), 4.4), squeeze=False)
    values, names = expression(adata)
    where = {str(name): i for i, name in enumerate(names)}
    for axis, color in zip(axes[0], colors):
        if color in adata.obs and adata.obs[color].dtype.kind not in "fiu":
            for i, group in enumerate(sorted(adata.obs[color].astype(str).unique())):
                rows = (adata.obs[color].astype(str) == group).values
                axis.scatter(points[rows, 0], points[rows, 1], s=size or 8, label=group,
                             color=plt.cm.tab20(i % 20))
            axis.legend(fontsize=7, markerscale=2, loc="center left", bbox_to_anchor=(1, 0.5))
        else:
            shade = adata.obs[color].values if color in adata.obs else values[:, where[color]]
            fig.colorbar(axis.scatter(points[:, 0], points[:, 1], s=size or 8, c=shade), ax=axis)
        axis.set_title(color)
        axis.set_xticks([])
        axis.set_yticks([])
    fig.tight_layout()
    plt.show()


def dotplot(adata, genes, groupby):
    """Share of cells that express (size) and mean expression (colour) of genes in groups."""
    import matplotlib.pyplot as plt
    values, names = expression(adata)
    where = {str(name): i for i, name in enumerate(names)}
    genes = [gene for gene in dict.fromkeys(genes) if gene in where]
    groups = sorted(adata.obs[groupby].astype(str).unique(), key=lambda g: (len(g), g))
    labels = adata.obs[groupby].astype(str).values
    fig, axis = plt.subplots(figsize=(0.32 * len(genes) + 2.5, 0.32 * len(groups) + 1.5))
    for y, group in enumerate(groups):
        part = values[labels == group][:, [where[gene] for gene in genes]]
        shade = part.mean(axis=0)
        image = axis.scatter(range(len(genes)), [y] * len(genes), s=120 * (part > 0).mean(axis=0),
                             c=shade, cmap="Reds", vmin=0, vmax=max(values.max() / 2, 1))
    axis.set_xticks(range(len(genes)))
    axis.set_xticklabels(genes, rotation=90, fontsize=8)
    axis.set_yticks(range(len(groups)))
    axis.set_yticklabels(groups, fontsize=8)
    fig.colorbar(image, ax=axis, label="mean log expression")
    fig.tight_layout()
    plt.show()
