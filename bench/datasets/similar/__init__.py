"""Near-duplicates: rows whose sets of word runs are similar, found exactly and with bounded memory.

In: texts. Out: for each the earlier one that it repeats, or groups of similar ones. Similarity is the
Jaccard similarity of the sets of words and word runs. Paraphrases are not found.

    shingles   the sets, on disk           join   every pair above a threshold
"""
