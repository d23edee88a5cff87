"""Tables in, statistics out: pure functions with no files and no global random state.

In: the frames of `bench.analysis.frames`. Out: the tables of `bench.analysis.tables.build_tables`.
The article is the unit of analysis; iterations are repeated measurements inside it. One
statistical question is one module. Nothing here reads a run, formats a number or draws.
"""
