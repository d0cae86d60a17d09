# Clusters are judged without labels: are they marked by genes of their own, are they apart, are they
# of a sensible size?
import json, warnings
import numpy as np
import troupe_sc as sc
warnings.filterwarnings("ignore")
_sizes = adata.obs["leiden"].value_counts()
_table = sc.markers(adata, "leiden", n_genes=50)
_strong = _table[(_table["padj"] < 0.01) & (_table["logfoldchange"] > 0.8)].groupby("group").size()
_marked = float(np.mean([_strong.get(g, 0) >= 5 for g in _sizes.index.astype(str)]))
_apart = sc.silhouette(adata, "leiden")
_sane = float(np.mean(_sizes >= 8)) * (1.0 if 2 <= len(_sizes) <= 60 else 0.3)
_score = 10 * (0.5 * _marked + 0.25 * min(1, max(0, _apart / 0.25)) + 0.25 * _sane)
print(json.dumps({"name": "cluster quality", "score": round(_score, 2),
                  "details": {"clusters": int(len(_sizes)), "clusters_with_markers": round(_marked, 2),
                              "silhouette": round(_apart, 3), "clusters_of_8_or_more": round(_sane, 2)}}))
