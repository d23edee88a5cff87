"""Labelling by models: rows in, rows with labels, scores and reasons out, no call paid twice.

    plan      which item goes to whom            journal   what was asked and answered, on disk
    flow      asks, retries, waits               limits    requests and tokens a minute
    batches   the same in batches                local     the same of an arm of our own
    paid      tokens, cost, agreement            outlive   ends in order when its parent is killed
    run       everything together: `bench data label`

In: a recipe with a `labelling` section. Out: `datasets/<name>/` as a build writes it, and its journal in
`datasets/<name>.labelling/`. This joins tasks (prompts, schema), backends (calls) and data sets (rows).

What "no call paid twice" means here. Every call is written to the journal before it is sent, and every
answer before anything else happens to it. When `bench data label` is killed, kill -9 included, the process
that asks goes on for as long as the calls in flight take, writes their answers down and ends; a resume
waits for it. So an answer that comes is never asked for again. Only where the machine itself dies can a
call be lost: it is asked again with the Idempotency-Key it had, and counted in the card as `interrupted`.
"""
