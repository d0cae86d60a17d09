print("There is no data.")
