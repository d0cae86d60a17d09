# Groups are judged by how far apart they are, and by whether half of the rows gives them again.
import json, warnings
import numpy as np
import troupe_table as tt
from sklearn.metrics import adjusted_rand_score, silhouette_score
from sklearn.neighbors import KNeighborsClassifier
warnings.filterwarnings("ignore")
_groups = data["group"].astype(str)
_points = tt.matrix(data, [c for c in data.columns if c != "group"])
_apart = float(silhouette_score(_points, _groups)) if 1 < _groups.nunique() < len(data) else 0.0
_half = np.random.default_rng(0).permutation(len(data))
_a, _b = _half[:len(data) // 2], _half[len(data) // 2:]
_again = KNeighborsClassifier(5).fit(_points[_a], _groups.iloc[_a]).predict(_points[_b])
_stable = float(adjusted_rand_score(_groups.iloc[_b], _again))
print(json.dumps({"name": "group quality", "score": round(10 * (0.5 * min(1, max(0, _apart / 0.5)) + 0.5 * max(0, _stable)), 2),
                  "details": {"groups": int(_groups.nunique()), "silhouette": round(_apart, 3),
                              "stability": round(_stable, 3)}}))
