# Batch mixing among neighbours (entropy against what is expected), and structure that is kept.
import json, warnings
import numpy as np
import troupe_sc as sc
from sklearn.neighbors import NearestNeighbors
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score
warnings.filterwarnings("ignore")
_column = next((c for c in ("batch", "donor", "sample", "patient") if c in adata.obs), None)
if _column is None or "X_pca" not in adata.obsm:
    print(json.dumps({"name": "batch mixing", "score": 0, "details": {"error": "no batch column or components"}}))
else:
    _batches = adata.obs[_column].astype(str).values
    _points = adata.obsm["X_pca"][:, :20]
    _near = NearestNeighbors(n_neighbors=min(30, len(_points) - 1)).fit(_points).kneighbors(return_distance=False)
    _names, _counts = np.unique(_batches, return_counts=True)
    _share = np.array([[(_batches[row] == n).mean() for n in _names] for row in _near])
    _entropy = -(_share * np.log(np.where(_share > 0, _share, 1))).sum(axis=1).mean()
    _expected = -(_counts / _counts.sum() * np.log(_counts / _counts.sum())).sum()
    _mixing = float(np.clip(_entropy / max(_expected, 1e-9), 0, 1))
    _labels = KMeans(n_clusters=8, n_init=3, random_state=0).fit_predict(_points)
    _kept = float(np.clip(silhouette_score(_points, _labels) / 0.3, 0, 1))
    print(json.dumps({"name": "batch mixing", "score": round(10 * (0.4 * _mixing + 0.6 * _kept), 2),
                      "details": {"mixing": round(_mixing, 3), "structure": round(_kept, 3)}}))
