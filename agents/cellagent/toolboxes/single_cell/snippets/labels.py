import json
_note = adata.uns["annotation"]
_labels = json.loads(_note["labels"])
_groups = adata.obs[_note["groupby"]].astype(str)
_table = sc.markers(adata, _note["groupby"], n_genes=10) if "sc" in globals() else None
for _g in sorted(_labels, key=lambda g: (len(g), g)):
    _top = "" if _table is None else " ".join(_table[_table["group"] == _g]["gene"])
    print(f"group {_g} ({(_groups == _g).sum()} cells): {_labels[_g]}; best genes: {_top}")
