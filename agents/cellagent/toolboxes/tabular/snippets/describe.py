import troupe_table as tt
print(tt.describe(tt.load("inputs")))
