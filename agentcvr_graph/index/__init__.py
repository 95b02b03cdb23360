"""The evidence index behind the tool `find`: what was seen, heard and written in videos, in words, and where.

`store.py` keeps statements in SQLite and searches them; `words.py` reads words out of a query; `meaning.py` compares
meanings by the vectors of `vectors.py`; `windows.py` turns the statements that were found into windows; `overview.py`
makes the statements of a video from what a perception reports; `finder.py` combines them: it indexes what is missing
within an allowance, then searches. The index knows neither the question nor the master, and works the same over real
video and over scripts.
"""
