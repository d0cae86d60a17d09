import json
import pandas as pd
files = []
if isinstance(globals().get("data"), pd.DataFrame):
    table = data.copy()
    if all(name in globals() for name in ("model", "features", "target")):
        import troupe_table as tt
        predicted = tt.out_of_fold(model, data, features, target)
        table.loc[predicted.index, predicted.name] = predicted
        from sklearn.base import clone
        rows = data[data[target].notna()]
        fitted = clone(model).fit(rows[features], rows[target])
        import joblib
        joblib.dump({"model": fitted, "features": features, "target": target}, "model.joblib")
        files.append({"file": "model.joblib", "description": "The model, fitted on all rows (joblib; scikit-learn)"})
        tt.importance(model, data, features, target).to_csv("importance.csv", index=False)
        files.append({"file": "importance.csv", "description": "Permutation importance of the columns"})
    table.to_csv("table.csv", index=False)
    files.append({"file": "table.csv", "description": "The cleaned table, with groups and out-of-fold predictions where made"})
print(json.dumps({"files": files}))
