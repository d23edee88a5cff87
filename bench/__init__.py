"""bench: which quantization of which model may I ship for this structured-output task?

Importing the package loads nothing else; `bench.cli` is the command, `bench.sweep` and
`bench.records` are the two files to read first.
"""

__version__ = "0.1.0"
