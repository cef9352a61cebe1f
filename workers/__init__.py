"""Workers: processes that run workflows or one kind of activities."""
