# Labels are judged without the truth: does each labelled group express what is known of such cells?
import json, warnings
import numpy as np
import troupe_sc as sc
warnings.filterwarnings("ignore")
_table = sc.markers(adata, "cell_type", n_genes=30)
_groups = adata.obs["cell_type"].astype(str)
_strong = _table[(_table["padj"] < 0.01) & (_table["logfoldchange"] > 0.5)].groupby("group").size()
_marked = float(np.mean([_strong.get(g, 0) >= 5 for g in _groups.unique()]))
_scores = sc.signature_scores(adata, tissue=None, groupby="cell_type")
_clear = float(np.mean([(np.sort(row)[-1] - np.sort(row)[-3]) > 0.1 for row in _scores.values]))
_named = float((_groups.str.lower() != "unknown").mean())
_score = 10 * _named * (0.6 * _marked + 0.4 * _clear)
print(json.dumps({"name": "label support", "score": round(_score, 2),
                  "details": {"types": int(_groups.nunique()), "types_with_markers": round(_marked, 2),
                              "types_with_a_clear_signature": round(_clear, 2),
                              "cells_named": round(_named, 3)}}))
