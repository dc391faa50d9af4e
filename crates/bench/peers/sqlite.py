"""Durable inserts a second in SQLite: WAL, synchronous=FULL, one a transaction.

python3 sqlite.py FILE SECONDS
"""

import sqlite3
import sys
import time

path, seconds = sys.argv[1], float(sys.argv[2])
db = sqlite3.connect(path, isolation_level=None)
db.execute("PRAGMA journal_mode=WAL")
db.execute("PRAGMA synchronous=FULL")
db.execute("CREATE TABLE IF NOT EXISTS posts (id INTEGER PRIMARY KEY, post TEXT)")
post = '{"id":1,"thread":1,"text":"' + "x" * 50 + '","user":1,"createdAt":"2026-03-04T09:12:33.120Z"}'
began = time.perf_counter()
count = 0
while time.perf_counter() - began < seconds:
    db.execute("INSERT INTO posts (post) VALUES (?)", (post,))
    count += 1
print(count / (time.perf_counter() - began))
