"""Analysis of tables with what Debian packages: numpy, scipy, pandas, scikit-learn and matplotlib.
Conventions that the steps share: `data` is the table (one row an observation); after modelling,
`target` is the name of the predicted column, `features` the list of columns it is predicted from,
and `model` an estimator that takes `data[features]` as it is (a pipeline with its own imputation
and encoding).

    import troupe_table as tt
    data = tt.load("inputs")
    print(tt.describe(data))
    data = tt.clean(data)
    print(tt.associations(data, "price"))
    model = tt.pipeline(data, features, target, "forest")
    print(tt.cross_validate(model, data, features, target))
"""
import os

import numpy as np
import pandas as pd

# What is read as "no value" beside pandas' own list.
MISSING = ["?", "-", "--", ".", "missing", "unknown", "Unknown"]


# ---------------------------------------------------------------- reading and describing

def load(folder="inputs"):
    """Reads the one table in a folder (.csv, .tsv, .txt, .json, .jsonl, .parquet, or the largest
    table of a SQLite file); with several, `read` reads one by its name."""
    names = [name for name in sorted(os.listdir(folder)) if _ending(name) in READERS]
    if not names:
        raise FileNotFoundError(f"no table in {folder}: {sorted(os.listdir(folder))}")
    if len(names) > 1:
        print(f"{len(names)} tables are there: {names}; read the first. read(name) reads another.")
    return read(os.path.join(folder, names[0]))


def read(path):
    """Reads one table; columns of text that hold numbers or dates for the most part become such."""
    table = READERS[_ending(path)](path)
    table.columns = [str(column).strip() for column in table.columns]
    return _typed(table)


def _ending(path):
    return os.path.splitext(path)[1].lower()


def _read_text(path):
    return pd.read_csv(path, sep=None, engine="python", na_values=MISSING)


def _read_sqlite(path):
    import sqlite3
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        tables = [row[0] for row in database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")]
        quoted = ['"' + name.replace('"', '""') + '"' for name in tables]
        if not quoted:
            raise ValueError(f"{path} holds no table")
        sizes = [database.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in quoted]
        return pd.read_sql_query(f"SELECT * FROM {quoted[int(np.argmax(sizes))]}", database)


READERS = {".csv": _read_text, ".tsv": _read_text, ".txt": _read_text,
           ".json": pd.read_json, ".jsonl": lambda path: pd.read_json(path, lines=True),
           ".parquet": pd.read_parquet, ".db": _read_sqlite, ".sqlite": _read_sqlite}


def _typed(table):
    for column in table.select_dtypes("object"):
        values = table[column].dropna()
        if values.empty or not values.map(lambda value: isinstance(value, str)).all():
            continue
        numbers = pd.to_numeric(values, errors="coerce")
        if numbers.notna().mean() > 0.95:
            table[column] = pd.to_numeric(table[column], errors="coerce")
            continue
        if values.str.contains(r"\d{4}-\d|\d/\d").mean() > 0.95:
            dates = pd.to_datetime(values, errors="coerce")
            if dates.notna().mean() > 0.95:
                table[column] = pd.to_datetime(table[column], errors="coerce")
    return table


def kind_of(values):
    """"number", "category", "date", "text" or "constant"."""
    distinct = values.nunique(dropna=True)
    if distinct <= 1:
        return "constant"
    if pd.api.types.is_datetime64_any_dtype(values):
        return "date"
    if pd.api.types.is_bool_dtype(values):
        return "category"
    if pd.api.types.is_numeric_dtype(values):
        return "number"
    return "category" if distinct <= max(20, 0.05 * len(values)) else "text"


def describe(table, most=60):
    """The table as text: its size, what each column holds, what is missing, repeated or odd."""
    lines = [f"{len(table)} rows x {table.shape[1]} columns; "
             f"{int(table.duplicated().sum())} rows repeat another; "
             f"{int(table.isna().any(axis=1).sum())} rows lack a value"]
    for column in table.columns[:most]:
        lines.append(_describe_column(column, table[column]))
    if table.shape[1] > most:
        lines.append(f"... and {table.shape[1] - most} more columns")
    lines.append("first rows:")
    lines.append(table.iloc[:5, :12].to_string())
    return "\n".join(lines)


def _describe_column(name, values):
    kind, lacking = kind_of(values), int(values.isna().sum())
    text = f"- {name}: {kind}, {values.nunique()} distinct"
    if lacking:
        text += f", {lacking} missing ({100 * lacking / len(values):.0f} %)"
    known = values.dropna()
    if kind == "number":
        low, high = known.quantile([0.25, 0.75])
        far = int(((known < low - 3 * (high - low)) | (known > high + 3 * (high - low))).sum())
        text += (f"; {known.min():.4g} to {known.max():.4g}, median {known.median():.4g}, "
                 f"mean {known.mean():.4g}, skew {known.skew():.1f}")
        text += f", {far} far out" if far else ""
    elif kind == "date":
        text += f"; {known.min()} to {known.max()}"
    elif len(known):
        common = known.astype(str).value_counts().head(6)
        text += "; " + ", ".join(f"{str(key)[:40]!r} x{count}" for key, count in common.items())
    return text


# ---------------------------------------------------------------- cleaning

def clean(table, target=None, most_missing=0.6):
    """A copy without repeated rows, constant columns, columns that lack more than a share of their
    values, and (with a target) rows that lack it; text is stripped. Prints what was done. Single
    missing values stay: a model's pipeline fills them from its training rows alone."""
    result = table.copy()
    for column in result.select_dtypes("object"):
        result[column] = result[column].map(lambda v: v.strip() if isinstance(v, str) else v)
        result[column] = result[column].replace("", np.nan)
    rows = len(result)
    result = result.drop_duplicates()
    if len(result) < rows:
        print(f"dropped {rows - len(result)} repeated rows")
    if target is not None:
        rows = len(result)
        result = result[result[target].notna()]
        if len(result) < rows:
            print(f"dropped {rows - len(result)} rows without {target}")
    for column in list(result.columns):
        if column == target:
            continue
        if result[column].nunique(dropna=True) <= 1:
            print(f"dropped {column}: constant")
            del result[column]
        elif result[column].isna().mean() > most_missing:
            print(f"dropped {column}: {100 * result[column].isna().mean():.0f} % missing")
            del result[column]
    return result.reset_index(drop=True)


# ---------------------------------------------------------------- exploring

def associations(table, target, columns=None):
    """How each column goes with the target, strongest first. Columns of the result: column,
    measure, value (0 to 1, or -1 to 1 for rank correlation), n, p and p_adjusted
    (Benjamini-Hochberg over the columns). Numbers: Spearman's correlation; number and category:
    the share of rank variance explained (Kruskal-Wallis epsilon squared); two categories:
    Cramer's V."""
    rows = []
    for column in columns or [c for c in table.columns if c != target]:
        pair = table[[column, target]].dropna()
        kinds = {kind_of(pair[column]), kind_of(pair[target])}
        if len(pair) < 5 or kinds & {"constant", "text", "date"}:
            continue
        rows.append((column, *_association(pair[column], pair[target]), len(pair)))
    result = pd.DataFrame(rows, columns=["column", "measure", "value", "p", "n"])
    result["p_adjusted"] = adjust(result["p"].values)
    order = result["value"].abs().sort_values(ascending=False).index
    return result.loc[order, ["column", "measure", "value", "n", "p", "p_adjusted"]].reset_index(drop=True)


def _association(left, right):
    from scipy import stats
    numbers = [kind_of(values) == "number" for values in (left, right)]
    if all(numbers):
        value, p = stats.spearmanr(left, right)
        return "spearman", float(value), float(p)
    if not any(numbers):
        counts = pd.crosstab(left, right)
        chi2, p, _, _ = stats.chi2_contingency(counts)
        return "cramer_v", float(np.sqrt(chi2 / counts.values.sum() / max(1, min(counts.shape) - 1))), float(p)
    values, groups = (left, right) if numbers[0] else (right, left)
    parts = [part.values for _, part in values.groupby(groups.astype(str)) if len(part) > 1]
    if len(parts) < 2:
        return "epsilon_squared", 0.0, 1.0
    h, p = stats.kruskal(*parts)
    return "epsilon_squared", float(h / max(1, sum(map(len, parts)) - 1)), float(p)


def adjust(p):
    """Benjamini-Hochberg: the false discovery rate at which each of the p-values is significant."""
    p = np.asarray(p, dtype=float)
    order = np.argsort(p)[::-1]
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum.accumulate(p[order] * len(p) / np.arange(len(p), 0, -1))
    return np.minimum(adjusted, 1)


def interval(values, statistic=np.mean, level=0.95, rounds=2000, seed=0):
    """A bootstrap percentile interval of a statistic: (estimate, low, high)."""
    values = np.asarray(pd.Series(values).dropna())
    generator = np.random.default_rng(seed)
    draws = [statistic(generator.choice(values, len(values))) for _ in range(rounds)]
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(statistic(values)), float(low), float(high)


# ---------------------------------------------------------------- modelling

def is_regression(table, target):
    return kind_of(table[target]) == "number" and table[target].nunique() > 10


def pipeline(table, features, target, method="forest", **parameters):
    """An unfitted pipeline: imputation, scaling and one-hot encoding, then a model. method: "dummy",
    "linear" (ridge or logistic regression), "forest", "boosting", "neighbors" or "svm"; parameters
    go to the model."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler
    numbers = [c for c in features if kind_of(table[c]) == "number"]
    categories = [c for c in features if kind_of(table[c]) == "category"]
    left_out = sorted(set(features) - set(numbers) - set(categories))
    if left_out:
        print(f"left out (dates, free text or constants; derive numbers from them): {left_out}")
    prepare = ColumnTransformer([
        ("numbers", Pipeline([("impute", SimpleImputer(strategy="median", add_indicator=True)),
                              ("scale", StandardScaler())]), numbers),
        ("categories", Pipeline([("impute", SimpleImputer(strategy="most_frequent")),
                                 ("encode", OneHotEncoder(handle_unknown="ignore"))]), categories)])
    return Pipeline([("prepare", prepare),
                     ("model", _model(method, is_regression(table, target), parameters))])


def _model(method, regression, parameters):
    from sklearn import dummy, ensemble, linear_model, neighbors, svm
    choices = {
        "dummy": (dummy.DummyRegressor, dummy.DummyClassifier, {}, {"strategy": "prior"}),
        "linear": (linear_model.RidgeCV, linear_model.LogisticRegression,
                   {"alphas": np.logspace(-3, 3, 13)}, {"max_iter": 5000}),
        "forest": (ensemble.RandomForestRegressor, ensemble.RandomForestClassifier,
                   {"n_estimators": 300, "random_state": 0}, {"n_estimators": 300, "random_state": 0}),
        "boosting": (ensemble.GradientBoostingRegressor, ensemble.GradientBoostingClassifier,
                     {"random_state": 0}, {"random_state": 0}),
        "neighbors": (neighbors.KNeighborsRegressor, neighbors.KNeighborsClassifier, {}, {}),
        "svm": (svm.SVR, svm.SVC, {"C": 10}, {"C": 1}),
    }
    if method not in choices:
        raise ValueError(f"method {method!r}: {', '.join(choices)} exist")
    regressor, classifier, for_regressor, for_classifier = choices[method]
    if regression:
        return regressor(**{**for_regressor, **parameters})
    return classifier(**{**for_classifier, **parameters})


def cross_validate(model, table, features, target, folds=5, repeats=3, groups=None):
    """Repeated cross-validation: a table with one row a measure (mean, sd over the folds). R2, MAE
    and RMSE for a number; balanced accuracy, accuracy and macro F1 for a class. groups: a column
    whose rows must stay together (patients, sites); then one round."""
    from sklearn import model_selection as ms
    regression = is_regression(table, target)
    rows = table[table[target].notna()]
    y = rows[target] if regression else rows[target].astype(str)
    if not regression:
        folds = max(2, min(folds, int(y.value_counts().min())))
    if groups is not None:
        split = ms.GroupKFold(folds)
    elif regression:
        split = ms.RepeatedKFold(n_splits=folds, n_repeats=repeats, random_state=0)
    else:
        split = ms.RepeatedStratifiedKFold(n_splits=folds, n_repeats=repeats, random_state=0)
    measures = {"R2": "r2", "MAE": "neg_mean_absolute_error", "RMSE": "neg_root_mean_squared_error"} \
        if regression else {"balanced_accuracy": "balanced_accuracy", "accuracy": "accuracy", "F1": "f1_macro"}
    scores = ms.cross_validate(model, rows[features], y, cv=split, scoring=measures, error_score="raise",
                               groups=None if groups is None else rows[groups])
    return pd.DataFrame([{"measure": name, "mean": np.abs(scores[f"test_{name}"].mean())
                          if measure.startswith("neg") else scores[f"test_{name}"].mean(),
                          "sd": scores[f"test_{name}"].std()} for name, measure in measures.items()])


def compare(models, table, features, target, **options):
    """Cross-validates several models ({name: estimator}) on the same folds: one row a model."""
    rows = {}
    for name, model in models.items():
        scores = cross_validate(model, table, features, target, **options).set_index("measure")
        rows[name] = {f"{measure} {part}": scores.loc[measure, part]
                      for measure in scores.index for part in ("mean", "sd")}
    result = pd.DataFrame(rows).T
    return result.sort_values(result.columns[0], ascending=False)


def importance(model, table, features, target, repeats=10):
    """Permutation importance on held-out rows (a quarter): by how much the score (R2, or balanced
    accuracy) falls when a column is shuffled. Columns: column, importance, sd."""
    from sklearn.base import clone
    from sklearn.inspection import permutation_importance
    from sklearn.model_selection import train_test_split
    regression = is_regression(table, target)
    rows = table[table[target].notna()]
    y = rows[target] if regression else rows[target].astype(str)
    train_x, test_x, train_y, test_y = train_test_split(
        rows[features], y, test_size=0.25, random_state=0, stratify=None if regression else y)
    fitted = clone(model).fit(train_x, train_y)
    found = permutation_importance(fitted, test_x, test_y, n_repeats=repeats, random_state=0,
                                   scoring="r2" if regression else "balanced_accuracy")
    return pd.DataFrame({"column": features, "importance": found.importances_mean,
                         "sd": found.importances_std}).sort_values(
        "importance", ascending=False, ignore_index=True)


def out_of_fold(model, table, features, target, folds=5):
    """Predictions for every row with a target by a model that has not seen it: a Series."""
    from sklearn import model_selection as ms
    regression = is_regression(table, target)
    rows = table[table[target].notna()]
    y = rows[target] if regression else rows[target].astype(str)
    split = (ms.KFold if regression else ms.StratifiedKFold)(folds, shuffle=True, random_state=0)
    return pd.Series(ms.cross_val_predict(model, rows[features], y, cv=split), index=rows.index,
                     name=f"predicted_{target}")


# ---------------------------------------------------------------- grouping and plots

def matrix(table, columns=None):
    """Columns as a matrix for distances: numbers scaled with missing values at the median,
    categories one-hot."""
    from sklearn.preprocessing import StandardScaler
    parts = []
    for column in columns or table.columns:
        kind = kind_of(table[column])
        if kind == "number":
            values = table[column].fillna(table[column].median())
            parts.append(StandardScaler().fit_transform(values.values.reshape(-1, 1)))
        elif kind == "category":
            parts.append(pd.get_dummies(table[column].astype(str)).values.astype(float))
    if not parts:
        raise ValueError("no number or category among the columns")
    return np.hstack(parts)


def plot_target(table, target, columns):
    """The target against each of some columns: points for numbers, boxes for categories."""
    import matplotlib.pyplot as plt
    wide = min(3, len(columns))
    high = (len(columns) + wide - 1) // wide
    figure, axes = plt.subplots(high, wide, figsize=(4 * wide, 3 * high), squeeze=False)
    for axis, column in zip(axes.flat, columns):
        pair = table[[column, target]].dropna()
        numbers = [kind_of(pair[c]) == "number" for c in (column, target)]
        if all(numbers):
            axis.scatter(pair[column], pair[target], s=10, alpha=0.6)
            axis.set_ylabel(target)
        elif any(numbers):
            value, group = (target, column) if numbers[1] else (column, target)
            parts = dict(list(pair.groupby(pair[group].astype(str))[value]))
            axis.boxplot(list(parts.values()), labels=[str(k)[:12] for k in parts])
            axis.set_ylabel(value)
        else:
            pd.crosstab(pair[column], pair[target], normalize="index").plot.bar(stacked=True, ax=axis)
        axis.set_xlabel(column)
    for axis in list(axes.flat)[len(columns):]:
        axis.set_visible(False)
    figure.tight_layout()
    plt.show()


def plot_predictions(actual, predicted):
    """Predicted against actual values, or the confusion table of classes."""
    import matplotlib.pyplot as plt
    figure, axis = plt.subplots(figsize=(4.5, 4))
    if pd.api.types.is_numeric_dtype(predicted):
        axis.scatter(actual, predicted, s=12, alpha=0.6)
        ends = [min(actual.min(), predicted.min()), max(actual.max(), predicted.max())]
        axis.plot(ends, ends, color="grey", linewidth=1)
        axis.set_xlabel("actual")
        axis.set_ylabel("predicted, unseen rows")
    else:
        counts = pd.crosstab(actual.astype(str), predicted.astype(str))
        axis.imshow(counts.values, cmap="Blues")
        for (row, column), count in np.ndenumerate(counts.values):
            axis.text(column, row, str(count), ha="center", va="center")
        axis.set_xticks(range(counts.shape[1]), counts.columns, rotation=45, ha="right")
        axis.set_yticks(range(counts.shape[0]), counts.index)
        axis.set_xlabel("predicted, unseen rows")
        axis.set_ylabel("actual")
    figure.tight_layout()
    plt.show()
