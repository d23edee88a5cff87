"""What is measured after a training, and what of it: the parts of `bench.evaluate`.

    folder       models/<name>/ -> what was trained, on which base, which items were held out
    own_files    what a training made -> where it lies, in a copied or moved folder too
    arms         that -> a Config for a task: untuned, tuned, baselines, and what is compared
    forgetting   base and tuned models -> how well each foretells general text
    shown        tables -> evaluation.md, evaluation.csv and the terminal's table

It trains nothing and computes no statistic (`bench.analysis.evaluation`, `bench.analysis.forgetting` do).
"""
