# A cleaned table is judged by what is wrong in it still: nothing repeated, constant or empty, types
# that fit, and no more rows lost than that takes.
import json
import troupe_table as tt
_before = tt.load("inputs")
_rows = len(data) / max(1, len(_before.drop_duplicates()))
_faults = int(data.duplicated().sum()) + int((data.nunique(dropna=True) <= 1).sum())
_text = sum(tt.kind_of(data[c]) == "text" for c in data.columns) / max(1, data.shape[1])
_score = 10 * max(0.0, min(1.0, _rows / 0.5)) - 2 * min(3, _faults) - 2 * _text
print(json.dumps({"name": "table quality", "score": round(max(0.0, _score), 2),
                  "details": {"rows_kept": round(_rows, 3), "repeated_or_constant": _faults,
                              "columns": int(data.shape[1])}}))
