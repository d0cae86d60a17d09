import troupe_sc as sc
print(sc.describe(sc.load("inputs")))
