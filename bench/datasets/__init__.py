"""Data sets: public files and raw articles in, training data out.

    recipe.yaml -> readers -> Row -> steps -> split by group -> formats -> datasets/<name>/ with its card

In: one recipe (YAML): sources, steps in their order, a split, formats, a seed. Out: a folder with
train, validation and test in every format, and a card with counts, hashes, licences and steps. Equal
inputs give equal bytes. Rows stream: what must be looked at twice lies in a temporary file, and memory
holds some tens of bytes of a row, never its text.

    row       what a row is, and what makes two texts "the same"
    readers/  one file a source of rows        steps/    one file a step
    similar/  near-duplicates, exactly         formats/  one file a format
    recipe    the YAML, with lines in errors   split     groups to sides
    build     everything in order              card      what was done
    folder    built data sets on disk          hub       a built set to the hub

This room knows no task and no article source: `bench.data` joins them. It fetches nothing but files of
the hub at a pinned revision, and trains nothing.
"""
