import json, os
import pandas as pd
files = []
if "adata" in globals():
    table = adata.obs.copy()
    table.to_csv("labels.csv")
    files.append({"file": "labels.csv", "description": "Every cell with its labels and figures"})
    saved = adata.copy()
    for key in list(saved.uns):
        if not isinstance(saved.uns[key], (str, int, float, dict)):
            del saved.uns[key]
    saved.write_h5ad("result.h5ad")
    files.append({"file": "result.h5ad", "description": "The data with all results"})
if "markers" in globals() and isinstance(markers, pd.DataFrame):
    markers.to_csv("markers.csv", index=False)
    files.append({"file": "markers.csv", "description": "Genes that mark the clusters"})
print(json.dumps({"files": files}))
