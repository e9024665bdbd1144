def stale(): return []
