import json
total = globals().get("total")
open("total.txt", "w").write(str(total))
print(json.dumps({"files": [{"file": "total.txt", "description": "What was summed up"}]}))
