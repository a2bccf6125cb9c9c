"""What a training log says about the run: read any of them as a ``Log``, then look for causes.

log.py               the form that every log has
logs.py              ``read_log``: a file or a folder becomes a ``Log``
log_files.py         which file it is; log_json.py, log_csv.py, log_tensorboard.py: its rows
log_rows.py          one value per step out of rows: resumed runs, repeated steps, what is no number
log_repairs.py       scalars that are not what their name says, where the log shows it
canonical.py         our names, with quantity and unit
names.py             ``table_of_names``, and which framework a log is of; names_*.py: a table for each framework
"""
